"""A trainer for a process of its own: `python -m … RUN OUT`, alone or with a team as RUN says.

Takes three steps on weighted random positions and leaves in OUT what came of them.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from backend.config import Config
from backend.device import choose_device
from backend.replay.batch import Batch
from backend.rundir import RunDirectory
from backend.training.ranks import team_of
from backend.training.team import Team
from backend.training.trainer import Trainer
from tests.positions import random_batch

STEPS = 3


def weighted_batch(size: int, seed: int) -> Batch:
    """Positions that count differently, some not at all."""
    rng = np.random.default_rng(seed)
    return replace(
        random_batch(size, seed),
        policy_weight=rng.uniform(0, 2, size).astype(np.float32),
        value_weight=(rng.uniform(0, 1, size) > 0.4).astype(np.float32),
    )


def take_steps(config: Config, team: Team | None) -> dict[str, Tensor]:
    """Gradients and metrics of the first and the last step; weights and statistics at the end."""
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(config.device),
        seed=config.seed,
        team=team,
        say=lambda *_: None,
    )
    found = {}
    for number in range(STEPS):
        values = trainer.step(weighted_batch(config.training.batch_size, number))
        if number in (0, STEPS - 1):
            del values["samples_per_s"]
            found |= {f"metric {number} {n}": torch.tensor(value) for n, value in values.items()}
            found |= {
                f"gradient {number} {name}": parameter.grad.clone()
                for name, parameter in trainer.net.named_parameters()
                if parameter.grad is not None
            }
    found |= {f"state {name}": tensor for name, tensor in trainer.net.state_dict().items()}
    return found


def main(run: RunDirectory, out: Path) -> None:
    config = run.read_config()
    with team_of(run, config) as team:
        save_file({n: t.contiguous() for n, t in take_steps(config, team).items()}, out)


if __name__ == "__main__":
    main(RunDirectory(Path(sys.argv[1])), Path(sys.argv[2]))
