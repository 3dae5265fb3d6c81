"""Checkpoints as the earlier program wrote them, made of its golden tensors."""

from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden" / "v2_small_golden.safetensors"


@cache
def golden_tensors() -> dict[str, Tensor]:
    """Weights (`weights.*`), planes of 32 positions, and the outputs in evaluation mode."""
    with safe_open(GOLDEN, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - no dict


def golden_state() -> dict[str, Tensor]:
    """Its state dict, the second names of the masked-piece head included."""
    tensors = golden_tensors()
    prefix = "weights."
    state = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    aliases = [key for key in state if key.startswith("ssl_piece_head.")]
    return state | {key.replace("ssl_piece_head", "ssl_head"): state[key] for key in aliases}


def averaged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """As its moving average holds them: counters of batches were averaged, too."""
    return {key: t.float() if t.dtype == torch.int64 else t for key, t in state.items()}


def container(**parts: Any) -> dict[str, Any]:
    """What its trainer saved, with the golden weights unless `parts` says otherwise."""
    state = golden_state()
    return {
        "step": 5000,
        "global_step": 5000,
        "model": state,
        "model_state_dict": state,
        "model_ema": averaged(state),
        "optimizer": None,
        "scheduler": None,
        "timestamp": "2025-08-22T00:00:00",
        "version": "2.0",
        "config": {"model_type": "PolicyValueNet"},
    } | parts


def old_container(state: dict[str, Tensor]) -> dict[str, Any]:
    """The other vintage, without a moving average."""
    return {"model_state_dict": state, "global_step": 70, "config": {}, "model_config": {}}
