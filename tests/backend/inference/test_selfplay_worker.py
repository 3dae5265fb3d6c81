"""A self-play worker goes on playing while its next network is made ready."""

import subprocess
import threading
import time
from pathlib import Path

import pytest
import torch

from backend.commands import Stop, UseNetwork, WorkerCommand
from backend.errors import ExitCode
from backend.events import (
    Event,
    Heartbeat,
    InferenceChosen,
    LogLine,
    NonFinite,
    SelfPlayProgress,
    ShardWritten,
)
from backend.inference.choose import Choice, Chooser
from backend.processes import child_command, child_environment
from backend.replay.shards import list_shards, read_metadata
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.training.config import TrainingConfig
from backend.training.trainer import Trainer
from backend.wire import decode_event, encode
from backend.workers import selfplay
from model.net import ChessNet
from tests.backend.inference.networks import CPU
from tests.backend.training.test_saving import RecordingIO
from tests.positions import random_batch

LIMIT_S = 300.0
CONFIG = build_config(
    "tiny",
    overrides=[
        "model.channels=16",
        "model.blocks=1",
        "search.simulations=2",
        "selfplay.games=8",
        "selfplay.max_plies=12",
        "inference.agreement_positions=32",
        "inference.calibration_positions=16",
        "supervisor.heartbeat_s=0.1",
    ],
)


def _make_run(path: Path) -> tuple[RunDirectory, list[str]]:
    """A run with two checkpoints, and their names."""
    run = RunDirectory(path)
    run.create()
    run.settle(CONFIG)
    trainer = Trainer(CONFIG.model, CONFIG.ssl, TrainingConfig(), CPU, seed=1)
    names = [trainer.save(run.checkpoints).name]
    trainer.step(random_batch(8, seed=1))
    return run, [*names, trainer.save(run.checkpoints).name]


def _played(run: RunDirectory, first: str, second: str) -> tuple[list[Event], int]:
    """All that a worker says that is told the second network once it plays with the first."""
    words = ("worker", "selfplay", "--run", str(run.path), "--worker", "sp0")
    seen: list[Event] = []
    with (
        run.log_file("sp0").open("ab") as log,
        subprocess.Popen(
            child_command(*words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=child_environment(),
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        limit = threading.Timer(LIMIT_S, process.kill)
        limit.start()
        orders: list[tuple[str, WorkerCommand]] = [
            (first, UseNetwork(name=second)),
            (second, Stop()),
        ]
        process.stdin.write(encode(UseNetwork(name=first)))
        process.stdin.flush()
        for line in process.stdout:
            seen.append(event := decode_event(line))
            if isinstance(event, SelfPlayProgress) and orders and event.network == orders[0][0]:
                process.stdin.write(encode(orders.pop(0)[1]))
                process.stdin.flush()
        limit.cancel()
    return seen, process.returncode


@pytest.mark.slow
def test_games_go_on_while_the_next_network_is_made_ready(tmp_path: Path) -> None:
    run, (first, second) = _make_run(tmp_path / "run")
    seen, code = _played(run, first, second)
    assert code == ExitCode.DONE, seen[-3:]
    chosen = [event for event in seen if isinstance(event, InferenceChosen)]
    assert [event.network for event in chosen] == [first, second]
    assert all(event.evaluations_per_s > 0 for event in chosen)
    phases = [event.phase for event in seen if isinstance(event, Heartbeat)]
    assert "tuning" in phases
    assert set(phases[phases.index("playing") :]) == {"playing"}
    networks = {read_metadata(path).network for path in list_shards(run.replay)}
    assert first in networks
    assert networks <= {first, second}


class _Told(RecordingIO):
    """Orders: a network; another one when that was refused; a stop when the other one plays."""

    worker = "sp0"

    def __init__(self, first: str, then: str) -> None:
        super().__init__()
        self._orders = [
            (Event, UseNetwork(name=first)),
            (NonFinite, UseNetwork(name=then)),
            (InferenceChosen, Stop()),
        ]

    def poll(self) -> list[WorkerCommand]:
        kind, order = self._orders[0] if self._orders else (LogLine, Stop())
        if kind is Event or any(isinstance(event, kind) for event in self.seen):
            self._orders = self._orders[1:]
            return [order]
        return []

    def wait(self, timeout: float) -> WorkerCommand | None:
        time.sleep(0.01)
        return None


@pytest.mark.slow
def test_a_network_with_finite_weights_and_answers_that_are_not_is_refused(tmp_path: Path) -> None:
    run, (first, _) = _make_run(tmp_path / "run")
    trainer = Trainer(CONFIG.model, CONFIG.ssl, TrainingConfig(), CPU, seed=1)
    trainer.num_steps = 2
    with torch.no_grad():
        for parameter in trainer.ema.parameters():
            parameter.fill_(1e30)
    broken = trainer.save(run.checkpoints).name
    io = _Told(broken, first)
    selfplay.main(io, run, CONFIG)  # type: ignore[arg-type]
    assert [event.values for event in io.seen if isinstance(event, NonFinite)] == [
        {"output": "nan"}
    ]
    assert [e.network for e in io.seen if isinstance(e, InferenceChosen)] == [first]
    said = [event.text for event in io.seen if isinstance(event, LogLine)]
    assert said[0].startswith(f"{broken} is refused: the network's answer is not finite for ")
    assert said[0].endswith("it waits for another one")


class _Crowded(RecordingIO):
    """Games with one network until the disk is full; room once another one could play."""

    worker = "sp0"

    def __init__(self, first: str, then: str) -> None:
        super().__init__()
        self._orders: list[WorkerCommand] = [UseNetwork(name=first)]
        self._then = then
        self.free_mib = 1e9
        self.could_play = threading.Event()
        self.waited: list[int] = []
        """How much had been said at each moment in which it waited for room."""

    def poll(self) -> list[WorkerCommand]:
        if any(isinstance(event, ShardWritten) for event in self.seen) and not self.waited:
            self.free_mib = 0.0
        if [event.network for event in self.seen if isinstance(event, InferenceChosen)][1:]:
            return [Stop()]
        orders, self._orders = self._orders, []
        return orders

    def wait(self, timeout: float) -> WorkerCommand | None:
        time.sleep(0.01)
        if self.free_mib > 0:
            return None
        self.waited.append(len(self.seen))
        if len(self.waited) == 1:
            self.could_play.clear()
            return UseNetwork(name=self._then)
        if self.could_play.is_set() and len(self.waited) > LOOKS:
            self.free_mib = 1e9
        return None


LOOKS = 200
"""A worker looks at the disk every two seconds: what waits, has waited in between."""


@pytest.mark.slow
def test_on_a_full_disk_a_promoted_network_waits_for_room_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To take it up ends a step, and with it games, which would be written."""
    run, (first, second) = _make_run(tmp_path / "run")
    io = _Crowded(first, second)
    choose = Chooser.choose

    def chosen(chooser: Chooser, net: ChessNet) -> Choice:
        try:
            return choose(chooser, net)
        finally:
            io.could_play.set()

    monkeypatch.setattr(Chooser, "choose", chosen)
    monkeypatch.setattr("backend.disk._free_mib", lambda _: io.free_mib)
    selfplay.main(io, run, CONFIG)  # type: ignore[arg-type]
    assert len(io.waited) > LOOKS
    assert len(set(io.waited)) == 1, io.seen[io.waited[0] :]
    assert [e.network for e in io.seen if isinstance(e, InferenceChosen)] == [first, second]
