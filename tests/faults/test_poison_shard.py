"""A shard that kills its reader: it is out of the way after at most two deaths of the trainer."""

import signal
from pathlib import Path

import pytest

from backend.errors import ExitCode
from backend.events import Alert, CycleFinished, ShardRejected, WorkerExited
from backend.replay.suspects import ReadingNote, Suspects
from backend.rundir import RunDirectory
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.backend.fakes.worker import POISONED
from tests.backend.starting import write_rescored, write_shards


@pytest.mark.parametrize(
    ("fault", "number", "deaths", "reason"),
    [
        # Cut under the reader that has mapped it: its hash is wrong now.
        ("bus", signal.SIGBUS, 1, "damaged"),
        # Sound, as far as anybody can tell.
        ("segv", signal.SIGSEGV, 2, "died again while it read it"),
    ],
)
@pytest.mark.slow
def test_a_shard_that_kills_the_trainer_is_set_aside(
    tmp_path: Path, fault: str, number: int, deaths: int, reason: str
) -> None:
    run = prepare(tmp_path / "run")
    with SupervisorProcess(run, "--fault", f"trainer={fault}") as supervisor:
        for _ in range(deaths):
            exited = supervisor.wait_for(WorkerExited, lambda e: e.worker == "trainer")
            assert exited.code == -number
        rejected = supervisor.wait_for(ShardRejected)
        assert POISONED in rejected.name
        assert reason in rejected.reason
        cycle = len(supervisor.of(CycleFinished))
        supervisor.wait_for(CycleFinished, lambda e: e.cycle > cycle)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == ExitCode.DONE
        assert len([e for e in supervisor.of(WorkerExited) if not e.expected]) == deaths
    assert (run / "quarantine" / rejected.name).exists()
    assert not (run / "replay" / rejected.name).exists()


@pytest.mark.slow
def test_of_a_shard_whose_rescored_twin_kills_the_trainer_the_twin_alone_is_set_aside(
    tmp_path: Path,
) -> None:
    run = RunDirectory(prepare(tmp_path / "run"))
    run.create()
    played = write_shards(run, 3)[-1]
    assert POISONED in played
    twin = write_rescored(run, played)
    with SupervisorProcess(run.path, "--fault", "trainer=twin") as supervisor:
        for _ in range(2):
            exited = supervisor.wait_for(WorkerExited, lambda e: e.worker == "trainer")
            assert exited.code == -signal.SIGSEGV
        alert = supervisor.wait_for(Alert, lambda e: twin.name in e.text)
        assert "died again while it read it; the shard it was made from is read" in alert.text
        supervisor.wait_for(CycleFinished)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == ExitCode.DONE
        assert len([e for e in supervisor.of(WorkerExited) if not e.expected]) == 2
        assert not supervisor.of(ShardRejected)
    assert (run.quarantine / twin.name).exists()
    assert not twin.exists()
    assert (run.replay / played).exists()


def test_a_shard_is_blamed_for_a_death_within_its_reading_only(tmp_path: Path) -> None:
    path = tmp_path / "reading"
    suspects = Suspects(path)
    assert suspects.after_a_death() == ("", False)
    note = ReadingNote(path)
    with note.reading("a-long-name"):
        pass
    with pytest.raises(ValueError, match="mine"), note.reading("b"):
        raise ValueError("mine")
    assert suspects.after_a_death() == ("", False)
    with note.reading("c"):
        assert suspects.after_a_death() == ("c", False)
        assert suspects.after_a_death() == ("", False)
    with note.reading("d"):
        assert suspects.after_a_death() == ("d", False)
    with note.reading("c"):
        assert suspects.after_a_death() == ("c", True)
    # What killed twice was set aside; what is read under that name now is another file.
    with note.reading("c"):
        assert suspects.after_a_death() == ("c", False)
