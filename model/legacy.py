"""Networks of the earlier program: which options make one, and what its state dict must hold.

Our layers have the names of its layers, so its weights need no renaming. Its 474 keys (of the
flagship) are 470 tensors and 4 second names of the masked-piece head. Nothing is guessed: every key
of a state dict must be known, every known key must be there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from model.config import ModelConfig
from model.encoding import NUM_PLANES, num_planes
from model.net import ChessNet, describe

ALIASES: Final = {f"ssl_head.{name}": f"ssl_piece_head.{name}" for name in (
    "0.weight", "1.weight", "1.bias", "3.weight"
)}  # fmt: skip
"""Second names of tensors; both hold the same numbers."""

_ITS_PARTS: Final[dict[str, Any]] = {
    "board_features": True,
    "policy_head": "lowrank",
    "aux_policy_heads": True,
    "ssl_piece_head": True,
}
"""What all its networks have."""

_ITS_VIEW: Final[dict[str, Any]] = {"orientation": "white", "value_head": "scalar"}
"""How its networks see the board and say their value."""

_ADDED_HERE: Final[dict[str, Any]] = {
    "ssl_heads": False,
    "plies_left_head": False,
    "short_value_head": False,
    "reply_head": False,
    "smolgen": False,
    "knowledge_planes": False,
}
"""Parts that it did not have, switched off."""


@dataclass(frozen=True, slots=True)
class EarlierWeights:
    """A state dict of the earlier program that was found whole."""

    config: ModelConfig
    """Of the network to load it into, additions of ours included."""
    tensors: dict[str, Tensor]
    """Under our names, each once."""
    num_aliases: int


def earlier_form(config: ModelConfig) -> ModelConfig | None:
    """The earlier program's network inside this one; None when there is none."""
    if any(getattr(config, name) != value for name, value in _ITS_PARTS.items()):
        return None
    return replace(config, **_ITS_VIEW, **_ADDED_HERE)


def earlier_parameters(config: ModelConfig) -> int | None:
    """How many of the network's parameters the earlier program's network has."""
    form = earlier_form(config)
    return None if form is None else sum(part.parameters for part in describe(form))


def take_weights(state: Mapping[Any, Any], additions: ModelConfig) -> EarlierWeights:
    """Checks a state dict of the earlier program against the network that its shapes tell.

    `additions` says which parts of ours the network gets besides; its sizes do not matter.
    ValueError names what is missing, unknown, of another shape or type, or not finite.
    """
    sizes = _sizes(state)
    config = replace(additions, **_ITS_PARTS, **_ITS_VIEW, **sizes)
    with torch.device("meta"):
        wanted = ChessNet(replace(config, **_ADDED_HERE)).state_dict()
    _require_keys(set(state), set(wanted) | set(ALIASES))
    tensors = {name: _like(name, state[name], tensor) for name, tensor in wanted.items()}
    for alias, name in ALIASES.items():
        if not torch.equal(_like(alias, state[alias], wanted[name]), tensors[name]):
            raise ValueError(f"{alias!r} is not the same as {name!r}, whose second name it is")
    # Planes that it did not see count for nothing until training says otherwise.
    unseen = num_planes(knowledge=config.knowledge_planes) - NUM_PLANES
    tensors["stem.0.weight"] = F.pad(tensors["stem.0.weight"], (0, 0, 0, 0, 0, unseen))
    return EarlierWeights(config=config, tensors=tensors, num_aliases=len(ALIASES))


def _sizes(state: Mapping[Any, Any]) -> dict[str, Any]:
    """The sizes of its network, from shapes; what contradicts them is found by the comparison."""
    channels, planes = _shape(state, "stem.0.weight", 4)[:2]
    if planes != NUM_PLANES:
        raise ValueError(f"it reads {planes} planes, this program has {NUM_PLANES}")
    numbers = {int(found[1]) for key in state if (found := re.match(r"tower\.(\d+)\.", str(key)))}
    attention = sorted(n for n in numbers if f"tower.{n}.rel_bias" in state)
    sizes: dict[str, Any] = {
        "channels": channels,
        "blocks": len(numbers) - len(attention),
        "attention_every": attention[0] if attention else 0,
        "attention_heads": 1,
        "se_ratio": 0,
        "policy_rank": _shape(state, "policy_fc1.weight", 2)[0],
        "value_channels": _shape(state, "value_head.0.weight", 4)[0],
        "value_hidden": _shape(state, "value_fc1.weight", 2)[0],
    }
    if attention:
        sizes["attention_heads"] = _shape(state, f"tower.{attention[0]}.rel_bias", 4)[1]
    if "tower.0.se_fc1.weight" in state:
        sizes["se_ratio"] = channels // max(1, _shape(state, "tower.0.se_fc1.weight", 2)[0])
    return sizes


def _shape(state: Mapping[Any, Any], name: str, num_dims: int) -> tuple[int, ...]:
    tensor = state.get(name)
    if tensor is None:
        raise ValueError(f"1 key missing: {name!r}")
    if not isinstance(tensor, Tensor) or tensor.ndim != num_dims:
        raise ValueError(f"{name!r} is not a tensor of {num_dims} dimensions")
    return tuple(tensor.shape)


def _require_keys(found: set[Any], wanted: set[str]) -> None:
    faults = []
    for what, names in (("missing", wanted - found), ("unknown", found - wanted)):
        if names:
            listed = sorted(map(str, names))
            more = ", …" if len(listed) > 3 else ""
            keys = "key" if len(listed) == 1 else "keys"
            first = ", ".join(map(repr, listed[:3]))
            faults.append(f"{len(listed)} {keys} {what}: {first}{more}")
    if faults:
        raise ValueError("; ".join(faults))


def _like(name: str, tensor: Any, wanted: Tensor) -> Tensor:
    """`tensor`, found to be of the kind of `wanted`."""
    if not isinstance(tensor, Tensor):
        raise ValueError(f"{name!r} is no tensor")
    if not tensor.isfinite().all():
        raise ValueError(f"{name!r} holds a number that is not finite")
    # Its moving average was also taken of BatchNorm's counters of batches.
    is_averaged_count = wanted.dtype == torch.int64 and tensor.dtype == torch.float32
    if tensor.shape != wanted.shape or not (tensor.dtype == wanted.dtype or is_averaged_count):
        raise ValueError(
            f"{name!r} is {tensor.dtype} {list(tensor.shape)}, "
            f"this network needs {wanted.dtype} {list(wanted.shape)}"
        )
    return tensor.round().to(torch.int64) if is_averaged_count else tensor
