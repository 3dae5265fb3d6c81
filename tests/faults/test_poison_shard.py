"""A shard that kills its reader: it is out of the way after at most two deaths of the trainer."""

import signal
from pathlib import Path

import pytest

from backend.errors import ExitCode
from backend.events import CycleFinished, ShardRejected, WorkerExited
from backend.replay.suspects import ReadingNote, Suspects
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.backend.fakes.worker import POISONED


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
