"""AdamW: which weights decay, its gradients, and its moments as arrays of a checkpoint."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from backend.checkpoints import Arrays
from backend.device import Device
from backend.errors import CheckpointError
from backend.training.config import TrainingConfig
from backend.weights import require_names, to_array

NAMED_GRADIENTS: Final = 3
"""So many weights are named whose gradients are not finite."""

_MOMENTS: Final = ("exp_avg", "exp_avg_sq", "step")


def make_optimizer(net: nn.Module, config: TrainingConfig, device: Device) -> torch.optim.AdamW:
    """AdamW over all of `net`, in one kernel where the device has that."""
    return torch.optim.AdamW(
        _parameter_groups(net, config.weight_decay),
        lr=config.learning_rate,
        fused=True if device.kind in ("cpu", "cuda") else None,
    )


def clip(parameters: Sequence[nn.Parameter], scale: float, most: float) -> Tensor:
    """Divides gradients by `scale`, then scales them down to a total L2 norm of `most`.

    Returns the norm before that.
    """
    gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
    if scale != 1.0:
        torch._foreach_mul_(gradients, 1.0 / scale)
    norm = nn.utils.get_total_norm(gradients)
    # By a norm that is none they are not scaled, so that those to blame can be named.
    usable = torch.nan_to_num(norm, nan=0.0, posinf=0.0)
    nn.utils.clip_grads_with_norm_(parameters, most, usable)
    return norm


def unfit_gradients(net: nn.Module) -> dict[str, float]:
    """The first weights whose gradients are not finite, each with its gradient's norm."""
    norms = {
        f"gradient of {name}": float(parameter.grad.norm())
        for name, parameter in net.named_parameters()
        if parameter.grad is not None
    }
    unfit = [(name, norm) for name, norm in norms.items() if not math.isfinite(norm)]
    return dict(unfit[:NAMED_GRADIENTS])


def moments_to_arrays(optimizer: torch.optim.AdamW, net: nn.Module) -> Arrays:
    """Copies of all moments, as `moment.parameter`; a parameter without gradients has none."""
    return {
        f"{moment}.{name}": to_array(tensor)
        for name, parameter in net.named_parameters()
        for moment, tensor in optimizer.state.get(parameter, {}).items()
    }


def moments_from_arrays(
    optimizer: torch.optim.AdamW,
    net: nn.Module,
    arrays: Arrays,
    where: str,
    is_trained: Callable[[str], bool],
) -> dict[nn.Parameter, dict[str, Tensor]]:
    """The optimiser's state in `arrays`, for `net`; checked against it. None at all is allowed."""
    parameters = dict(net.named_parameters())
    names = {name.split(".", 1)[1] for name in arrays}
    if names:
        require_names(names, {name for name in parameters if is_trained(name)}, where)
    expected = {f"{moment}.{name}" for name in names for moment in _MOMENTS}
    require_names(set(arrays), expected, where)
    state: dict[nn.Parameter, dict[str, Tensor]] = {}
    for name in names:
        parameter = parameters[name]
        state[parameter] = {}
        for moment in _MOMENTS:
            tensor = torch.from_numpy(arrays[f"{moment}.{name}"])
            shape = torch.Size() if moment == "step" else parameter.shape
            if tensor.shape != shape:
                raise CheckpointError(f"{where}: {moment}.{name} has shape {tensor.shape!r}")
            if moment == "step":
                # The fused optimiser counts where the weights are, the others on the CPU.
                fused = optimizer.defaults["fused"]
                state[parameter][moment] = tensor.to(parameter.device if fused else "cpu")
            else:
                # The parameter's memory format, as the optimiser itself would have made it.
                state[parameter][moment] = torch.empty_like(parameter).copy_(tensor)
    return state


def _parameter_groups(net: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and kernels decay; norms, biases and learned position tables do not."""
    decayed = [layer.weight for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    chosen = {id(parameter) for parameter in decayed}
    rest = [parameter for parameter in net.parameters() if id(parameter) not in chosen]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]
