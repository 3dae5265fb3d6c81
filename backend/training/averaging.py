"""The averaged network, which plays: a moving average of the weights, or a stochastic one (SWA).

Both follow the trained weights closely at first: else the untrained ones would linger in them.
"""

import torch
from torch import Tensor, nn

from backend.training.config import TrainingConfig


@torch.no_grad()
def update_average(
    average: nn.Module, net: nn.Module, config: TrainingConfig, num_steps: int
) -> None:
    """Take the weights after `num_steps` steps into `average`.

    ema: every step, the BatchNorm statistics as they are. swa (Izmailov 2018): the plain mean of
    the last swa_snapshots weights (and statistics) that are swa_every_steps apart, the older ones
    fading, as lc0 does it; between two snapshots nothing changes.
    """
    match config.average:
        case "ema":
            decay = min(config.ema_decay, (1 + num_steps) / (10 + num_steps))
            _mix(list(average.parameters()), list(net.parameters()), 1.0 - decay)
            _mix(list(average.buffers()), list(net.buffers()), 1.0)
        case "swa":
            snapshots, rest = divmod(num_steps, config.swa_every_steps)
            if rest and snapshots:
                return
            share = 1.0 / max(1, min(snapshots, config.swa_snapshots))
            _mix(list(average.parameters()), list(net.parameters()), share)
            _mix(list(average.buffers()), list(net.buffers()), share)


def _mix(into: list[Tensor], new: list[Tensor], share: float) -> None:
    """into = (1 - share) * into + share * new; counters and masks are copied."""
    pairs = list(zip(into, new, strict=True))
    if share < 1.0:
        real = [(old, value) for old, value in pairs if old.is_floating_point()]
        torch._foreach_lerp_([old for old, _ in real], [value for _, value in real], share)
    for old, value in pairs:
        if share == 1.0 or not old.is_floating_point():
            old.copy_(value)
