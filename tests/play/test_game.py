"""A person's game: the board decides how it ends, and a PGN brings all of it back."""

from datetime import date
from pathlib import Path

import chess
import pytest

from backend.play.game import Game, PgnError, ending_in_words, read_pgn
from backend.play.openings import opening_of

GAMES = Path(__file__).resolve().parents[1] / "data" / "games" / "lichess_2025-05_sample.pgn"
TODAY = date(2026, 7, 30)


def play(game: Game, *sans: str) -> Game:
    for san in sans:
        game.play(game.board.parse_san(san))
    return game


def test_mate_ends_the_game_for_the_one_who_mates() -> None:
    game = play(Game(), "f3", "e5", "g4", "Qh4#")
    assert game.result == "0-1"
    assert game.ending is not None
    assert ending_in_words(game.ending) == "0-1: checkmate"
    assert not game.is_humans_turn


def test_a_third_repetition_ends_it_and_a_declared_result_does_not_outweigh_the_board() -> None:
    game = play(Game(), *("Nf3", "Nf6", "Ng1", "Ng8") * 2)
    game.resign(chess.WHITE)
    assert game.result == "1/2-1/2"
    assert game.ending is not None
    assert game.ending.termination == "threefold"


@pytest.mark.parametrize(
    ("human", "moves", "left"),
    [
        (chess.WHITE, ("e4", "e5"), 0),
        (chess.WHITE, ("e4", "e5", "Nf3"), 2),
        (chess.BLACK, ("e4", "e5", "Nf3"), 1),
        (None, ("e4", "e5", "Nf3"), 2),
    ],
)
def test_taking_back_leads_to_before_the_last_move_of_the_person(
    human: chess.Color | None, moves: tuple[str, ...], left: int
) -> None:
    game = play(Game(human=human), *moves)
    game.values = {ply: 0.1 for ply in range(len(moves) + 1)}
    assert game.can_take_back
    game.take_back()
    assert game.ply == left
    assert max(game.values) == left


def test_black_has_nothing_to_take_back_after_the_first_move_of_white() -> None:
    assert not play(Game(human=chess.BLACK), "e4").can_take_back


def test_a_pgn_brings_back_moves_colour_values_and_what_was_declared() -> None:
    game = play(Game(human=chess.BLACK, opponent="step-00002100"), "e4", "c5", "Nf3")
    game.values = {1: 0.25, 3: -0.5}
    game.resign(chess.BLACK)
    text = game.to_pgn(TODAY)
    assert '[ECO "B27"]' in text
    again = read_pgn(text, "x.pgn")
    assert again.sans() == game.sans()
    assert (again.human, again.opponent) == (chess.BLACK, "step-00002100")
    assert again.values == game.values
    assert (again.result, again.ending) == ("1-0", game.ending)


def test_a_pgn_from_a_set_up_position_keeps_it() -> None:
    game = Game(board=chess.Board("4k3/8/8/8/8/8/4P3/4K3 w - - 0 1"))
    play(game, "e4", "Kd7")
    again = read_pgn(game.to_pgn(TODAY), "x.pgn")
    assert again.board == game.board
    assert again.board.root() == game.board.root()


def test_the_result_of_a_file_is_not_believed_against_its_moves() -> None:
    assert read_pgn('[Result "1-0"]\n\n1. f3 e5 2. g4 Qh4# 1-0', "x.pgn").result == "0-1"
    assert read_pgn('[Result "1-0"]\n\n1. e4 1-0', "x.pgn").result == "*"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1. e4 e5 2. Ke3",
        '[Variant "Atomic"]\n\n1. e4',
        '[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n*',
    ],
)
def test_what_is_no_game_of_chess_is_refused(text: str) -> None:
    with pytest.raises(PgnError, match=r"^x\.pgn: "):
        read_pgn(text, "x.pgn")


def test_real_games_are_read_to_their_end() -> None:
    game = read_pgn(GAMES.read_text(encoding="utf-8"), GAMES.name)
    assert game.ply > 10
    assert game.human is None


def test_an_opening_is_known_by_its_position_and_stays_known() -> None:
    first = play(Game(), "d4", "Nf6", "c4", "g6").board
    other = play(Game(), "c4", "Nf6", "d4", "g6").board
    known = opening_of(first)
    assert known is not None
    assert known == opening_of(other)
    assert known.eco == "E60"
    later = first.copy()
    for san in ("Na3", "a6", "Nb1", "a5"):
        later.push_san(san)
    assert opening_of(later) == known
    assert opening_of(chess.Board()) is None
