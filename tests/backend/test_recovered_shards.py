"""Shards and their games after a death: damaged, gone, left behind by the window, counted once."""

import shutil
from pathlib import Path

import pytest

from backend.config import Config, ReplayConfig
from backend.gamefile import GameFile
from backend.rundir import RunDirectory
from tests.backend.starting import delete_database, pgn_ids, started, write_shards


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


async def test_a_death_between_pgn_and_row_doubles_no_game(run: RunDirectory) -> None:
    write_shards(run, 1)
    async with started(run):
        pass
    committed = (run.games / "selfplay.pgn").read_bytes()
    (name,) = write_shards(run, 1, seed=2)
    # As left by a death after the append, and after half of it.
    for tail in (b'[Event "Matrix0 self-play"]\n[GameId "' + name.encode() + b':0"]\n\n1. e4 *\n',):
        (run.games / "selfplay.pgn").write_bytes(committed + tail[: len(tail) // 2])
    async with started(run) as findings:
        assert findings.event.adopted_shards == 1
    ids = pgn_ids(run)
    assert len(ids) == len(set(ids)) == 4
    assert (run.games / "selfplay.pgn").read_bytes().startswith(committed)


async def test_a_damaged_shard_goes_to_quarantine_and_stays_there(run: RunDirectory) -> None:
    good, bad = write_shards(run, 2)
    data = bytearray((run.replay / bad).read_bytes())
    data[len(data) // 2] ^= 4
    (run.replay / bad).write_bytes(data)
    async with started(run) as findings:
        assert findings.event.quarantined == 1
        assert findings.event.shards == 1
    assert (run.quarantine / bad).exists()
    assert [path.name for path in run.replay.iterdir()] == [good]
    shutil.copy(run.quarantine / bad, run.replay / bad)
    async with started(run) as findings:
        assert findings.event.shards == 1
    assert not (run.replay / bad).exists()


async def test_shards_that_vanished_are_named_and_count_again_when_they_return(
    run: RunDirectory, tmp_path: Path
) -> None:
    name = write_shards(run, 2)[0]
    async with started(run):
        pass
    (run.replay / name).rename(tmp_path / name)
    async with started(run) as findings:
        assert findings.event.shards == 1
        assert any(name in remark for remark in findings.remarks)
    (tmp_path / name).rename(run.replay / name)
    async with started(run) as findings:
        assert findings.event.shards == 2
        assert findings.event.games == 4


async def test_a_shard_that_left_the_window_while_it_was_read_is_nobodys_concern(
    run: RunDirectory,
) -> None:
    config = Config(replay=ReplayConfig(window_positions=8, min_positions=1))
    names = write_shards(run, 4)
    async with started(run, config) as findings:
        await findings.intake._retire()
        before = await findings.ledger.store.shards()
        for name in (names[0], names[3], "unheard-of"):  # left the window, sound, made up
            await findings.intake.withdraw(name)
        assert await findings.ledger.store.shards() == before
        assert [alert.level for alert in findings.ledger.state.alerts] == ["warning"]
    assert not list(run.quarantine.iterdir())


async def test_shards_that_left_the_window_leave_the_disk_but_stay_counted(
    run: RunDirectory,
) -> None:
    config = Config(replay=ReplayConfig(window_positions=8, min_positions=1))
    names = write_shards(run, 4)

    async with started(run, config) as findings:
        await findings.intake._retire()
        states = {row.name: row.state for row in await findings.ledger.store.shards()}
    assert [states[name] for name in names] == ["retired", "retired", "admitted", "admitted"]
    assert sorted(path.name for path in run.replay.iterdir()) == sorted(names[2:])
    delete_database(run)
    async with started(run, config) as findings:
        assert findings.event.games == 8
        assert findings.event.shards == 2
    assert len(pgn_ids(run)) == 8


def test_text_is_appended_behind_what_is_vouched_for(tmp_path: Path) -> None:
    games = GameFile(tmp_path / "g.pgn")
    length = games.append("one\n", 0)
    games.append("torn", length)
    assert games.append("two\n", length) == 8
    assert (tmp_path / "g.pgn").read_text() == "one\ntwo\n"
    assert games.append("three\n", 1000) == 14
    assert (tmp_path / "g.pgn").read_text() == "one\ntwo\nthree\n"


def test_without_a_database_only_the_newest_shard_in_the_file_is_doubted(tmp_path: Path) -> None:
    games = GameFile(tmp_path / "g.pgn")
    one = '[Event "x"]\n[GameId "a-1:0"]\n\n*\n\n'
    two = '[Event "x"]\n[GameId "a-2:0"]\n\n*\n\n[Event "x"]\n[GameId "a-2:1"]\n\n*\n\n'
    games.append(one + two, 0)
    assert games.trusted_length(frozenset({"a-1", "a-2"})) == len(one)
    assert games.trusted_length(frozenset({"a-1"})) == len(one + two)
    assert games.shards(len(one)) == {"a-1"}


def test_a_damaged_beginning_of_the_game_file_stays_as_it_is(tmp_path: Path) -> None:
    damaged = b"\0" * 20 + b'\n[GameId "a-1:0"]\n\n*\n\n'
    (tmp_path / "g.pgn").write_bytes(damaged)
    games = GameFile(tmp_path / "g.pgn")
    assert games.trusted_length(frozenset({"a-1"})) == 21
    assert games.trusted_length(frozenset()) == len(damaged)
