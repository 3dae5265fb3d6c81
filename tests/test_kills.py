"""The real program, killed with SIGKILL in the middle of each stage and started again.

One run directory is killed again and again, each time in another stage and at a moment drawn from a
seeded generator. After every restart the directory is compared, from outside, with everything that
was ever announced.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.run_process import LIMIT_S, ROOT, RunProcess, Way
from tests.run_witness import Witness, faults, half_written

Moment = Callable[[RunProcess, Random], None]
"""Returns when a run is in the middle of a stage."""


# The stages ---------------------------------------------------------------------------------------


def while_loading(run: RunProcess, rng: Random) -> None:
    run.wait_for("Heartbeat", lambda e: e["worker"] == "sp0")
    run.listen(rng.uniform(0.0, 2.0))


def in_selfplay_before_training(run: RunProcess, rng: Random) -> None:
    for _ in range(rng.randint(1, 4)):
        run.wait_for("ShardWritten")
    run.listen(rng.uniform(0.0, 0.05))


def while_training(run: RunProcess, rng: Random) -> None:
    for _ in range(rng.randint(1, 3)):
        run.wait_for("TrainingStep")
    run.listen(rng.uniform(0.0, 0.1))


def while_a_checkpoint_is_written(run: RunProcess, rng: Random) -> None:
    run.wait_for("TrainingStep")
    deadline = time.monotonic() + LIMIT_S
    folder = run.directory / "checkpoints"
    while not any(".tmp." in name for name in os.listdir(folder)):
        assert time.monotonic() < deadline, "no checkpoint was written"
    deadline = time.perf_counter() + rng.uniform(0.0, 0.004)
    while time.perf_counter() < deadline:  # Far shorter than any event would take to arrive.
        pass


def while_a_match_is_played(run: RunProcess, rng: Random) -> None:
    run.wait_for("MatchStarted")
    run.listen(rng.uniform(0.0, 0.3))


def between_the_last_match_and_the_promotion(run: RunProcess, rng: Random) -> None:
    run.wait_for("MatchFinished", lambda e: e["opponent"] == "greedy")
    run.listen(rng.uniform(0.0, 0.03))


def right_after_a_promotion(run: RunProcess, rng: Random) -> None:
    run.wait_for("Promoted", lambda e: e.get("previous"))
    run.listen(rng.choice((0.0, rng.uniform(0.0, 0.2))))


def in_a_clean_shutdown(run: RunProcess, rng: Random) -> None:
    run.wait_for("TrainingStep")
    run.process.send_signal(signal.SIGINT)
    run.wait_for("RunStopping")
    run.listen(rng.uniform(0.0, 0.4))


def in_recovery(run: RunProcess, rng: Random) -> None:
    deadline = time.monotonic() + LIMIT_S
    while (run.directory / "lock").read_text().split()[:1] != [str(run.process.pid)]:
        assert time.monotonic() < deadline, "the run was not locked"
    run.listen(rng.uniform(0.0, 0.3))


def right_after_recovery(run: RunProcess, rng: Random) -> None:
    run.listen(rng.uniform(0.0, 0.1))


STAGES: tuple[tuple[Moment, Way], ...] = (
    (while_loading, "everything"),
    (in_selfplay_before_training, "group"),
    (while_training, "group"),
    (while_a_checkpoint_is_written, "everything"),
    (while_a_match_is_played, "group"),
    (between_the_last_match_and_the_promotion, "everything"),
    (right_after_a_promotion, "group"),
    (in_recovery, "group"),
    (in_a_clean_shutdown, "everything"),
    (in_recovery, "everything"),
    (right_after_recovery, "group"),
)


# Killing through ----------------------------------------------------------------------------------


@dataclass
class Campaign:
    """A run that is killed again and again, and what was seen of it."""

    directory: Path
    rng: Random
    witness: Witness = field(default_factory=Witness)
    halves: set[Path] = field(default_factory=set)
    """What the last kill left half-written."""
    problems: list[str] = field(default_factory=list)

    def start(self, *words: str) -> RunProcess:
        return RunProcess(self.directory, *words, hear=self.witness.hear)

    def kill(self, stage: Moment, way: Way) -> None:
        """Starts the run, checks what it recovered, and kills it in a stage."""
        with self.start() as run:
            if stage is not in_recovery:
                run.wait_for("Recovered")
                self._check(f"before {stage.__name__}")
            stage(run, self.rng)
            orphans = run.kill(way)
            if orphans:
                self.problems.append(f"{orphans} processes outlived the kill {stage.__name__}")
        self.halves = half_written(self.directory)
        print(
            f"{stage.__name__:<42} {way:<10} recovered in {run.recovered_s:4.1f} s, "
            f"{self.witness.games} games announced, step {self.witness.step}, "
            f"cycle {self.witness.cycle}, {orphans} orphans, {len(self.halves)} half-written"
        )

    def complete(self) -> int:
        """Starts the run once more, for one cycle, and returns the exit code."""
        with self.start("--cycles", str(self.witness.cycle + 1)) as run:
            run.wait_for("Recovered")
            self._check("before the end")
            code = run.finish()
        self.halves = half_written(self.directory)
        self._check("at the end")
        return code

    def _check(self, when: str) -> None:
        self.problems += [f"{when}: {fault}" for fault in faults(self.directory, self.witness)]
        stayed = self.halves & half_written(self.directory)
        self.problems += [f"{when}: {path} was not swept" for path in stayed]
        self.witness.complaints.clear()


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A run that was killed in every stage, before its last start."""
    seed = 1
    print(f"\nseed {seed}")
    campaign = Campaign(tmp_path_factory.mktemp("kills") / "run", Random(seed))
    for stage, way in STAGES:
        campaign.kill(stage, way)
    return campaign


@pytest.mark.slow
def test_a_run_killed_at_once_has_its_games_after_the_restart(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path / "run", Random(2))
    campaign.kill(in_selfplay_before_training, "everything")
    assert campaign.witness.games > 0
    campaign.kill(right_after_recovery, "group")
    assert campaign.problems == []


@pytest.mark.slow
def test_killed_in_every_stage_a_run_loses_nothing_and_completes(survivor: Campaign) -> None:
    assert survivor.complete() == 0
    assert survivor.problems == []
    assert survivor.witness.promoted[0] == "step-00000000"
    assert survivor.witness.resumed
    # What a person is shown at the end: a start with nothing left to do.
    cycles = survivor.witness.cycle
    words = ["--no-ui", "--run", str(survivor.directory), "--cycles", str(cycles)]
    code = "from matrix0.cli import tui_main; tui_main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=ROOT, check=True
    )
    best = int(survivor.witness.promoted[-1].removeprefix("step-"))
    summary = done.stdout.splitlines()[-1]
    assert summary.startswith(f"{cycles} cycles, ")
    assert summary.endswith(f"best network {best}")
    pgn = (survivor.directory / "games" / "selfplay.pgn").read_text()
    assert f"{pgn.count('[GameId '):,} games, " in done.stdout
    assert pgn.count("[GameId ") >= survivor.witness.games


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("harm", [Path.unlink, _truncate], ids=["deleted", "truncated"])
def test_the_witness_reports_a_game_that_was_taken_away_before_the_restart(
    survivor: Campaign, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    directory = tmp_path / "run"
    shutil.copytree(survivor.directory, directory)
    name = survivor.rng.choice(sorted(survivor.witness.shards))
    harm(directory / "replay" / name)
    robbed = Campaign(directory, survivor.rng, survivor.witness)
    with robbed.start("--cycles", "1") as run:
        assert run.finish() == 0
    assert any(name in fault and "lost" in fault for fault in faults(directory, robbed.witness))
    survivor.witness.complaints.clear()


@pytest.mark.slow
def test_the_witness_sees_every_kind_of_damage(survivor: Campaign, tmp_path: Path) -> None:
    directory = tmp_path / "run"
    shutil.copytree(survivor.directory, directory)
    pgn = directory / "games" / "selfplay.pgn"
    text = pgn.read_text()
    last = text[text.rindex("[Event ") :]
    pgn.write_text(text + last)
    assert any("of them different" in fault for fault in faults(directory, survivor.witness))
    pgn.write_text(text.removesuffix(last))
    assert any("the database" in fault for fault in faults(directory, survivor.witness))
    pgn.write_text(text)
    weights = directory / "checkpoints" / max(survivor.witness.checkpoints) / "ema.safetensors"
    _truncate(weights)
    assert any("ema.safetensors" in fault for fault in faults(directory, survivor.witness))
