import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from backend.commands import PauseRun, PlayMatch
from backend.curves import MAX_POINTS, with_curves
from backend.errors import RunDirectoryError
from backend.events import (
    Alert,
    MatchFinished,
    PauseChanged,
    Promoted,
    RunStopped,
    ShardAdmitted,
    TrainingStep,
)
from backend.fold import fold
from backend.state import RunState
from backend.store import reading
from backend.store.journal import Journal, read_journal
from backend.store.rows import GameRow
from backend.store.schema import FIELDS, VERSION_1
from backend.store.store import DamagedDatabaseError, Store
from tests.backend.test_cycle import decided, result, saved
from tests.tui.scenario import beginning

MATCH = result(PlayMatch(match="m", candidate="a", opponent="b", games=4, simulations=8, seed=1))


def admitted(name: str, positions: int = 10) -> ShardAdmitted:
    return ShardAdmitted(
        at=1.5,
        name=name,
        games=2,
        positions=positions,
        truncated=1,
        white_wins=1,
        draws=0,
        black_wins=0,
        plies=30,
    )


def games_of(name: str) -> list[GameRow]:
    return [GameRow(id=f"{name}:{n}", result=1, outcome=1, plies=15) for n in range(2)]


async def test_a_shard_counts_once_however_often_it_is_admitted(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "m.db")
    assert await store.admit(admitted("s1"), "aa", games_of("s1"), 100)
    assert not await store.admit(admitted("s1"), "aa", games_of("s1"), 999)
    assert await store.admissions() == [admitted("s1")]
    assert await store.pgn_bytes() == 100
    await store.close()
    assert reading.admitted(tmp_path / "m.db") == reading.Admitted(["s1"], 10)


async def test_a_reader_finds_the_shards_that_are_there_and_the_positions_of_all(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "m.db")
    for name in ("s1", "s2", "s3", "s4"):
        await store.admit(admitted(name), "aa", games_of(name), 100)
    await store.set_shard_state(["s1"], "retired")
    await store.set_shard_state(["s2"], "missing")
    await store.reject("s3", "damaged later", 2.0)
    await store.reject("s5", "damaged at once", 2.0)
    assert [row.name for row in await store.admissions()] == ["s1", "s2", "s3", "s4"]
    await store.close()
    assert reading.admitted(tmp_path / "m.db") == reading.Admitted(["s4"], 40)


async def test_shards_of_a_long_journal_enter_in_one_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(tmp_path / "m.db")
    await store.admit(admitted("s7"), "aa", games_of("s7"), 100)
    asked: list[str] = []
    execute = store._db.execute

    def counted(query: str, *rest: Any) -> Any:
        asked.append(query)
        return execute(query, *rest)

    monkeypatch.setattr(store._db, "execute", counted)
    facts = [admitted(f"s{number}") for number in range(300)]
    for _ in range(2):  # As at every start.
        await store.record_all(facts)
    assert len(asked) <= 4
    rows = await store.shards()
    assert len(rows) == 300
    assert {row.state for row in rows} == {"retired"}
    assert sum(shard.games for shard in await store.admissions()) == 600
    await store.close()


async def test_a_failed_admission_leaves_no_trace(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "m.db")
    await store.admit(admitted("s1"), "aa", games_of("s1"), 100)
    with pytest.raises(sqlite3.IntegrityError):
        await store.admit(admitted("s2"), "bb", games_of("s1"), 200)
    assert [row.name for row in await store.shards()] == ["s1"]
    assert await store.pgn_bytes() == 100
    await store.close()


async def test_time_at_work_leaves_out_pauses_and_the_time_between_two_starts(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "m.db")
    start = beginning()[0]
    events = [
        replace(start, at=100.0),
        Alert(at=130.0, level="info", text="the last word before a kill"),
        replace(start, at=1000.0),
        PauseChanged(at=1010.0, paused=True),
        Alert(at=1500.0, level="info", text="said while paused"),
        PauseChanged(at=1600.0, paused=False),
        Alert(at=1605.0, level="info", text="stamped late"),
        Alert(at=1604.0, level="info", text="by another clock"),
        RunStopped(at=1615.0, reason="by a person", exit_code=0),
        Alert(at=9000.0, level="info", text="a match by hand, in the evening"),
        replace(start, at=9500.0),
        Alert(at=9501.0, level="info", text="at work again"),
    ]
    assert await store.seconds_at_work(0.0) == 0.0
    await store.log([], events)
    assert await store.seconds_at_work(0.0) == 30 + 10 + 5 + 10 + 1
    assert await store.seconds_at_work(130.0) == 10 + 5 + 10 + 1
    await store.close()


@pytest.mark.parametrize("is_second_try", [False, True])
async def test_a_database_of_version_1_is_brought_up_to_date_with_what_it_holds(
    tmp_path: Path, is_second_try: bool
) -> None:
    path = tmp_path / "m.db"
    if is_second_try:
        # A start that was killed between the copy and the step.
        (tmp_path / "backups").mkdir()
        (tmp_path / "backups" / "v1.db").write_bytes(b"half")
    with closing(sqlite3.connect(path)) as old:
        for statement in VERSION_1:
            old.execute(statement)
        old.execute("PRAGMA user_version = 1")
        body = msgspec.json.encode(decided("a")).decode()
        old.execute("INSERT INTO decisions (cycle, at, body) VALUES (1, 0.0, ?)", (body,))
        old.commit()
    assert reading.pool(path) == []
    store = await Store.open(path)
    assert await store.decisions() == [decided("a")]
    await store.record(replace(decided("b", 2), llr=1.5, promotes_anyway=True))
    await store.close()
    with reading.read_only(path) as connection:
        rows = connection.execute("SELECT llr, promotes_anyway FROM decisions ORDER BY cycle")
        assert rows.fetchall() == [(None, None), (1.5, 1)]
    with reading.read_only(tmp_path / "backups" / "v1.db") as before:
        assert before.execute("PRAGMA user_version").fetchone() == (1,)
        assert before.execute("SELECT cycle FROM decisions").fetchall() == [(1,)]


async def test_pairs_of_a_match_enter_the_pool_by_colour_and_once(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "m.db")
    played = replace(MATCH, results=(1, 0, 2, 0, 5, 0, 0, 0, 3), candidate_budget="8 simulations")
    other = replace(played, match="n", opponent="random")
    for match in (played, played, other, replace(MATCH, match="of before")):
        await store.record(match)
    await store.close()
    row = reading.PoolRow("a", "8 simulations", "b", "", list(played.results))
    assert reading.pool(tmp_path / "m.db") == [row, row._replace(opponent="random")]


async def test_records_come_back_as_they_were_and_their_fields_are_columns(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "m.db")
    promoted = Promoted(at=3.0, name="step-1", previous="", reason="first")
    for _ in range(2):
        await store.record_all([MATCH, decided("a"), promoted, saved(1), PauseRun()])
    assert await store.matches() == [MATCH]
    assert await store.decisions() == [decided("a")]
    assert await store.promotions() == [promoted]
    assert await store.checkpoints() == [saved(1)]
    assert await store.best() == "step-1"
    await store.close()
    with reading.read_only(tmp_path / "m.db") as connection:
        names = ", ".join(FIELDS["matches"])
        row = connection.execute(f"SELECT {names} FROM matches").fetchone()
    assert row == tuple(getattr(MATCH, name) for name in FIELDS["matches"])
    assert reading.best_network(tmp_path / "m.db") == "step-1"
    assert reading.matches(tmp_path / "m.db") == [MATCH]


async def test_curves_are_kept_by_name_and_step(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "m.db")
    first = TrainingStep(at=1.0, step=10, metrics={"policy_loss": 3.0, "value_loss": 1.0})
    again = TrainingStep(at=2.0, step=10, metrics={"policy_loss": 2.5})
    await store.log([first], [Alert(at=1.0, level="info", text="x")])
    await store.log([again], [])
    assert reading.curve(tmp_path / "m.db", "policy_loss") == [(10, 2.5)]
    assert await store.curves() == [
        ("policy_loss", ((10.0, 2.5),), 1, 10),
        ("value_loss", ((10.0, 1.0),), 1, 10),
    ]
    await store.close()


@pytest.mark.parametrize("num", [1, MAX_POINTS, MAX_POINTS + 1, 3 * MAX_POINTS, 4 * MAX_POINTS + 1])
async def test_curves_come_back_as_the_state_that_heard_every_reading_has_them(
    tmp_path: Path, num: int
) -> None:
    # The second curve begins later, the third has a gap: it was not told of every step.
    names = {"value_loss": 0, "policy_loss": num // 3, "fork_f1": 0}
    steps = [
        TrainingStep(
            step=3 * n,
            metrics={
                name: n / 7
                for name, first in names.items()
                if n >= first and (name != "fork_f1" or not 50 < n < 90)
            },
        )
        for n in range(num)
    ]
    state = RunState()
    for step in steps:
        state = fold(state, step)
    store = await Store.open(tmp_path / "m.db")
    await store.log(steps, [])
    recalled = with_curves(RunState(), await store.curves())
    await store.close()
    assert recalled == state
    assert list(recalled.metrics) == sorted(state.metrics, key=lambda name: (names[name], name))


async def test_readers_cannot_write(tmp_path: Path) -> None:
    store = await Store.open(tmp_path / "m.db")
    with (
        reading.read_only(tmp_path / "m.db") as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM shards")
    await store.close()
    with pytest.raises(RunDirectoryError), reading.read_only(tmp_path / "none.db"):
        pass


async def test_a_file_that_is_no_database_is_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    path.write_bytes(b"no database at all, whatever its name may say " * 100)
    with pytest.raises(DamagedDatabaseError):
        await Store.open(path)


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(RunDirectoryError, match="newer Matrix0"):
        await Store.open(path)


def test_the_journal_returns_what_was_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.jsonl")
    journal.append([(1.0, MATCH), (2.0, PauseRun())])
    journal.close()
    again = Journal(tmp_path / "j.jsonl")
    again.append([(3.0, decided("a"))])
    again.close()
    reading = read_journal(tmp_path / "j.jsonl")
    assert [entry.fact for entry in reading.entries] == [MATCH, PauseRun(), decided("a")]
    assert [entry.seq for entry in reading.entries] == [1, 2, 3]
    assert reading.damaged == ()


def test_a_journal_cut_at_any_byte_keeps_its_whole_lines_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    for _ in range(3):
        journal.append([(1.0, MATCH)])
    journal.close()
    data = path.read_bytes()
    line = len(data) // 3
    for length in (0, 1, line - 1, line, line + 1, 2 * line + 7, 3 * line - 1):
        path.write_bytes(data[:length])
        cut = Journal(path)
        cut.append([(2.0, PauseRun())])
        cut.close()
        found = read_journal(path)
        assert [e.fact for e in found.entries] == [MATCH] * (length // line) + [PauseRun()]
        assert found.damaged == ()


def test_any_flipped_bit_in_a_journal_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.append([(1.0, MATCH), (1.0, decided("a"))])
    journal.close()
    data = path.read_bytes()
    first = data.index(b"\n")
    for at in range(0, first, 7):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            path.write_bytes(damaged)
            facts = [entry.fact for entry in read_journal(path).entries]
            assert facts in ([decided("a")], [MATCH, decided("a")])
            if facts != [decided("a")]:
                # JSON may say the same in other bytes only where the checksum does not look.
                assert bytes(damaged[:at]).count(b'"entry":') == 0


def test_a_failed_append_leaves_the_journal_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.jsonl"
    journal = Journal(path)
    journal.append([(1.0, MATCH)])
    before = path.read_bytes()

    def no_sync(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("backend.appending.OS.sync", no_sync)
    with pytest.raises(RunDirectoryError, match=r"No space left on device .*MiB free"):
        journal.append([(2.0, MATCH)])
    assert path.read_bytes() == before
    monkeypatch.undo()
    journal.append([(3.0, MatchFinished(**{**_fields(MATCH), "match": "n"}))])
    journal.close()
    assert len(read_journal(path).entries) == 2


def _fields(match: MatchFinished) -> dict[str, object]:
    return {name: getattr(match, name) for name in match.__struct_fields__}


async def test_a_write_that_is_cancelled_at_any_moment_leaves_no_transaction_open(
    tmp_path: Path,
) -> None:
    store = await Store.open(tmp_path / "m.db")
    try:
        for turns in range(12):
            writing = asyncio.create_task(store.set_pgn_bytes(turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.wait([writing])
            await store.set_pgn_bytes(1000 + turns)
    finally:
        await store.close()
    again = await Store.open(tmp_path / "m.db")
    assert await again.pgn_bytes() == 1011
    await again.close()
