"""The averaged network, which plays: a moving average of the weights, or a stochastic one (SWA).

Both follow the trained weights closely at first: else the untrained ones would linger in them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from backend.training.config import TrainingConfig


class Average:
    """Keeps `average`, a copy of `net`, up with it. Their tensors are listed once: to walk through
    a deep network takes longer than a fast GPU needs for all the rest of this."""

    def __init__(self, average: nn.Module, net: nn.Module, config: TrainingConfig) -> None:
        self._config = config
        self._parameters = list(zip(average.parameters(), net.parameters(), strict=True))
        self._buffers = list(zip(average.buffers(), net.buffers(), strict=True))

    @torch.no_grad()
    def update(self, num_steps: int) -> None:
        """Take the weights after `num_steps` steps into the average.

        ema: every step, the BatchNorm statistics as they are. swa (Izmailov 2018): the plain mean
        of the last swa_snapshots weights (and statistics) that are swa_every_steps apart, the older
        ones fading, as lc0 does it; between two snapshots nothing changes.
        """
        config = self._config
        match config.average:
            case "ema":
                decay = min(config.ema_decay, (1 + num_steps) / (10 + num_steps))
                _mix(self._parameters, 1.0 - decay)
                _mix(self._buffers, 1.0)
            case "swa":
                snapshots, rest = divmod(num_steps, config.swa_every_steps)
                if rest and snapshots:
                    return
                share = 1.0 / max(1, min(snapshots, config.swa_snapshots))
                _mix(self._parameters, share)
                _mix(self._buffers, share)


def _mix(pairs: Sequence[tuple[Tensor, Tensor]], share: float) -> None:
    """old = (1 - share) * old + share * new; counters and masks are copied."""
    mixed = [pair for pair in pairs if share < 1.0 and pair[0].is_floating_point()]
    if mixed:
        torch._foreach_lerp_([old for old, _ in mixed], [new for _, new in mixed], share)
    copied = [pair for pair in pairs if share == 1.0 or not pair[0].is_floating_point()]
    if copied:
        torch._foreach_copy_([old for old, _ in copied], [new for _, new in copied])
