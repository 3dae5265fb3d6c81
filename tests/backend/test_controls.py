"""A supervisor with fake workers, changed while it is at work over its socket."""

import errno
from pathlib import Path
from typing import Any

import pytest

from backend.commands import (
    ChangeSetting,
    PauseRun,
    PauseWorker,
    RestartWorker,
    ResumeRun,
    ResumeWorker,
)
from backend.config import Config
from backend.controls import Controls
from backend.events import (
    Alert,
    Heartbeat,
    NonFinite,
    SettingChanged,
    ShardAdmitted,
    TrainingStep,
    WorkerExited,
    WorkerReady,
    WorkerRetired,
)
from backend.rundir import RunDirectory
from backend.store.journal import read_journal
from tests.backend.fakes.process import CONFIG, Client, E, SupervisorProcess, client, prepare

LONG_CYCLES = CONFIG.replace(
    "steps_per_cycle = 20", "steps_per_cycle = 100000\nlearning_rate = 0.001"
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return prepare(tmp_path / "run", LONG_CYCLES)


async def test_a_setting_that_the_disk_does_not_take_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.settle(Config())
    nobody: Any = None
    controls = Controls(directory, Config(), nobody, nobody, nobody)

    def full(_path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("backend.commit.OS.create", full)
    refused, _ = await controls.obey(ChangeSetting(name="simulations", value="8"), "a test")
    assert "No space left on device" in refused


def test_settings_change_at_work_and_are_kept_over_a_restart(run: Path) -> None:
    rate = ChangeSetting(name="learning_rate", value="x0.5")
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(TrainingStep)
        with client(run) as screen:
            assert screen.hello.state.settings["training.learning_rate"] == "0.001"
            refused = screen.ask(ChangeSetting(name="learning_rate", value="7")).refused
            assert "out of range" in refused
            assert screen.ask(rate).text == "training.learning_rate is 0.0005 now, was 0.001"
            (event,) = of(screen, SettingChanged)
            assert (event.old, event.new, event.by) == ("0.001", "0.0005", "a client")
            assert event.step >= 1
            assert RunDirectory(run).read_config().training.learning_rate == 0.0005

            # The second worker comes, plays, and goes with its games.
            assert screen.ask(ChangeSetting(name="workers", value="2")).text.endswith(
                "1 worker started"
            )
            screen.wait_for(ShardAdmitted, lambda e: e.name.startswith("sp-sp1-"))
            assert (
                "finished games are kept"
                in screen.ask(ChangeSetting(name="workers", value="1")).text
            )
            screen.wait_for(WorkerRetired, lambda e: e.worker == "sp1")
            gone = [e for e in of(screen, WorkerExited) if e.worker == "sp1"]
            assert [e.expected for e in gone] == [True]
        supervisor.kill()
    with SupervisorProcess(run) as again:
        again.wait_for(TrainingStep)
        with client(run) as screen:
            state = screen.hello.state
            assert state.settings["training.learning_rate"] == "0.0005"
            assert state.settings["selfplay.workers"] == "1"
            changed = [(c.name, c.old, c.new) for c in state.changes]
            assert changed == [
                ("training.learning_rate", "0.001", "0.0005"),
                ("selfplay.workers", "1", "2"),
                ("selfplay.workers", "2", "1"),
            ]


def of(screen: Client, kind: type[E]) -> list[E]:
    """What the screen has heard of a kind."""
    return [happened.event for happened in screen.seen if isinstance(happened.event, kind)]


def test_one_worker_rests_and_starts_again_while_the_others_go_on(run: Path) -> None:
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(TrainingStep)
        with client(run) as screen:
            assert screen.ask(PauseWorker(worker="sp9")).refused == (
                "there is no worker 'sp9' (there are: trainer, evaluator, sp0)"
            )
            assert screen.ask(ResumeWorker(worker="sp0")).refused == "sp0 is not paused by itself"
            assert not screen.ask(PauseWorker(worker="sp0")).refused
            assert screen.ask(PauseWorker(worker="sp0")).refused == "sp0 is paused already"
            screen.wait_for(Heartbeat, lambda e: (e.worker, e.phase) == ("sp0", "paused"))
            screen.wait_for(TrainingStep)

            # Neither a restart nor the run's own pause ends its rest.
            assert not screen.ask(RestartWorker(worker="sp0")).refused
            screen.wait_for(WorkerReady, lambda e: e.worker == "sp0")
            screen.wait_for(Heartbeat, lambda e: (e.worker, e.phase) == ("sp0", "paused"))
            assert not screen.ask(PauseRun()).refused
            screen.wait_for(Heartbeat, lambda e: (e.worker, e.phase) == ("trainer", "paused"))
            assert not screen.ask(ResumeRun()).refused
            screen.wait_for(TrainingStep)
            beat = screen.wait_for(Heartbeat, lambda e: e.worker == "sp0")
            assert beat.phase == "paused"

            assert screen.ask(ResumeWorker(worker="sp0")).text == "sp0 goes on"
            screen.wait_for(Heartbeat, lambda e: (e.worker, e.phase) == ("sp0", "playing"))


def test_a_number_that_is_none_is_a_fact_with_an_alert(run: Path) -> None:
    with SupervisorProcess(run, "--fault", "trainer=nan") as supervisor:
        found = supervisor.wait_for(NonFinite)
        assert (found.worker, found.step, found.values) == ("trainer", 7, {"loss": "nan"})
        told = supervisor.wait_for(Alert, lambda e: "not finite" in e.text)
        assert (told.level, told.text) == ("error", "trainer: not finite at step 7 (loss nan)")
    journal = [entry.fact for entry in read_journal(run / "journal.jsonl").entries]
    assert found in journal
