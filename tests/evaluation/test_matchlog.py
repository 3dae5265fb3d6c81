"""An interrupted match goes on where it stopped, and believes nothing that is damaged."""

from pathlib import Path

import pytest

from backend.evaluation.match import MatchGame, play_match, to_pgn
from backend.evaluation.matchlog import MatchLog
from backend.evaluation.openings import random_openings
from backend.evaluation.players import GreedyPlayer, RandomPlayer
from backend.evaluation.verify import verify_pgn

OPENINGS = random_openings(6, 4, seed=2)


def _play(log: MatchLog, *, stop_after: int = 99) -> list[MatchGame] | None:
    heard: list[MatchGame] = []

    def hear(finished: list[MatchGame]) -> None:
        log.hear(finished)
        heard[:] = finished

    return play_match(
        GreedyPlayer(1),
        RandomPlayer(2),
        OPENINGS,
        max_plies=60,
        slots=2,
        played=log.finished,
        on_game=hear,
        on_step=lambda: len(heard) < stop_after,
    )


def _facts(games: list[MatchGame]) -> list[tuple[object, ...]]:
    return [
        (g.number, g.board.move_stack, g.comments, g.white_values, g.result, g.termination)
        for g in sorted(games, key=lambda game: game.number)
    ]


def test_games_that_ended_are_not_played_again(tmp_path: Path) -> None:
    path = tmp_path / "match.jsonl"
    with MatchLog(path, "greedy random", OPENINGS) as log:
        assert _play(log, stop_after=5) is None
    with MatchLog(path, "greedy random", OPENINGS) as log:
        before = _facts(log.finished)
        assert len(before) >= 5
        games = _play(log)
        assert games is not None
        assert [game.number for game in games] == list(range(12))
        after = _facts(games)
        assert all(fact in after for fact in before)
    with MatchLog(path, "greedy random", OPENINGS) as log:
        assert _facts(log.finished) == after
        log.remove()
    assert not path.exists()


def test_a_log_of_another_match_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "match.jsonl"
    with MatchLog(path, "greedy random 1", OPENINGS) as log:
        _play(log)
    with MatchLog(path, "greedy random 2", OPENINGS) as log:
        assert log.finished == []
    with MatchLog(path, "greedy random 2", random_openings(6, 4, seed=3)) as log:
        assert log.finished == []


def test_what_is_damaged_is_played_again(tmp_path: Path) -> None:
    path = tmp_path / "match.jsonl"
    with MatchLog(path, "x", OPENINGS) as log:
        _play(log)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for at in range(0, len(lines[3]), 37):
        start = sum(map(len, lines[:3]))
        flipped = bytearray(whole)
        flipped[start + at] ^= 1
        path.write_bytes(flipped)
        with MatchLog(path, "x", OPENINGS) as log:
            assert len(log.finished) in (10, 11)  # A line end that is gone costs two games.
    for cut in range(len(whole) - len(lines[-1]), len(whole) - 1, 41):
        path.write_bytes(whole[:cut])
        with MatchLog(path, "x", OPENINGS) as log:
            assert len(log.finished) == 11
            _play(log)
        with MatchLog(path, "x", OPENINGS) as log:
            assert len(log.finished) == 12


def test_a_match_file_is_derived_again(tmp_path: Path) -> None:
    with MatchLog(tmp_path / "log", "x", OPENINGS) as log:
        games = _play(log)
    assert games is not None
    path = tmp_path / "match.pgn"
    text = to_pgn(games, "greedy", "random", "a test")
    path.write_text(text)
    found = verify_pgn(path)
    assert found.games == 12
    assert not found.faults
    assert sum(found.terminations.values()) == 12


THRICE = "1. Nf3 Nf6 2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8"


@pytest.mark.parametrize(
    ("movetext", "result", "termination", "fault"),
    [
        ("1. f3 e5 2. g4 Qh4#", "0-1", "checkmate", ""),
        ("1. f3 e5 2. g4 Qh4#", "1-0", "checkmate", "checkmate, -1 for White; it says checkmate"),
        ("1. f3 e5 2. g4 Qh4#", "0-1", "stalemate", "it says stalemate"),
        ("1. e4 e5", "1-0", "", "goes on by the rules"),
        ("1. e4 e5", "1/2-1/2", "ply-limit", ""),
        ("1. e4 e5", "1-0", "ply-limit", "cut at the ply limit"),
        ("1. e4 e5", "0-1", "engine-crash", ""),
        ("1. e4 e5", "1-0", "engine-crash", "said to have won"),
        ("1. e4 e5", "1-0", "resign-agreed", ""),
        ("1. e4 e5", "*", "ply-limit", "no result"),
        ("1. e4 e6 2. Kxe6", "1-0", "checkmate", "not a game of chess"),
        (f"{THRICE} 5. e4", "1/2-1/2", "ply-limit", "it goes on after it was over, at ply 8"),
        (f"{THRICE.replace('Ng8', 'Ng8 {opening}')} 5. e4", "1/2-1/2", "ply-limit", ""),
        (THRICE, "1/2-1/2", "threefold", ""),
    ],
)
def test_a_result_that_does_not_follow_is_named(
    tmp_path: Path, movetext: str, result: str, termination: str, fault: str
) -> None:
    path = tmp_path / "match.pgn"
    path.write_text(f'[Result "{result}"]\n[Termination "{termination}"]\n\n{movetext} {result}\n')
    found = verify_pgn(path)
    assert found.games == 1
    assert bool(found.faults) == bool(fault)
    assert fault in "".join(found.faults)


@pytest.mark.parametrize("movetext", ["1. e4 ) e5 1-0", "d5)d6)", "1. e4 {x 1-0"])
def test_text_that_is_no_game_is_a_fault_and_no_end(tmp_path: Path, movetext: str) -> None:
    path = tmp_path / "match.pgn"
    path.write_text(f'[Result "1-0"]\n\n{movetext}\n\n[Result "*"]\n\n1. e4 *\n')
    found = verify_pgn(path)
    assert found.games == 2
    assert len(found.faults) == 2
