"""Moves and policy indices: one to one on real games, and equal to the earlier program's."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import chess
import chess.pgn
import numpy as np
import pytest
import zstandard

from model.config import Orientation
from model.encoding import index_to_move, policy_index, policy_indices
from model.rules import (
    black_to_move,
    from_fen,
    is_castling,
    legal_moves,
    make_move,
    move_to_uci,
    start_position,
    to_fen,
    uci_to_move,
)
from tests.rules.oracle import DATA, move_word, moves_of, perft_suite

GOLDEN = Path(__file__).parents[1] / "golden"


def _games() -> Iterator[chess.pgn.Game]:
    folder = DATA / "games"
    archive = (folder / "world_championship_games.pgn.zst").read_bytes()
    texts = [
        (folder / "lichess_2025-05_sample.pgn").read_text(),
        (folder / "games_ci.pgn").read_text(),
        zstandard.ZstdDecompressor().decompressobj().decompress(archive).decode(),
    ]
    for text in texts:
        handle = io.StringIO(text)
        while (game := chess.pgn.read_game(handle)) is not None:
            assert not game.errors
            yield game


def _ways() -> np.ndarray:
    """int[73, 3]: ranks, files and promotion of each offset for White, from the page's tables."""
    rays = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
    ways = [(r * n, f * n, 0) for r, f in rays for n in range(1, 8)]
    ways += [(-2, -1, 0), (-2, 1, 0), (-1, -2, 0), (-1, 2, 0)]
    ways += [(1, -2, 0), (1, 2, 0), (2, -1, 0), (2, 1, 0)]
    ways += [(1, files, promotion) for promotion in (1, 2, 3) for files in (0, -1, 1)]
    return np.array(ways)


WAYS = _ways()


def _assert_decodes(
    moves: np.ndarray, indices: np.ndarray, *, is_black: bool, orientation: Orientation
) -> None:
    """The geometry of each index is its move; only castling moves end elsewhere."""
    words = moves.astype(np.int64)
    turn = 56 if is_black and orientation == "mover" else 0
    origin, way = indices // 73 ^ turn, WAYS[indices % 73].copy()
    if turn:
        way[:, 0] *= -1
    elif is_black:
        way[indices % 73 >= 64, :2] *= -1
    target = origin + 8 * way[:, 0] + way[:, 1]
    castled = (words >> 12 == 0) & (np.abs(target - origin) == 2) & (origin % 8 == 4)
    promotion = np.where(words >> 12 == 4, 0, words >> 12)
    assert (origin == words & 63).all()
    assert ((target == words >> 6 & 63) | castled).all()
    assert (way[:, 2] == promotion).all()


def test_every_legal_move_of_real_games_survives_the_round_trip() -> None:
    moves = np.empty(256, np.uint16)
    indices = np.full(256, -1, np.int16)
    num_positions = 0
    for game in _games():
        pos = from_fen(game.board().fen())
        for move in game.mainline_moves():
            num_moves = legal_moves(pos, moves)
            for orientation in get_args(Orientation):
                policy_indices(pos, moves, num_moves, orientation == "mover", indices)
                assert len(set(indices[:num_moves].tolist())) == num_moves, to_fen(pos)
                _assert_decodes(
                    moves[:num_moves],
                    indices[:num_moves].astype(np.int64),
                    is_black=black_to_move(pos),
                    orientation=orientation,
                )
                if num_positions % 16 == 0:
                    decoded = [index_to_move(pos, i, orientation) for i in indices[:num_moves]]
                    assert decoded == moves[:num_moves].tolist()
            num_positions += 1
            make_move(pos, np.uint16(uci_to_move(pos, move.uci())), pos)
        if num_positions >= 20_000:
            break
    assert num_positions >= 20_000


def test_every_legal_move_of_chess960_survives_the_round_trip() -> None:
    num_castlings = 0
    for fen, _ in perft_suite("perft_chess960.epd"):
        pos = from_fen(fen)
        moves = moves_of(pos)
        for orientation in get_args(Orientation):
            indices = [policy_index(pos, np.uint16(m), orientation == "mover") for m in moves]
            assert [index_to_move(pos, index, orientation) for index in indices] == moves
        num_castlings += sum(is_castling(pos, move) for move in moves)
    assert num_castlings >= 20


def test_indices_are_those_of_the_earlier_program() -> None:
    golden = json.loads((GOLDEN / "v2_move_indices.json").read_text())
    for fen, expected in golden.items():
        pos = from_fen(fen)
        got = {
            move_to_uci(pos, move): policy_index(pos, np.uint16(move), False)
            for move in moves_of(pos)
        }
        assert got == expected, fen
    assert len(golden) == 32


def test_mirrored_positions_have_the_same_indices_seen_from_the_mover() -> None:
    for fen, _ in [*perft_suite("perft_random.epd.gz")][:1_000]:
        board = chess.Board(fen, chess960=True)
        pos, mirrored = from_fen(fen), from_fen(board.mirror().fen())
        for move in board.legal_moves:
            word = move_word(move)
            turned = word ^ 56 ^ 56 << 6
            index = policy_index(pos, np.uint16(word), True)
            assert policy_index(mirrored, np.uint16(turned), True) == index


@pytest.mark.parametrize(
    ("fen", "text", "white", "mover"),
    [
        ("4k3/8/8/8/8/8/8/4K2R w K - 0 1", "e1g1", 4 * 73 + 15, 4 * 73 + 15),
        ("r3k3/8/8/8/8/8/8/4K3 b q - 0 1", "e8c8", 60 * 73 + 22, 4 * 73 + 22),
        ("4k3/8/8/8/8/8/8/5KR1 w G - 0 1", "f1g1", 5 * 73 + 14, 5 * 73 + 14),
        ("4k3/8/8/8/8/8/3p4/2N1NK2 b - - 0 1", "d2e1n", 11 * 73 + 65, 51 * 73 + 66),
        ("4k3/8/8/8/8/8/3p4/2N1NK2 b - - 0 1", "d2c1r", 11 * 73 + 72, 51 * 73 + 71),
        ("4k3/8/8/8/8/8/3p4/2N1NK2 b - - 0 1", "d2c1q", 11 * 73 + 49, 51 * 73 + 35),
    ],
)
def test_castlings_and_promotions_have_the_indices_of_the_page(
    fen: str, text: str, white: int, mover: int
) -> None:
    pos = from_fen(fen)
    move = uci_to_move(pos, text)
    assert policy_index(pos, np.uint16(move), False) == white
    assert policy_index(pos, np.uint16(move), True) == mover
    assert index_to_move(pos, white, "white") == index_to_move(pos, mover, "mover") == move


@pytest.mark.parametrize("index", [-1, 0, 4671, 4672, 100_000])
def test_an_index_without_a_legal_move_is_refused(index: int) -> None:
    with pytest.raises(ValueError, match=f"policy index {index} is no legal move in 'rnbq"):
        index_to_move(start_position(), index, "mover")
