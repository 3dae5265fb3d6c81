"""A checkpoint of an untrained two-block network, real in all but its strength."""

from pathlib import Path

import torch

from backend import checkpoints
from backend.weights import arrays_of
from model.config import ModelConfig
from model.net import ChessNet

MODEL = ModelConfig(channels=16, blocks=2, attention_every=0, policy_head="conv")


def small_checkpoint(root: Path, step: int = 1) -> Path:
    """Written under `root`/checkpoints; its directory."""
    torch.manual_seed(0)
    arrays = arrays_of(ChessNet(MODEL))
    parts = {"model": arrays, "ema": arrays, "optimizer": {}}
    return checkpoints.save(root / "checkpoints", step=step, model=MODEL, parts=parts)
