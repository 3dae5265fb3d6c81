"""The past of a run, told again from its database."""

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from backend import events as e
from backend.errors import RunDirectoryError
from backend.rundir import RunDirectory
from backend.state import RunState
from backend.timeline import Retelling, Timeline, read_timeline
from tests.recorded_run import record
from tests.tui import scenario

MANY = 1_000_000


def as_recorded(state: RunState) -> RunState:
    """The state without what comes from telemetry, which no database keeps."""
    workers = {
        name: replace(worker, phase="", detail="", beat_at=0.0, rss_mib=0.0, progress=None)
        for name, worker in state.workers.items()
    }
    if state.match is not None:
        unplayed = {"played": 0, "wins": 0, "draws": 0, "losses": 0, "pairs": (0, 0, 0, 0, 0)}
        state = replace(state, match=replace(state.match, **unplayed, llr=None))
    return replace(state, workers=workers, memory=(), trainer=None, board=None, boards={})


def retold(timeline: Timeline, number: int = MANY) -> RunState:
    retelling = Retelling(timeline, RunState())
    assert retelling.go(min(number, len(timeline.events)), MANY)
    return retelling.state


def ending(at: float) -> list[e.Event]:
    return [
        e.RunStopping(at=at + 1, reason="asked"),
        e.RunStopped(at=at + 2, reason="asked", exit_code=0),
    ]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "demo")


async def test_told_to_its_end_a_run_is_in_the_state_that_its_supervisor_had(
    run: RunDirectory,
) -> None:
    story = scenario.story(1040)
    live = await record(run, [*story, *ending(story[-1].at)])
    timeline = read_timeline(run.database)
    assert timeline.unread == 0
    end = retold(timeline)
    assert end.cycles_done
    assert end.log
    assert as_recorded(end) == as_recorded(live)


async def test_a_later_start_begins_from_what_the_run_had_recorded(run: RunDirectory) -> None:
    story = scenario.story(1040)
    await record(run, [*story, *ending(story[-1].at)])
    again = 5000.0
    facts = (e.CheckpointSaved, e.MatchFinished, e.GateDecided, e.Promoted, e.CycleFinished)
    points = [event for event in story if isinstance(event, e.TrainingStep) and event.step <= 1000]
    found = [
        *(event for event in story if isinstance(event, e.ShardAdmitted)),
        *points,
        *(event for event in story if isinstance(event, facts)),
    ]
    with sqlite3.connect(run.database) as connection:
        connection.execute("DELETE FROM metrics WHERE step > 1000")  # As every recovery does.
    connection.close()
    run.database.with_name("matrix0.db.seal").unlink()
    second = [replace(event, at=event.at + again) for event in scenario.beginning(pid=99)]
    live = await record(run, second, found)
    end = retold(read_timeline(run.database))
    assert end.pid == 99
    assert end.metrics["policy_loss"][-1][0] == 1000
    assert not [line for line in end.log if line.text == "stopping: asked"]
    assert as_recorded(end) == as_recorded(live)


async def test_backwards_is_the_same_as_forwards(run: RunDirectory) -> None:
    await record(run, scenario.story(700))
    timeline = read_timeline(run.database)
    there_and_back = Retelling(timeline, RunState())
    there_and_back.every = 1
    assert not there_and_back.go(len(timeline.events), 10)
    assert there_and_back.go(len(timeline.events), MANY)
    assert there_and_back.every > 1
    for number in (90, 41, 0):
        assert there_and_back.go(number, MANY)
        assert there_and_back.state == retold(timeline, number)


async def test_facts_that_the_log_has_lost_are_told_by_their_tables(run: RunDirectory) -> None:
    story = scenario.story(1040)
    await record(run, story)
    with sqlite3.connect(run.database) as connection:
        connection.execute("DELETE FROM events WHERE at < ?", (story[-1].at - 20,))
    connection.close()
    end = retold(read_timeline(run.database))
    assert end.totals.games == 16 * 20
    assert [c.cycle for c in end.cycles_done] == [1]
    assert end.best == "step-00001000"


async def test_rows_of_another_version_are_left_out_and_counted(run: RunDirectory) -> None:
    await record(run, scenario.beginning())
    with sqlite3.connect(run.database) as connection:
        connection.execute("INSERT INTO events (at, kind, body) VALUES (1, 'Dreamt', '{}')")
        connection.execute("INSERT INTO events (at, kind, body) VALUES (1, 'Alert', '{}')")
    connection.close()
    timeline = read_timeline(run.database)
    assert timeline.unread == 2
    assert retold(timeline).run == "demo"


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError):
        read_timeline(tmp_path / "matrix0.db")
    (tmp_path / "matrix0.db").write_bytes(b"\0" * 4096 + b"rubbish")
    with pytest.raises(sqlite3.DatabaseError):
        read_timeline(tmp_path / "matrix0.db")
