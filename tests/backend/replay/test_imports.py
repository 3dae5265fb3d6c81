"""Imported games: each once, a share held out for good, nothing learned that is not so."""

from pathlib import Path

import chess
import numpy as np
import pytest

from backend.errors import ReplayError
from backend.replay import imports, records
from backend.replay.imports import HELD_OUT, LEARNED, REPORT, ImportTally, import_pgn
from backend.replay.shards import Shard, list_shards, read_shard
from model.encoding import index_to_move
from model.rules import Outcome

DATA = Path(__file__).resolve().parents[2] / "data"
GAMES = str(DATA / "games" / "games_ci.pgn")
LICHESS = str(DATA / "games" / "lichess_2025-05_sample.pgn")


def _import(directory: Path, *files: str) -> ImportTally:
    return import_pgn(files, directory, "mover")


def _text(directory: Path, text: str) -> ImportTally:
    path = directory / "games.pgn"
    path.write_text(text)
    out = directory / "out"
    out.mkdir(exist_ok=True)
    return _import(out, str(path))


def _shards(directory: Path, prefix: str = "") -> list[Shard]:
    return [read_shard(path) for path in list_shards(directory, prefix)]


def _only(directory: Path) -> Shard:
    (shard,) = _shards(directory / "out")
    return shard


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ImportTally]:
    folder = tmp_path_factory.mktemp("imported")
    return folder, _import(folder, GAMES, LICHESS)


def test_every_game_and_position_is_in_the_shards(imported: tuple[Path, ImportTally]) -> None:
    folder, tally = imported
    assert (tally.games, tally.duplicates, tally.rejected) == (180, 0, 0)
    assert sum(shard.num_games for shard in _shards(folder)) == 180
    assert sum(shard.num_positions for shard in _shards(folder)) == tally.positions
    assert sum(s.num_games for s in _shards(folder, HELD_OUT)) == tally.held_out_games
    assert sum(s.num_positions for s in _shards(folder, HELD_OUT)) == tally.held_out_positions
    assert 2 <= tally.held_out_games <= 20
    assert all(shard.metadata.producer == "pgn" for shard in _shards(folder))


def test_the_policy_is_the_move_that_was_played(imported: tuple[Path, ImportTally]) -> None:
    shard = _shards(imported[0], HELD_OUT)[0]
    columns = shard.columns
    assert (columns["kind"] == records.PLAYED_MOVE).all()
    for row in range(0, shard.num_positions, 7):
        own = slice(*columns["policy_offset"][row : row + 2])
        prob = columns["policy_prob"][own]
        assert prob.sum() == prob.max() == 1
        index = int(columns["policy_index"][own][prob.argmax()])
        game, ply = int(columns["game_of_position"][row]), int(columns["ply"][row])
        assert index_to_move(columns["positions"][row], index, "mover") == shard.moves(game)[ply]


def test_an_import_that_is_repeated_changes_nothing(
    imported: tuple[Path, ImportTally], tmp_path: Path
) -> None:
    for shard in imported[0].iterdir():
        (tmp_path / shard.name).symlink_to(shard)
    before = sorted(tmp_path.iterdir())
    tally = _import(tmp_path, LICHESS, GAMES, GAMES)
    assert (tally.games, tally.duplicates) == (0, 240)
    assert sorted(tmp_path.iterdir()) == before


def test_an_import_that_was_stopped_goes_on_and_ends_with_the_same_games(
    imported: tuple[Path, ImportTally], tmp_path: Path
) -> None:
    asked = iter([False] * 30 + [True])
    first = import_pgn([GAMES, LICHESS], tmp_path, "mover", should_stop=lambda: next(asked))
    assert first.is_stopped
    assert first.games == 30
    second = _import(tmp_path, GAMES, LICHESS)
    assert (second.games, second.duplicates, second.went_on_at) == (150, 0, 30)
    assert imports.known_games(tmp_path) == imports.known_games(imported[0])
    whole = {name: _held_out_games(imported[0], name) for name in (HELD_OUT, LEARNED)}
    assert {name: _held_out_games(tmp_path, name) for name in (HELD_OUT, LEARNED)} == whole


def _held_out_games(folder: Path, prefix: str) -> set[bytes]:
    shards = _shards(folder, prefix)
    return {shard.moves(game).tobytes() for shard in shards for game in range(shard.num_games)}


def test_progress_is_told_after_each_game(tmp_path: Path) -> None:
    seen: list[tuple[int, float | None]] = []
    import_pgn(
        [GAMES],
        tmp_path,
        "mover",
        on_progress=lambda tally: seen.append((tally.games, tally.share_read)),
    )
    assert [games for games, _ in seen] == list(range(1, 61))
    assert seen[-1][1] == 1.0


def test_shards_are_written_as_games_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "SHARD_POSITIONS", 500)
    tally = _import(tmp_path, GAMES)
    sizes = [shard.num_positions for shard in _shards(tmp_path, LEARNED)]
    assert len(sizes) >= 5
    assert all(500 <= size < 500 + 600 for size in sizes[:-1])
    assert sum(sizes) == tally.positions - tally.held_out_positions


def test_hostile_files_leave_good_games_only(tmp_path: Path) -> None:
    files = sorted(str(path) for path in (DATA / "hostile").glob("*.pgn"))
    tally = _import(tmp_path, *files)
    assert tally.games == 3, "a mate in four, an opening with remarks, two moves"
    assert tally.duplicates == 7
    assert tally.rejected == 10
    report = (tmp_path / REPORT).read_text().splitlines()
    assert report[0] == "file\tgame\treason"
    assert len(report) == 11
    (line,) = [line for line in report if "illegal_move" in line]
    _, number, reason = line.split("\t")
    assert number == "2"
    assert reason.startswith("ply 2: illegal san: 'Ke3' in rnbqkbnr/pppp1ppp/")


MATED = "1. f3 e5 2. g4 Qh4#"
BARE_KINGS = '[FEN "8/8/8/k7/4q3/4K3/8/8 w - - 0 1"]\n\n1. Kxe4'
STALEMATE = '[FEN "7k/8/6K1/8/8/8/8/5Q2 w - - 0 1"]\n\n1. Qf7'
THREE_TIMES = "1. Nf3 Nf6 2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8"


@pytest.mark.parametrize(
    ("moves", "result", "outcome", "stored"),
    [
        (MATED, "0-1", Outcome.CHECKMATE, records.BLACK_WON),
        (MATED, "*", Outcome.CHECKMATE, records.BLACK_WON),
        (STALEMATE, "1/2-1/2", Outcome.STALEMATE, records.DRAW),
        (THREE_TIMES, "1/2-1/2", Outcome.THREEFOLD, records.DRAW),
        (THREE_TIMES, "0-1", records.EXTERNAL, records.BLACK_WON),
        ("1. e4 e5", "1-0", records.EXTERNAL, records.WHITE_WON),
        ("1. e4 e5", "1/2-1/2", records.EXTERNAL, records.DRAW),
        ("1. e4 e5", "*", records.TRUNCATED, records.NO_RESULT),
    ],
)
def test_outcome_and_result_are_what_the_file_and_the_board_say_together(
    tmp_path: Path, moves: str, result: str, outcome: int, stored: int
) -> None:
    assert _text(tmp_path, f"{moves} {result}\n").games == 1
    columns = _only(tmp_path).columns
    assert columns["game_outcome"].tolist() == [outcome]
    assert columns["game_result"].tolist() == [stored]
    assert (columns["has_result"] == (stored != records.NO_RESULT)).all()


@pytest.mark.parametrize(
    ("moves", "result", "reason"),
    [
        (MATED, "1-0", "its result is wrong: checkmate on the board"),
        (MATED, "1/2-1/2", "its result is wrong: checkmate on the board"),
        (STALEMATE, "1-0", "its result is wrong: stalemate on the board"),
        (BARE_KINGS, "1-0", "its result is wrong: insufficient"),
    ],
)
def test_a_result_that_the_board_contradicts_is_refused(
    tmp_path: Path, moves: str, result: str, reason: str
) -> None:
    tally = _text(tmp_path, f"{moves} {result}\n")
    assert tally.games == 0
    assert tally.rejects[0].reason.startswith(reason)
    assert list_shards(tmp_path / "out") == []


def test_book_moves_are_played_but_not_learned(tmp_path: Path) -> None:
    _text(tmp_path, "1. e4 {book} e5 {book} 2. Nf3 Nc6 1-0\n")
    columns = _only(tmp_path).columns
    assert columns["ply"].tolist() == [2, 3]
    assert columns["game_moves"].size == 4
    assert columns["plies_left"].tolist() == [2, 1]
    assert columns["result_wdl"].tolist() == [[1, 0, 0], [0, 0, 1]]
    tally = _text(tmp_path, "1. d4 {book} 1-0\n")
    assert tally.rejects[0].reason == "every move is a book move: nothing to learn"


def test_positions_know_how_often_they_were_there(tmp_path: Path) -> None:
    _text(tmp_path, f"{THREE_TIMES} 5. e4 1/2-1/2\n")
    words = _only(tmp_path).columns["positions"][:, 7]
    assert (words >> np.uint64(17) & np.uint64(3)).tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2]


def test_the_same_moves_from_another_position_are_another_game(tmp_path: Path) -> None:
    fen = chess.STARTING_FEN.replace("KQkq", "-")
    tally = _text(tmp_path, f'1. e4 e5 1-0\n\n[FEN "{fen}"]\n\n1. e4 e5 1-0\n')
    assert (tally.games, tally.duplicates) == (2, 0)
    assert _text(tmp_path, "1. e4 e5 0-1\n").duplicates == 1


def test_a_damaged_shard_stops_an_import_before_it_writes(
    imported: tuple[Path, ImportTally], tmp_path: Path
) -> None:
    shard = list_shards(imported[0])[0]
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    (tmp_path / shard.name).write_bytes(content)
    with pytest.raises(ReplayError, match=f"{shard.name}: damaged"):
        _import(tmp_path, GAMES)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_file_stops_an_import_before_it_writes(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"nowhere\.pgn: cannot be read"):
        _import(tmp_path, GAMES, "nowhere.pgn")
    assert list(tmp_path.iterdir()) == []
