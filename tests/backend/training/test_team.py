"""Several processes learn what one learns from the same batches, and leave nothing behind."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from backend.errors import ConfigError, ExitCode
from backend.processes import child_environment
from backend.rundir import RunDirectory
from backend.settings import build_config
from tests.backend.training.team_steps import take_steps
from tests.limits import PATIENCE_S

TINY = (
    "model.channels=16",
    "model.blocks=2",
    "model.attention_every=2",
    "model.attention_heads=2",
    "model.policy_head=conv",
    "training.batch_size=25",
    "training.precision=float32",
    "training.checkpointing=none",
    "training.warmup_steps=0",
    "training.drop_path=0.2",
)
TOLERANCES = {"metric": 1e-5, "gradient": 1e-6, "state": 1e-4}
"""Sums are taken in another order. AdamW makes a whole step of 3e-4 of the smallest gradients."""


def _steps_of_processes(path: Path, settings: Sequence[str]) -> dict[str, Tensor]:
    """What processes of their own made of the batches."""
    run = RunDirectory(path / "run")
    run.create()
    run.settle(build_config("tiny", overrides=settings))
    done = subprocess.run(
        [sys.executable, "-m", "tests.backend.training.team_steps", str(run.path), path / "out"],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,  # Of a whole program: two of them start, and kernels may be cold.
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return load_file(path / "out")


def _require_alike(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        tolerance = TOLERANCES[name.split()[0]]
        torch.testing.assert_close(
            found[name], tensor, rtol=1e-5, atol=tolerance, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_two_processes_take_the_steps_that_one_takes(tmp_path: Path) -> None:
    # Statistics of BatchNorm, masked boards, weights that differ, an odd number of positions: all
    # in two micro-batches of each process, against two of one process that are twice as large.
    two = _steps_of_processes(tmp_path, [*TINY, "training.processes=2", "training.micro_batch=7"])
    config = build_config("tiny", overrides=[*TINY, "training.micro_batch=14"])
    one = take_steps(config, None)
    assert two["state tower.0.bn1.num_batches_tracked"] == 6
    _require_alike(two, one)


@pytest.mark.slow
def test_three_processes_that_compute_layers_twice_take_the_steps_that_one_takes(
    tmp_path: Path,
) -> None:
    few = [*TINY, "training.processes=3", "training.checkpointing=selective"]
    three = _steps_of_processes(tmp_path, few)
    _require_alike(three, take_steps(build_config("tiny", overrides=TINY), None))


def test_a_batch_is_not_split_among_more_processes_than_it_has_masked_boards_for() -> None:
    with pytest.raises(ConfigError, match=r"processes.* 7.*at most 6, a quarter of batch_size"):
        build_config("tiny", overrides=[*TINY, "training.processes=7"])


@pytest.mark.slow
def test_torch_distributed_is_not_set_up_where_one_process_trains(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.settle(build_config("tiny", overrides=TINY))
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from backend.rundir import RunDirectory\n"
        "from tests.backend.training.team_steps import main\n"
        "main(RunDirectory(Path(sys.argv[1])), Path(sys.argv[2]))\n"
        "from torch import distributed\n"
        "assert not distributed.is_initialized()\n"
        "assert 'backend.training.torch_team' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.path), tmp_path / "out"],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,  # Of a whole program: two of them start, and kernels may be cold.
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_process_whose_partner_never_comes_ends_and_says_so(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from backend.training import gathering\n"
        "gathering.MEETING_S = 1.0\n"
        "gathering.follow(Path(sys.argv[1]), 1, 2)\n"
    )
    ours, theirs = os.pipe()  # Its end would end the follower.
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "store"],
        stdin=ours,
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_S,
        check=False,
    )
    for end in (ours, theirs):
        os.close(end)
    assert done.returncode == ExitCode.INTERNAL
    assert "the processes to train with were not met within 1 s" in done.stderr
