"""What is kept when training stops because its numbers are none: batch, weights, state."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.numpy

from backend.checkpoints import Arrays
from backend.commit import AddFile, commit_directory
from backend.training.objective import Examples
from backend.training.trainer import Trainer
from backend.weights import to_array


def keep_evidence(
    folder: Path,
    trainer: Trainer,
    examples: Examples | None,
    *,
    reason: str,
    values: Mapping[str, float],
    data_position: Mapping[str, Any],
) -> Path:
    """Commits a folder for whoever looks into it; numbers in it need not be finite.

    `batch.safetensors`: planes and targets of the batch, by view; `model`, `ema`, `optimizer` as in
    a checkpoint; `report.json`: the reason, what was not finite, step, data position.
    """
    report = {
        "reason": reason,
        "not_finite": {name: str(value) for name, value in values.items()},
        "step": trainer.num_steps,
        "num_samples": trainer.num_samples,
        "rate_factor": trainer.rate_factor,
        "precision": trainer.precision,
        "loss_scale": trainer.loss_scale.value,
        "data_position": data_position,
    }
    parts: dict[str, Arrays] = {"batch": _arrays_of(examples)}
    parts.update((name, arrays) for name, arrays in trainer.parts().items())

    def fill(add: AddFile) -> None:
        for name, arrays in parts.items():
            add(f"{name}.safetensors", safetensors.numpy.save(arrays))
        add("report.json", json.dumps(report, indent=1, sort_keys=True).encode() + b"\n")

    stamp = time.strftime("%Y%m%d-%H%M%S")
    return commit_directory(folder / f"{stamp}-training-{trainer.num_steps:08d}", fill)


def _arrays_of(examples: Examples | None) -> Arrays:
    if examples is None:
        return {}
    return {
        f"{view}.{name}": to_array(tensor)
        for view, rows in examples.views.items()
        for name, tensor in rows.tensors().items()
    }
