"""Runs as sides of a comparison: how they stand, what they reached, how they differ."""

import csv
import io
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from backend import events as e
from backend.compare.export import HEADING, csv_of
from backend.compare.overview import overview
from backend.compare.settings import differences
from backend.compare.side import DAMAGED, DONE, FAILED, NAN, STOPPED, rated, read_side, smoothed
from backend.compare.table import table
from backend.compare.workclock import WorkClock
from backend.fold import with_memory
from backend.rundir import RunDirectory
from backend.settings import build_config
from tests.recorded_run import record
from tests.tui import scenario
from tui.raster import ema

START = scenario.START


def run_of(folder: Path, name: str, *overrides: str) -> RunDirectory:
    run = RunDirectory(folder / name)
    run.create()
    run.settle(build_config("tiny", overrides=list(overrides)), "tiny")
    return run


def told(step: int, per_step_s: float, loss: float) -> list[e.Event]:
    """A run of this many steps, one reading every ten."""
    events = scenario.beginning()
    at = START + 10
    for number in range(10, step + 1, 10):
        at += 10 * per_step_s
        metrics = {"policy_loss": loss + 1 / number, "value_loss": 1.0, "memory_mib": 2048.0}
        events.append(e.TrainingStep(at=at, step=number, metrics=metrics))
        events.append(replace(scenario.shard(number, at)[0], at=at))
    return events


def stopped(events: list[e.Event], reason: str, code: int = 0) -> list[e.Event]:
    return [*events, e.RunStopped(at=events[-1].at + 1, reason=reason, exit_code=code)]


@pytest.mark.parametrize(
    ("last", "state", "detail"),
    [
        (e.RunStopped(reason="2 cycles are done", exit_code=0), DONE, ""),
        (e.RunStopped(reason="stopped by a person", exit_code=0), STOPPED, ""),
        (e.RunStopped(reason="trainer was given up", exit_code=70), FAILED, "exit 70"),
        (
            e.LogLine(source="run", level="info", text="the last before kill -9"),
            STOPPED,
            "by force",
        ),
        (
            e.WorkerExited(
                worker="trainer", code=70, expected=False, reason="step 31 was not taken: loss nan"
            ),
            NAN,
            "@31",
        ),
    ],
    ids=["done", "stopped", "failed", "killed", "nan"],
)
async def test_how_a_run_ended_is_said_in_a_word(
    tmp_path: Path, last: e.Event, state: str, detail: str
) -> None:
    run = run_of(tmp_path, "a")
    events = told(30, 1.0, 2.0)
    await record(run, [*events, replace(last, at=events[-1].at + 1)])
    side = read_side(run)
    assert (side.state, side.detail) == (state, detail)
    assert [(r.run.name, r.state, r.detail) for r in overview(tmp_path)] == [("a", state, detail)]


async def test_the_table_names_who_is_ahead_and_by_how_much(tmp_path: Path) -> None:
    a, b = run_of(tmp_path, "a"), run_of(tmp_path, "b", "search.simulations=8")
    await record(a, stopped(told(40, 2.0, 2.0), "2 cycles are done"))
    await record(b, stopped(told(60, 1.0, 1.0), "2 cycles are done"))
    sides = [read_side(a), read_side(b)]
    rows = {row.name: row for row in table(sides)}
    assert rows["s / step"].cells == ["2", "1"]
    assert rows["s / step"].leader == "B -50.0%"
    assert rows["policy loss"].leader.startswith("B -4")
    assert rows["value loss"].leader == ""
    assert rows["peak memory GiB"].cells == ["2.00", "2.00"]
    assert rows["games"].cells == ["64", "96"]
    assert rows["games / h"].leader.startswith("B +")
    assert not [name for name in rows if name.startswith("Elo")]
    config = [side.settings for side in sides]
    assert differences(config) == [("search.simulations", [config[0]["search.simulations"], "8"])]


async def test_time_at_work_is_without_pauses_and_nights(tmp_path: Path) -> None:
    run = run_of(tmp_path, "a")
    started = scenario.beginning()[0]
    await record(
        run,
        [
            started,
            e.PauseChanged(at=START + 10, paused=True),
            e.PauseChanged(at=START + 70, paused=False),
            e.LogLine(at=START + 75, source="run", level="info", text="killed after this"),
            replace(started, at=START + 10_000),
            e.RunStopped(at=START + 10_005, reason="asked", exit_code=0),
        ],
    )
    work = read_side(run).work
    assert work.total_s == 20.0
    assert work.of(np.array([START + 5, START + 40, START + 72, START + 10_002])).tolist() == [
        5.0,
        10.0,
        12.0,
        17.0,
    ]
    assert WorkClock(np.empty(0), np.empty(0)).of(np.array([7.0, 9.0])).tolist() == [0.0, 2.0]


async def test_events_are_placed_at_their_step(tmp_path: Path) -> None:
    run = run_of(tmp_path, "a")
    story = scenario.story(1010)
    lost = e.WorkerExited(
        at=story[-1].at + 1,
        worker="trainer",
        code=70,
        expected=False,
        reason="step 1015 was not taken: \x1b[31mloss nan",
    )
    await record(run, [*story, lost])
    found = [(h.step, h.kind, h.text) for h in read_side(run).happenings]
    assert (1000.0, "best", "1,000 is the best: won its match") in found
    assert found[0] == (0.0, "run", "started")
    step, kind, text = found[-1]
    assert (step, kind) == (1015.0, "missing")
    assert "\x1b" not in text


async def test_csv_has_a_line_for_each_reading(tmp_path: Path) -> None:
    a, b = run_of(tmp_path, "a"), run_of(tmp_path, "b")
    await record(a, told(30, 2.0, 2.0))
    await record(b, told(20, 1.0, 1.0))
    sides = [read_side(a), read_side(b)]
    rows = list(csv.reader(io.StringIO(csv_of(sides, ["policy_loss", "no_such"]))))
    assert rows[0] == list(HEADING)
    assert [(row[0], row[2]) for row in rows[1:]] == [
        *(("a", "10"), ("a", "20"), ("a", "30"), ("b", "10"), ("b", "20"))
    ]
    assert rows[1] == ["a", "policy_loss", "10", "30.000", "16", f"{START + 30:.3f}", "2.1"]


def test_what_cannot_be_read_says_why_and_hinders_nobody(tmp_path: Path) -> None:
    empty, old, torn = (run_of(tmp_path, name) for name in ("empty", "old", "torn"))
    with sqlite3.connect(old.database) as connection:
        connection.execute("CREATE TABLE meta (key TEXT, value TEXT)")
    connection.close()
    torn.database.write_bytes(b"SQLite format 3\0" + b"\1" * 4096)
    torn.config_file.write_bytes(b"[search\nsimulations = \xff")
    sides = {run.name: read_side(run) for run in (empty, old, torn)}
    assert sides["empty"].problem == "no database: it was never at work"
    assert "no such table" in sides["old"].problem
    assert sides["torn"].state == DAMAGED
    assert sides["torn"].problem
    assert {r.run.name: r.state for r in overview(tmp_path)} == {
        "empty": STOPPED,
        "old": DAMAGED,
        "torn": DAMAGED,
    }
    assert [row.name for row in table(list(sides.values()))] == ["disk MiB"]
    assert overview(tmp_path / "nowhere", [old.path])[0].run.name == "old"


async def test_the_rating_is_that_of_the_best_and_is_reckoned_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, "a")
    match = e.MatchFinished(
        at=START + 50,
        match="m",
        candidate="step-00000010",
        opponent="random",
        wins=12,
        draws=4,
        losses=4,
        truncated=0,
        pairs=(0, 2, 2, 4, 2),
        elo=147.0,
        elo_low=20.0,
        elo_high=300.0,
        simulations=8,
        seconds=1.0,
        results=(0, 0, 1, 0, 2, 2, 1, 2, 2),
    )
    best = e.Promoted(at=START + 51, name="step-00000010", previous="", reason="won")
    await record(run, [*told(30, 1.0, 2.0), match, best])
    assert read_side(run).rating is None
    side = rated(read_side(run))
    assert side.rating is not None
    assert side.rating.anchor == "random"
    assert side.rating.low < side.rating.elo < side.rating.high
    monkeypatch.setattr("backend.compare.side.rate_run", lambda database: pytest.fail("again"))
    assert rated(read_side(run, side)).rating == side.rating
    assert {row.name for row in table([side, side])} >= {"Elo vs random"}


def test_values_are_smoothed_as_charts_draw_them() -> None:
    values = np.array([3.0, 1.0, 2.0, 5.0])
    assert smoothed(values).tolist() == pytest.approx(ema(values, 0.9).tolist())


def test_a_point_is_kept_with_the_memory_of_its_time() -> None:
    state = scenario.fold_all(scenario.story(100))
    point = e.TrainingStep(at=START, step=110, metrics={"loss": 1.0})
    kept = with_memory(point, state).metrics
    assert kept == {"loss": 1.0, "memory_mib": state.memory[-1][1]}
    assert with_memory(point, replace(state, memory=())) is point
