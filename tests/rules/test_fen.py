"""FENs: what is read, what is written back, and what is refused with which words."""

import chess
import numpy as np
import pytest

from model.rules import START_FEN, from_fen, legal_moves, start_position, to_fen
from tests.rules.oracle import DATA, moves_of, perft_suite

# Flaw as the data file names it -> the words that the message must contain.
MESSAGES = {
    "side to move is a dash": "side to move '-' is neither 'w' nor 'b'",
    "seven ranks": "placement has 7 ranks, expected 8",
    "nine ranks": "placement has 9 ranks, expected 8",
    "rank of nine files": "rank 7 ('ppppppppp') has 9 files, expected 8",
    "digit nine": "rank 6 has unknown piece '9'",
    "unknown piece letter": "rank 1 has unknown piece 'X'",
    "no black king": "Black has 0 kings, expected 1",
    "two white kings": "White has 2 kings, expected 1",
    "nine white pawns": "White has 9 pawns, at most 8 are possible",
    "pawn on first rank": "a pawn stands on rank 1 or rank 8",
    "pawn on eighth rank": "a pawn stands on rank 1 or rank 8",
    "side not to move is in check": "White is to move, but Black's king is in check",
    "bad side letter": "side to move 'x' is neither 'w' nor 'b'",
    "castling right without rook": "castling right 'K', but no rook on that side of the king",
    "castling right, king moved": "castling right 'K', but the king is not on rank 1",
    "bad castling letters": "castling right 'B', but no rook on b1",
    "en passant square on wrong rank": "en-passant square 'e5' is neither '-' nor on rank 6",
    "en passant square with no pawn": "en-passant square 'e3', but no pawn has just passed it",
    "negative clock": "halfmove clock '-5' is not a number from 0 on",
    "clock not a number": "halfmove clock 'x' is not a number from 0 on",
    "kings adjacent": "the kings stand next to each other",
    "empty board": "White has 0 kings, expected 1",
    "empty string": "0 fields; expected 6",
    "only spaces": "0 fields; expected 6",
    "three checkers": "more than two pieces give check",
    "control characters": "is not printable ASCII",
    "two thousand slashes": "placement has 2001 ranks, expected 8",
    "full-width digits": "is not printable ASCII",
}
MORE_INVALID = {
    "4k3/8/8/8/8/8/8/4K2R w KK - 0 1": "castling field 'KK' names the right 'K' twice",
    "4k3/8/8/8/8/8/8/4K2R w KH - 0 1": "castling field 'KH' names the right 'K' twice",
    "4k3/8/8/8/8/8/8/4K2R w Kx - 0 1": "castling field 'Kx' has unknown letter 'x'",
    "4k3/8/8/8/8/8/8/4K3 w - - 0": "5 fields; expected 6",
    "4k3/8/8/8/8/8/8/4K3 w - - 0 1 x": "7 fields; expected 6",
    "4k3/8/8/8/8/8/8/4K3 w - - 0 1.5": "move number '1.5' is not a number from 0 on",
    "4k3/8/8/8/8/8/8/4K3 w - - 9999999999 1": "halfmove clock '9999999999' is not a number",
    "rnbqkbnr/pppppppp/8/8/4P3/8/PPPPPPPP/RNBQKBNR b - - 0 1": "White has 9 pawns",
    "rnbqkbnr/pppppppp/8/8/8/N7/PPPPPPPP/RNBQKBNR b - - 0 1": "White has 17 pieces",
    "rnbqkbnr/pppppppp/8/8/4P3/4P3/PPPP2PP/RNBQKBNR b KQkq e3 0 1": "the way of its pawn",
    "rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e9 0 1": "nor on rank 3",
    "4k3/8/8/8/4P3/8/4P3/4K3 b - e3 0 1": "the way of its pawn is not free",
}


def _rows(name: str) -> list[list[str]]:
    text = (DATA / "fens" / name).read_bytes().decode()
    return [line.split("\t") for line in text.split("\n") if line]


@pytest.mark.parametrize(("fen", "flaw"), _rows("invalid.tsv"), ids=lambda text: text[:24])
def test_invalid_fens_are_refused_with_the_reason(fen: str, flaw: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid FEN ") as caught:
        from_fen(fen)
    assert MESSAGES[flaw] in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("fen", "message"), MORE_INVALID.items())
def test_contradictory_fens_are_refused_with_the_reason(fen: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid FEN ") as caught:
        from_fen(fen)
    assert message in str(caught.value)


@pytest.mark.parametrize("row", _rows("unusual_valid.tsv"), ids=lambda row: row[1])
def test_unusual_valid_fens_are_read(row: list[str]) -> None:
    fen, _, num_moves = row
    pos = from_fen(fen)
    assert len(moves_of(pos)) == int(num_moves)
    assert to_fen(pos) == chess.Board(fen).fen(en_passant="legal")


def test_start_position_is_the_start_fen() -> None:
    assert to_fen(start_position()) == START_FEN == chess.STARTING_FEN


@pytest.mark.parametrize("suite", ["perft_standard.epd", "perft_chess960.epd"])
def test_fens_of_the_suites_survive_a_round_trip(suite: str) -> None:
    for fen, _ in perft_suite(suite):
        pos = from_fen(fen)
        assert to_fen(pos) == chess.Board(fen, chess960=True).fen(en_passant="legal")
        assert np.array_equal(from_fen(to_fen(pos)), pos)


def test_shredder_letters_and_x_fen_letters_mean_the_same() -> None:
    shredder = "1k1r1r2/8/8/8/8/8/8/1K1R1R2 w FDfd - 0 1"
    assert to_fen(from_fen("1k1r1r2/8/8/8/8/8/8/R2K1R1R w FA - 0 1")).split()[2] == "FQ"
    with pytest.raises(ValueError, match="names the right 'K' twice"):
        from_fen(shredder)
    outer = from_fen("1k6/8/8/8/8/8/8/R2K1R1R w KQ - 0 1")
    assert np.array_equal(outer, from_fen("1k6/8/8/8/8/8/8/R2K1R1R w HA - 0 1"))
    assert not np.array_equal(outer, from_fen("1k6/8/8/8/8/8/8/R2K1R1R w FA - 0 1"))


def test_clocks_saturate_as_the_layout_says() -> None:
    pos = from_fen("4k3/8/8/8/8/8/8/4K3 w - - 300 9000")
    assert to_fen(pos).split()[4:] == ["255", "8191"]


def test_en_passant_square_without_a_legal_capture_is_dropped() -> None:
    assert to_fen(from_fen("8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1")).split()[3] == "-"
    assert to_fen(from_fen("8/8/8/6k1/4Pp2/8/8/K7 b - e3 0 1")).split()[3] == "e3"


def test_reading_a_fen_gives_a_fresh_array() -> None:
    first, second = start_position(), start_position()
    first[:] = 0
    assert legal_moves(second, np.empty(256, np.uint16)) == 20


def test_the_message_table_covers_the_data_file() -> None:
    assert {flaw for _, flaw in _rows("invalid.tsv")} == set(MESSAGES)
