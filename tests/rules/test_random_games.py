"""Random games against python-chess: moves, FEN, checks, repetitions and outcome at every ply."""

from collections import Counter

import chess
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.rules import Outcome
from tests.rules.oracle import perft_suite, walk

STARTS = [
    chess.STARTING_FEN,
    *(fen for fen, _ in perft_suite("perft_tricky.epd")),
    *(fen for fen, _ in perft_suite("perft_standard.epd")),
    *(fen for fen, _ in perft_suite("perft_chess960.epd")),
    *(fen for fen, _ in perft_suite("perft_random.epd.gz")),
    # Near the fifty-move limit, with material that lasts and material that goes.
    "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 90 120",
    "4k3/8/8/1n6/8/8/1P3B2/4K3 b - - 97 80",
    # En passant that is, and is not, a legal move.
    "8/8/8/8/k2Pp2Q/8/8/3K4 b - d3 0 1",
    "8/8/8/6k1/4Pp2/8/8/K7 b - e3 0 1",
    "8/2p5/3p4/KP5r/1R3p1k/8/4P1P1/8 w - - 0 1",
    # Rook and king change places; the rook shields the king; the king stays where it is.
    "4k3/8/8/8/8/8/8/qRK5 w B - 0 1",
    "5krn/8/8/8/8/8/8/RK6 w Ag - 0 1",
    "4k3/8/8/8/8/8/8/1RK3R1 w BG - 0 1",
]
SPECIAL = STARTS[-8:]


def _walk_games(num_games: int, *, ask_board_for_repetitions: bool) -> Counter[Outcome]:
    total: Counter[Outcome] = Counter()

    @settings(
        max_examples=num_games,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(
        fen=st.one_of(st.sampled_from(SPECIAL), st.sampled_from(STARTS)),
        choices=st.binary(min_size=40, max_size=90),
    )
    def play(fen: str, choices: bytes) -> None:
        total.update(walk(fen, choices, ask_board_for_repetitions=ask_board_for_repetitions))

    play()
    return total


def test_random_games_agree_with_python_chess_at_every_ply() -> None:
    total = _walk_games(150, ask_board_for_repetitions=True)
    assert total.total() >= 5_000


@pytest.mark.slow
def test_many_random_games_agree_with_python_chess_at_every_ply() -> None:
    total: Counter[Outcome] = Counter()
    while total.total() < 200_000:
        total += _walk_games(1_000, ask_board_for_repetitions=False)
    assert set(total) == set(Outcome), "some outcome never came up"


@pytest.mark.parametrize("fen", SPECIAL)
def test_games_from_special_positions_agree_with_python_chess(fen: str) -> None:
    walk(fen, bytes(range(0, 250, 5)), ask_board_for_repetitions=True)
