"""Value targets decided after the games: what a pass says, each time the same, and who reads it."""

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from backend.audit.findings import Audit
from backend.audit.shards import examine_rescored
from backend.commit import make_directory
from backend.config import Config
from backend.errors import ReplayError
from backend.replay import records
from backend.replay.boards import board_from_position, move_from_code
from backend.replay.policy_moves import policy_index
from backend.replay.provenance import Rescoring
from backend.replay.records import GameRecord
from backend.replay.rescored import (
    FOLDER,
    RescoreTally,
    check_rescored,
    fingerprint,
    remove_rescored,
    rescore,
    set_aside,
)
from backend.replay.rescoring import most_men, targets_of
from backend.replay.sampler import Sampler
from backend.replay.shards import read_metadata, read_shard
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.tables import open_tables
from tests.backend.replay.games import WHITE_MATES, game_of, white_mates, write, write_columns
from tests.command_line import Run

SYZYGY = Path(__file__).resolve().parents[2] / "data" / "syzygy"
PLAN = Rescoring(
    of="", blunder=0.1, width=0.06, search_frac=0.0, everywhere=False, syzygy="", tables=""
)
OPEN, SEARCH, TABLES, MIX = (
    records.TARGET_OPEN,
    records.TARGET_SEARCH,
    records.TARGET_TABLES,
    records.TARGET_MIX,
)


def _valued(game: GameRecord, white_values: list[float], choices: str = "") -> GameRecord:
    """The same game with these searches, as White sees them; `c` at a ply makes its move the
    search's choice."""
    samples = []
    for ply, (sample, value) in enumerate(zip(game.samples, white_values, strict=True)):
        mover = value if not int(sample.position[7]) & 1 else -value
        wdl = np.array([(1 + mover) / 2, 0, (1 - mover) / 2], np.float32)
        prob = np.zeros(len(sample.policy_prob), np.float32)
        prob[0 if choices[ply : ply + 1] != "c" else _played(game, ply)] = 1
        samples.append(replace(sample, root_wdl=wdl, policy_prob=prob))
    return replace(game, samples=samples)


def _played(game: GameRecord, ply: int) -> int:
    sample = game.samples[ply]
    board = board_from_position(sample.position)
    index = policy_index(board, move_from_code(game.moves[ply]), "mover")
    return int(np.flatnonzero(sample.policy_index == index)[0])


def _white(tmp_path: Path, game: GameRecord, plan: Rescoring = PLAN) -> list[float | None]:
    """What the pass expects White to score at each ply; None where training decides."""
    folder = tmp_path / "replay"
    make_directory(folder)
    shard = read_shard(write(folder, [game]))
    targets = targets_of(shard, plan, None)
    sign = np.where((shard.columns["positions"][:, 7] & np.uint64(1)) == 1, -1, 1)
    value = (targets.wdl[:, 0] - targets.wdl[:, 2]) * sign
    return [None if np.isnan(x) else round(float(x), 3) for x in value]


def test_a_blunder_is_not_charged_to_the_positions_before_it(tmp_path: Path) -> None:
    # Black's 6th ply lets White mate; until then the searches saw Black ahead.
    game = _valued(white_mates(), [-0.2, -0.2, -0.3, -0.3, -0.4, -0.4, 0.9])
    assert _white(tmp_path, game) == [-0.4] * 6 + [None]


def test_a_blunder_of_white_counts_from_whites_side(tmp_path: Path) -> None:
    game = _valued(white_mates(), [0.5, 0.5, 0.5, -0.6, -0.6, 0.9, 0.9])
    # The move of ply 2 loses 1.1. That of ply 4 gains as much.
    assert _white(tmp_path, game) == [0.5, 0.5, 0.5, None, None, None, None]


def test_the_searchs_own_choice_is_no_blunder(tmp_path: Path) -> None:
    values = [-0.2, -0.2, -0.3, -0.3, -0.4, -0.4, 0.9]
    assert _white(tmp_path, _valued(white_mates(), values, "......")) == [-0.4] * 6 + [None]
    assert _white(tmp_path, _valued(white_mates(), values, ".....c")) == [None] * 7


@pytest.mark.parametrize(
    ("lost", "ratio"), [(0.06, 0.0), (0.08, 1 / 6), (0.1, 0.5), (0.115, 0.75), (0.2, 1.0)]
)
def test_between_a_blunder_and_none_the_outcomes_are_mixed(
    tmp_path: Path, lost: float, ratio: float
) -> None:
    game = _valued(white_mates(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, lost], "ccccc.c")
    found = _white(tmp_path, game)
    if ratio == 0:
        assert found == [None] * 7
    else:
        assert found[:6] == pytest.approx([1 - ratio] * 6, abs=2e-3)


def test_the_end_of_the_game_tells_what_its_last_move_was_worth(tmp_path: Path) -> None:
    shuffle = "g1f3 g8f6 f3g1 f6g8 g1f3 g8f6 f3g1 f6g8"
    game = game_of(shuffle, 5, records.DRAW)
    # Black, on the move at the last ply, was winning and repeats.
    found = _white(tmp_path, _valued(game, [-0.8] * 8))
    assert found == [-0.8] * 8
    assert _white(tmp_path, _valued(game, [0.8] * 8)) == [None] * 8, "White was, Black repeats"


def test_a_game_without_a_result_takes_a_whole_blunder_only(tmp_path: Path) -> None:
    cut = game_of(WHITE_MATES.rsplit(" ", 2)[0], records.TRUNCATED, records.NO_RESULT)
    assert _white(tmp_path, _valued(cut, [0.5, 0.5, 0.5, -0.5, -0.5])) == [0.5] * 3 + [None] * 2
    assert _white(tmp_path, _valued(cut, [0.0, 0.0, 0.05, -0.05, -0.05])) == [None] * 5


def test_result_and_search_are_mixed_where_that_is_asked_for(tmp_path: Path) -> None:
    values = [0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.6]
    game = _valued(white_mates(), values, "ccccccc")
    plan = _plan(search_frac=0.25, everywhere=True)
    assert _white(tmp_path, game, plan) == pytest.approx([0.75 + 0.25 * v for v in values])
    blundered = _valued(white_mates(), [-0.2, -0.2, -0.3, -0.3, -0.4, -0.4, 0.9])
    plan = _plan(search_frac=0.5)
    assert _white(tmp_path, blundered, plan)[:2] == pytest.approx([-0.3, -0.3])


def _plan(**changes: object) -> Rescoring:
    return msgspec.structs.replace(PLAN, **changes)  # type: ignore[arg-type]


def test_tables_decide_where_they_know_and_what_came_before(tmp_path: Path) -> None:
    game = game_of(
        "a1a2 e8e7 a2a1 e7e6",
        records.TRUNCATED,
        records.NO_RESULT,
        fen="4k3/8/8/8/8/8/n7/R3K3 w - - 5 40",
    )
    shard = read_shard(write(tmp_path, [game]))
    with open_tables(str(SYZYGY), dtz=True) as tables:
        assert most_men(tables) == 3
        targets = targets_of(shard, _plan(blunder=0.0, search_frac=0.5), tables)
    assert targets.source.tolist() == [TABLES, TABLES, OPEN, OPEN], "then the clock runs: no DTZ"
    assert targets.wdl[1].tolist() == [0, 0, 1], "exact, Black's view"
    root = shard.columns["root_wdl"][0]
    np.testing.assert_allclose(targets.wdl[0], 0.5 * np.array([1, 0, 0]) + 0.5 * root, atol=1e-6)
    assert targets.probed == 1


def test_a_table_overrules_how_the_game_ended(tmp_path: Path) -> None:
    # White may win with the rook, and resigns.
    game = game_of(
        "a1a2 e8e7",
        records.EXTERNAL,
        records.BLACK_WON,
        fen="4k3/8/8/8/8/8/n7/R3K3 w - - 5 40",
    )
    shard = read_shard(write(tmp_path, [game]))
    with open_tables(str(SYZYGY), dtz=True) as tables:
        targets = targets_of(shard, PLAN, tables)
    assert targets.wdl.tolist() == [[1, 0, 0], [0, 0, 1]]


def _pass(tmp_path: Path, plan: Rescoring = PLAN) -> RescoreTally:
    for folder in ("replay", "imported"):
        make_directory(tmp_path / folder)
    if not plan.syzygy:
        return rescore((tmp_path / "replay", tmp_path / "imported"), plan, None)
    with open_tables(plan.syzygy, dtz=True) as tables:
        plan = _plan(syzygy=plan.syzygy, tables=fingerprint(tables))
        return rescore((tmp_path / "replay", tmp_path / "imported"), plan, tables)


def _files(tmp_path: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (tmp_path / FOLDER).iterdir()}


def _standing_for(played: Path) -> Path | None:
    """The shard of the last pass that is read in the place of this one."""
    for path in (played.parent.parent / FOLDER).iterdir():
        rescoring = read_metadata(path).rescoring
        if rescoring is not None and rescoring.of == played.name:
            return path
    return None


BLUNDERED = [-0.2, -0.2, -0.3, -0.3, -0.4, -0.4, 0.9]


def _played_run(tmp_path: Path) -> Path:
    make_directory(tmp_path / "replay")
    write(tmp_path / "replay", [_valued(white_mates(), [0.5] * 7, "ccccccc")], seq=1)
    return write(tmp_path / "replay", [_valued(white_mates(), BLUNDERED)], seq=2)


def test_the_same_pass_writes_the_same_and_another_one_in_its_place(tmp_path: Path) -> None:
    path = _played_run(tmp_path)
    before = path.read_bytes()
    first = _pass(tmp_path)
    assert (first.written, first.unchanged, first.removed) == (1, 1, 0)
    assert (first.positions, first.blunders, first.decided, first.turned) == (14, 1, 6, 6)
    files = _files(tmp_path)
    again = _pass(tmp_path)
    assert (again.written, again.unchanged, again.removed) == (0, 2, 0)
    assert _files(tmp_path) == files
    assert path.read_bytes() == before
    other = _pass(tmp_path, _plan(blunder=0.0, search_frac=0.5, everywhere=True))
    assert (other.written, other.removed) == (2, 1)
    _pass(tmp_path)
    assert _files(tmp_path) == files, "a pass begins with what was played, whatever was there"


def test_a_window_reads_the_rescored_shard_in_the_place_of_the_played_one(tmp_path: Path) -> None:
    path = _played_run(tmp_path)
    window = Window(path.parent, 100)
    window.add(path.name)
    played = Sampler(window, np.random.default_rng(0), 0.0).gather(np.arange(7)).wdl_target
    _pass(tmp_path)
    window = Window(path.parent, 100)
    assert window.add(path.name) == 7
    decided = Sampler(window, np.random.default_rng(0), 0.0).gather(np.arange(7)).wdl_target
    np.testing.assert_allclose(decided[0], [0.3, 0.0, 0.7], atol=1e-3)
    assert played[0].tolist() == [1, 0, 0]
    remove_rescored(path.parent, path.name)
    assert _standing_for(path) is None
    window = Window(path.parent, 100)
    window.add(path.name)
    again = Sampler(window, np.random.default_rng(0), 0.0).gather(np.arange(7)).wdl_target
    assert (again == played).all()


@pytest.mark.parametrize("where", [0, 100, -1], ids=["length", "header", "content"])
def test_for_a_damaged_rescored_shard_the_played_one_is_read_and_it_is_set_aside(
    tmp_path: Path, where: int
) -> None:
    path = _played_run(tmp_path)
    _pass(tmp_path)
    files = _files(tmp_path)
    rescored = _standing_for(path)
    assert rescored is not None
    damaged = bytearray(rescored.read_bytes())
    damaged[where] ^= 0x81
    rescored.write_bytes(damaged)
    with pytest.raises(ReplayError, match=rescored.name):
        Window(path.parent, 100).add(path.name)
    told: list[str] = []
    window = Window(path.parent, 100, lambda path, error: told.append(set_aside(path, error)))
    assert window.add(path.name) == 7
    targets = Sampler(window, np.random.default_rng(0), 0.0).gather(np.arange(7)).wdl_target
    assert targets[0].tolist() == [1, 0, 0], "as it was played"
    assert len(told) == 1
    assert rescored.name in told[0]
    assert (tmp_path / "quarantine" / rescored.name).read_bytes() == damaged
    assert _files(tmp_path) == {}
    _pass(tmp_path)
    assert _files(tmp_path) == files


def test_a_pass_makes_a_damaged_shard_of_an_earlier_one_again(tmp_path: Path) -> None:
    _played_run(tmp_path)
    _pass(tmp_path)
    files = _files(tmp_path)
    for where in (0, -1):
        (path,) = (tmp_path / FOLDER).iterdir()
        damaged = bytearray(path.read_bytes())
        damaged[where] ^= 0x81
        path.write_bytes(damaged)
        _pass(tmp_path)
        assert _files(tmp_path) == files


def test_a_damaged_rescored_shard_does_not_hinder_what_it_was_made_from_from_leaving(
    tmp_path: Path,
) -> None:
    path = _played_run(tmp_path)
    _pass(tmp_path)
    (rescored,) = (tmp_path / FOLDER).iterdir()
    rescored.write_bytes(b"no shard")
    remove_rescored(path.parent, path.name)
    assert rescored.exists()


def test_verify_looks_at_shards_and_networks_without_a_database_too(
    tmp_path: Path, run: Run
) -> None:
    played = _played_run(tmp_path)
    _pass(tmp_path)
    directory = RunDirectory(tmp_path)
    directory.create()
    directory.write_config(Config())
    write(directory.imported, [white_mates()])
    sound = run("verify", str(tmp_path))
    assert sound.code == 0, sound.out
    assert "2 shards, 1 imported shards, 1 rescored shards" in sound.out
    for path in (played, *directory.imported.iterdir(), *directory.rescored.iterdir()):
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        told = run("verify", "--quick", str(tmp_path))
        assert told.code == 65
        assert f"{path.parent.name}/{path.name}: damaged" in told.out
        path.write_bytes(content)
    step = directory.checkpoints / "step-00000001"
    step.mkdir()
    assert "checkpoints/step-00000001" in run("verify", str(tmp_path)).out


def test_what_stands_for_a_shard_that_is_gone_is_removed(tmp_path: Path) -> None:
    path = _played_run(tmp_path)
    _pass(tmp_path)
    path.unlink()
    assert _pass(tmp_path).removed == 1
    assert _files(tmp_path) == {}


def test_a_rescored_shard_is_derived_again_and_a_lie_in_it_is_found(tmp_path: Path) -> None:
    played = _played_run(tmp_path)
    _pass(tmp_path)
    path = _standing_for(played)
    assert path is not None
    assert check_rescored(path, played) == check_rescored(path, played)
    assert check_rescored(path, played).fault == ""
    shard = read_shard(path)
    for name, value, fault in (
        ("value_wdl", (1.0, 0.0, 0.0), "its value targets are not those of the pass"),
        ("root_wdl", (1.0, 0.0, 0.0), "column root_wdl is not that of"),
    ):
        columns = {key: column.copy() for key, column in shard.columns.items()}
        columns[name][2] = value
        lied = write_columns(tmp_path, columns, rescoring=shard.metadata.rescoring)
        assert fault in check_rescored(lied, played).fault
        lied.unlink()


def test_verify_derives_rescored_shards_again(tmp_path: Path) -> None:
    played = _played_run(tmp_path)
    _pass(tmp_path, _plan(syzygy=str(SYZYGY)))
    run = RunDirectory(tmp_path)
    audit = Audit()
    examine_rescored(run, audit, replays=True, is_live=False)
    assert audit.counted["rescored shards"] == 1
    assert (audit.problems, audit.notes) == ([], [])
    path = _standing_for(played)
    assert path is not None
    plan = read_shard(path).metadata.rescoring
    lied = write_columns(
        run.rescored, {k: v.copy() for k, v in read_shard(played).columns.items()}, rescoring=plan
    )
    audit = Audit()
    examine_rescored(run, audit, replays=True, is_live=False)
    assert [problem.file for problem in audit.problems] == [f"rescored/{lied.name}"]
