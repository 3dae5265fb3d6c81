"""The trainer as the supervisor has it: a process with a pipe for orders and a pipe for events."""

import asyncio
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import pytest

from backend import checkpoints
from backend.commands import AddShard, Pause, Resume, SaveCheckpoint, Stop, WorkerCommand
from backend.config import Config
from backend.errors import ExitCode
from backend.events import (
    CheckpointSaved,
    Event,
    EventBase,
    Heartbeat,
    LogLine,
    ShardAdmitted,
    ShardUnusable,
    TrainerProgress,
    TrainingStep,
    WorkerReady,
)
from backend.processes import child_command, child_environment
from backend.replay.admission import AdmittedShard, admit
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.store.rows import GameRow
from backend.store.store import Store
from backend.wire import decode_event, encode
from tests.backend.replay.games import black_mates, cut_game, white_mates, write
from tests.child_lines import ChildLines
from tests.limits import PATIENCE_S

CONFIG = build_config(
    "tiny",
    overrides=[
        "model.channels=16",
        "model.blocks=2",
        "training.batch_size=8",
        "training.metrics_every=1",
        "training.precision=float32",
        "training.steps_per_cycle=1000",
        "replay.min_positions=10",
        "replay.samples_per_position=4",
        "supervisor.heartbeat_s=0.1",
    ],
)

E = TypeVar("E", bound=EventBase)


class _Trainer:
    """A trainer process; whatever still runs at the end of the `with` is killed."""

    def __init__(self, run: RunDirectory) -> None:
        self.seen: list[Event] = []
        words = ("worker", "trainer", "--run", str(run.path), "--worker", "trainer")
        with run.log_file("trainer").open("ab") as log:
            self._process = subprocess.Popen(
                child_command(*words),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=child_environment(),
            )
        self._lines = ChildLines(self._process)

    def __enter__(self) -> "_Trainer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def order(self, command: WorkerCommand) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(encode(command))
        self._process.stdin.flush()

    def wait_for(self, kind: type[E], is_it: Callable[[E], bool] = lambda _: True) -> E:
        """The next event of a kind that fits."""
        deadline = time.monotonic() + PATIENCE_S
        while (event := self._next(deadline)) is not None:
            if isinstance(event, kind) and is_it(event):
                return event
        raise AssertionError(f"no such {kind.__name__} came; last: {self.seen[-8:]}")

    def finish(self) -> int:
        deadline = time.monotonic() + PATIENCE_S
        while self._next(deadline) is not None:
            pass
        return self._process.wait(timeout=PATIENCE_S)

    def wait_until_starved(self, step: int) -> TrainerProgress:
        return self.wait_for(TrainerProgress, lambda p: p.step == step and p.waiting != "")

    def _next(self, deadline: float) -> Event | None:
        line = self._lines.next(deadline)
        if line is None:
            return None
        event = decode_event(line)
        self.seen.append(event)
        return event

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.seen if isinstance(event, kind)]


def _make_run(path: Path, config: Config = CONFIG) -> RunDirectory:
    run = RunDirectory(path)
    run.create()
    run.settle(config)
    return run


def _write(run: RunDirectory, seq: int) -> AdmittedShard:
    """14 positions, 11 with a result."""
    return admit(write(run.replay, [white_mates(), cut_game(), black_mates()], seq=seq))


def _admit(run: RunDirectory, shard: AdmittedShard) -> None:
    """Into the run's database, as the supervisor does it."""
    rows = [
        GameRow(id=game.id, result=game.result, outcome=game.outcome, plies=game.plies)
        for game in shard.games
    ]
    event = ShardAdmitted(
        name=shard.name,
        games=len(shard.games),
        positions=shard.positions,
        truncated=shard.truncated,
        white_wins=shard.white_wins,
        draws=shard.draws,
        black_wins=shard.black_wins,
        plies=shard.plies,
    )

    async def write_rows() -> None:
        store = await Store.open(run.database)
        await store.admit(event, shard.sha256, rows, 0)
        await store.close()

    asyncio.run(write_rows())


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run whose trainer was never stopped before its 14th step; what it says is checked here."""
    run = _make_run(tmp_path_factory.mktemp("straight") / "run")
    first, second = _write(run, 0), _write(run, 1)
    _admit(run, first)
    with _Trainer(run) as trainer:
        assert trainer.wait_for(WorkerReady).device == "cpu"
        assert trainer.wait_for(CheckpointSaved).name == "step-00000000"
        starved = trainer.wait_until_starved(7)
        assert starved.waiting == "for credits: self-play must add 2 positions"
        assert (starved.presented_samples, starved.admitted_positions) == (56, 14)
        beat = trainer.wait_for(Heartbeat, lambda b: b.phase == "waiting")
        assert beat.detail == starved.waiting

        trainer.order(SaveCheckpoint(reason="asked"))
        saved = trainer.wait_for(CheckpointSaved)
        assert (saved.name, saved.reason) == ("step-00000007", "asked")
        checkpoints.verify(run.checkpoints / saved.name)

        trainer.order(Pause())
        trainer.order(AddShard(name=second.name))
        trainer.order(AddShard(name=second.name))
        trainer.wait_for(TrainerProgress, lambda p: p.waiting == "paused" and p.credits == 56)
        trainer.order(Resume())
        assert trainer.wait_until_starved(14).window_positions == 28

        trainer.order(Stop())
        assert trainer.wait_for(CheckpointSaved).name == "step-00000014"
        assert trainer.finish() == ExitCode.DONE
        steps = trainer.of(TrainingStep)
        assert [point.step for point in steps] == list(range(1, 15))
        assert all(point.metrics["policy_loss"] > 0 for point in steps)
    return run


def test_it_trains_on_credit_waits_with_a_reason_and_saves_when_told(
    straight: RunDirectory,
) -> None:
    assert checkpoints.list_checkpoints(straight.checkpoints) == [
        "step-00000000",
        "step-00000007",
        "step-00000014",
    ]


@pytest.mark.slow
def test_stopped_and_started_again_it_takes_the_same_steps(
    straight: RunDirectory, tmp_path: Path
) -> None:
    run = _make_run(tmp_path / "run")
    shards = [_write(run, 0), _write(run, 1)]
    _admit(run, shards[0])
    with _Trainer(run) as trainer:
        trainer.wait_until_starved(7)
        trainer.order(Stop())
        assert trainer.finish() == ExitCode.DONE
    _admit(run, shards[1])
    with _Trainer(run) as trainer:
        trainer.wait_for(LogLine, lambda line: line.text == "goes on from step-00000007")
        trainer.wait_until_starved(14)
        trainer.order(Stop())
        assert trainer.finish() == ExitCode.DONE

    once, twice = (directory.checkpoints / "step-00000014" for directory in (straight, run))
    for part in checkpoints.PARTS:
        file = f"{part}.safetensors"
        assert (once / file).read_bytes() == (twice / file).read_bytes(), part
    one, two = checkpoints.read_manifest(once), checkpoints.read_manifest(twice)
    assert one.data_position == two.data_position
    assert one.trainer == two.trainer


def test_a_damaged_and_a_vanished_shard_are_reported_and_it_trains_on_the_rest(
    tmp_path: Path,
) -> None:
    run = _make_run(tmp_path / "run")
    damaged, vanished, sound = (_write(run, seq) for seq in range(3))
    for shard in (damaged, vanished, sound):
        _admit(run, shard)
    path = run.replay / damaged.name
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    (run.replay / vanished.name).unlink()
    with _Trainer(run) as trainer:
        first, second = trainer.wait_for(ShardUnusable), trainer.wait_for(ShardUnusable)
        assert (first.name, second.name) == (damaged.name, vanished.name)
        assert f"{path}: damaged" in first.reason
        assert "cannot be read" in second.reason
        assert trainer.wait_for(TrainingStep).step == 1
        assert trainer.wait_for(TrainerProgress).window_positions == sound.positions


@pytest.mark.slow
def test_with_its_shards_taken_away_it_waits_for_new_ones(tmp_path: Path) -> None:
    run = _make_run(tmp_path / "run")
    lost, found = _write(run, 0), _write(run, 1)
    _admit(run, lost)
    (run.replay / lost.name).unlink()

    async def mark() -> None:
        store = await Store.open(run.database)
        await store.set_shard_state([lost.name], "missing")
        await store.close()

    asyncio.run(mark())
    with _Trainer(run) as trainer:
        waiting = trainer.wait_for(TrainerProgress).waiting
        assert waiting == "for positions: 0 of the 10 needed are left in replay/"
        trainer.order(AddShard(name=found.name))
        assert trainer.wait_for(TrainingStep).step == 1
        trainer.order(Stop())
        assert trainer.finish() == ExitCode.DONE


@pytest.mark.slow
def test_credits_of_positions_that_left_the_window_are_not_spent_on_the_rest(
    tmp_path: Path,
) -> None:
    config = replace(CONFIG, replay=replace(CONFIG.replay, window_positions=14))
    run = _make_run(tmp_path / "run", config)
    for seq in range(3):
        _admit(run, _write(run, seq))
    with _Trainer(run) as trainer:
        starved = trainer.wait_until_starved(7)
        assert (starved.window_positions, starved.admitted_positions) == (14, 42)
        assert (starved.presented_samples, starved.credits) == (56, 0)
        trainer.order(Stop())
        assert trainer.finish() == ExitCode.DONE
    with _Trainer(run) as trainer:
        assert trainer.wait_until_starved(7).credits == 0


@pytest.mark.slow
def test_it_saves_by_the_clock_and_goes_on_from_there_when_it_was_killed(tmp_path: Path) -> None:
    training = replace(CONFIG.training, steps_per_cycle=14, checkpoint_every_s=1e-6)
    run = _make_run(tmp_path / "run", replace(CONFIG, training=training))
    first, second = _write(run, 0), _write(run, 1)
    _admit(run, first)
    with _Trainer(run) as trainer:
        trainer.wait_until_starved(7)
    with _Trainer(run) as trainer:
        trainer.wait_for(LogLine, lambda line: line.text == "goes on from step-00000007")
        trainer.order(SaveCheckpoint(reason="requested"))
        saved = trainer.wait_for(CheckpointSaved)
        assert (saved.name, saved.reason) == ("step-00000007", "requested")
        trainer.order(AddShard(name=second.name))
        trainer.wait_until_starved(14)
        reasons = [saved.reason for saved in trainer.of(CheckpointSaved)]
        assert reasons == ["requested", *["timed"] * 6, "cycle"]

        # A candidate that a person saves again stays a candidate.
        trainer.order(SaveCheckpoint(reason="requested"))
        trainer.wait_for(LogLine, lambda line: line.text == "step-00000014 is saved already")
        trainer.order(Stop())
        assert trainer.finish() == ExitCode.DONE
        assert trainer.of(CheckpointSaved)[-1].reason == "cycle"
