"""Labels of the self-supervised tasks: equal to python-chess's, and to what a person would say."""

from collections.abc import Iterator
from typing import get_args

import chess
import chess.pgn
import numpy as np
import pytest

from model.config import Orientation
from model.rules import from_fen
from model.ssl.see import wins_exchange
from model.ssl.targets import NUM_LABELS, make_labels
from model.ssl.tasks import LABELS, OPEN_TASKS, TASKS
from tests.model.ssl.oracle import exchange, plain_labels
from tests.rules.oracle import DATA, perft_suite

ORIENTATIONS: tuple[Orientation, ...] = get_args(Orientation)


def squares_of(fen: str, row: str, label: int = 1, orientation: Orientation = "white") -> set[str]:
    """Names of the squares that carry `label` in a row, on a board that is not turned."""
    labels = make_labels(from_fen(fen)[None], orientation)[0, LABELS.index(row)]
    return {chess.square_name(square ^ 56) for square in np.flatnonzero(labels == label)}


def hard_boards() -> Iterator[chess.Board]:
    """Many captures, promotions and pins; kings of Chess960."""
    for suite in ("perft_tricky.epd", "perft_standard.epd", "perft_chess960.epd"):
        for fen, _ in perft_suite(suite):
            yield chess.Board(fen, chess960=True)


def random_boards(games: int, seed: int) -> Iterator[chess.Board]:
    """All positions of games of random moves, captures and promotions preferred now and then."""
    rng = np.random.default_rng(seed)
    for _ in range(games):
        board = chess.Board()
        for _ in range(150):
            moves = list(board.legal_moves)
            if not moves:
                break
            eager = [m for m in moves if m.promotion or board.is_capture(m)]
            chosen = eager if eager and rng.random() < 0.2 else moves
            board.push(chosen[rng.integers(len(chosen))])
            yield board


def assert_equal_to_python_chess(boards: Iterator[chess.Board]) -> int:
    """The number of boards compared, in turn seen from the mover and from White."""
    count = 0
    for count, board in enumerate(boards, 1):
        orientation = ORIENTATIONS[count % 2]
        got = make_labels(from_fen(board.fen())[None], orientation)[0]
        expected = plain_labels(board, orientation)
        if not np.array_equal(got, expected):
            row = LABELS[int((got != expected).any(axis=1).argmax())]
            pytest.fail(f"{row!r} differs, orientation {orientation}: {board.fen()}")
    return count


def test_tasks_share_out_the_rows_of_the_labels() -> None:
    rows = [row for task in TASKS for row in range(NUM_LABELS)[task.span]]
    assert rows == list(range(NUM_LABELS))
    assert [task.num_logits for task in TASKS] == [13, 2, 4, 2, 3]
    assert [task.name for task in OPEN_TASKS] == ["threat", "pin", "fork", "control"]


def test_labels_are_those_of_python_chess() -> None:
    assert assert_equal_to_python_chess(hard_boards()) > 100
    assert assert_equal_to_python_chess(random_boards(2, seed=1)) > 150


@pytest.mark.slow
def test_labels_of_fifty_thousand_positions_are_those_of_python_chess() -> None:
    count = assert_equal_to_python_chess(random_boards(320, seed=2))
    with (DATA / "games" / "lichess_2025-05_sample.pgn").open() as file:
        while (game := chess.pgn.read_game(file)) is not None and count < 50_000:
            count += assert_equal_to_python_chess(node.board() for node in game.mainline())
    assert count >= 50_000


def test_mirrored_boards_have_the_same_labels_seen_from_the_mover() -> None:
    boards = list(random_boards(3, seed=3))
    labels = make_labels(np.stack([from_fen(board.fen()) for board in boards]), "mover")
    mirrored = np.stack([from_fen(board.mirror().fen()) for board in boards])
    assert np.array_equal(make_labels(mirrored, "mover"), labels)


def test_mirrored_boards_have_mirrored_labels_seen_from_white() -> None:
    boards = list(random_boards(3, seed=3))
    labels = make_labels(np.stack([from_fen(board.fen()) for board in boards]), "white")
    mirrored = np.stack([from_fen(board.mirror().fen()) for board in boards])
    of_mirrored = make_labels(mirrored, "white").reshape(-1, NUM_LABELS, 8, 8)[:, :, ::-1]
    swapped = [LABELS.index(_other_side(name)) for name in LABELS]
    expected = labels[:, swapped].reshape(-1, NUM_LABELS, 8, 8).copy()
    for task in TASKS:
        if task.is_choice:
            sides = [task.classes.index(_other_side(name)) for name in task.classes]
            expected[:, task.span] = np.array(sides, np.uint8)[expected[:, task.span]]
    assert np.array_equal(of_mirrored, expected)


def _other_side(name: str) -> str:
    side, _, rest = name.partition(" ")
    return " ".join(filter(None, ({"own": "other", "other": "own"}.get(side, side), rest)))


def test_pawns_threaten_forwards_only() -> None:
    assert squares_of("4k3/8/8/3n4/4P3/8/8/4K3 w - - 0 1", "other piece is lost") == {"d5"}
    assert squares_of("4k3/8/4P3/3n4/8/8/8/4K3 w - - 0 1", "other piece is lost") == set()
    assert squares_of("4k3/8/8/4p3/3N4/8/8/4K3 w - - 0 1", "own piece is lost") == {"d4"}
    assert squares_of("4k3/8/8/3N4/4p3/8/8/4K3 w - - 0 1", "own piece is lost") == set()


def test_the_example_of_static_exchange_is_as_drawn() -> None:
    defended = "3r2k1/8/8/3N4/4P3/8/8/6K1 w - - 0 1"
    outnumbered = "3r2k1/8/2p5/3N4/4P3/8/8/6K1 w - - 0 1"
    assert squares_of(defended, "own piece is lost") == set()
    assert squares_of(outnumbered, "own piece is lost") == {"d5"}


def gain(board: chess.Board, square: int) -> int:
    """The most that capturing first wins by our kernel, 0 to 20 pawns."""
    color = board.color_at(square)
    pinned = sum(
        chess.BB_SQUARES[s] for s in board.piece_map() if board.is_pinned(board.color_at(s), s)
    )
    arguments = from_fen(board.fen()), np.uint64(square), color == chess.WHITE
    won = [
        at_least
        for at_least in range(1, 21)
        if wins_exchange(*arguments, at_least, np.uint64(pinned))
    ]
    assert won == list(range(1, len(won) + 1))
    return len(won)


@pytest.mark.parametrize(
    ("fen", "square", "expected"),
    [
        # The two examples of the Chess Programming Wiki: Rxe5 wins a pawn, Nxe5 loses a knight.
        ("1k1r4/1pp4p/p7/4p3/8/P5P1/1PP4P/2K1R3 w - - 0 1", "e5", 1),
        ("1k1r3q/1ppn3p/p4b2/4p3/8/P2N2P1/1PP1R1BP/2K1Q3 w - - 0 1", "e5", 0),
        # Of the common test suite: N - N + B - R + N, and B for N with the queen behind.
        ("1k1r4/1ppn3p/p4b2/4n3/8/P2N2P1/1PP1R1BP/2K1Q3 w - - 0 1", "e5", 1),
        ("4r1k1/5pp1/nbp4p/1p2p2q/1P2P1b1/1BP2N1P/1B2QPPK/3R4 b - - 0 1", "f3", 0),
        # A defender pinned to its king neither defends nor takes, but along the line of its pin.
        ("4k3/8/8/8/1b2r3/2N5/8/4K3 w - - 0 1", "e4", 0),
        ("4r1k1/4q3/8/3p4/8/8/4N3/4K1B1 b - - 0 1", "e2", 3),
        ("4q1k1/8/8/8/4R2n/8/8/4K3 w - - 0 1", "e8", 9),
        ("4q1k1/8/8/8/4R2n/8/8/4K3 w - - 0 1", "h4", 0),
        # The king takes what nobody defends, and only that.
        ("7k/8/8/8/8/8/4q3/4K3 w - - 0 1", "e2", 9),
        ("4r2k/8/8/8/8/8/4q3/4K3 w - - 0 1", "e2", 0),
        # A pawn that takes on the last rank is a queen: it wins 8 more, and can be lost as one.
        ("2n3k1/3P4/8/8/8/8/8/6K1 w - - 0 1", "c8", 11),
        ("r1n3k1/3P4/8/8/8/8/8/6K1 w - - 0 1", "c8", 2),
    ],
)
def test_exchanges_have_their_known_values(fen: str, square: str, expected: int) -> None:
    board = chess.Board(fen)
    assert exchange(board, chess.parse_square(square)) == expected
    assert gain(board, chess.parse_square(square)) == expected


def test_values_of_all_exchanges_are_those_of_python_chess() -> None:
    for board in (*list(hard_boards())[:150], *random_boards(1, seed=4)):
        for square, piece in board.piece_map().items():
            if piece.piece_type != chess.KING:
                assert gain(board, square) == min(20, exchange(board, square)), board.fen()


def test_pins_to_the_king_and_to_another_piece_are_told_apart() -> None:
    to_king, to_other = "own piece is pinned to its king", "own piece is pinned to another"
    bishop_pins_knight = "4k3/8/8/8/1b6/2N5/8/4K3 w - - 0 1"
    assert squares_of(bishop_pins_knight, to_king) == {"c3"}
    assert squares_of(bishop_pins_knight, to_other) == set()
    queen_behind = "4k3/8/8/6b1/8/4N3/3Q4/6K1 w - - 0 1"
    assert squares_of(queen_behind, to_king) == set()
    assert squares_of(queen_behind, to_other) == {"e3"}
    two_in_the_way = "4k3/8/8/8/1b6/2N5/3P4/4K3 w - - 0 1"
    assert squares_of(two_in_the_way, to_king) == set()
    defended_rook_behind = "3rk3/8/8/8/3N4/8/3R4/3K4 w - - 0 1"
    assert squares_of(defended_rook_behind, to_other) == set()
    loose_rook_behind = "3rk3/8/8/8/3N4/8/3R4/6K1 w - - 0 1"
    assert squares_of(loose_rook_behind, to_other) == {"d4"}


def test_a_fork_strikes_two_that_are_dearer_or_have_no_defender() -> None:
    row = "own piece forks"
    assert squares_of("r3k3/2N5/8/8/8/8/8/4K3 b - - 0 1", row) == {"c7"}
    assert squares_of("4k3/8/8/2n1n3/3P4/8/8/4K3 w - - 0 1", row) == {"d4"}
    one_defended_equal = "4k3/2p5/1p1n4/8/4N3/8/8/4K3 w - - 0 1"
    assert squares_of(one_defended_equal, row) == set()
    two_loose_pawns = "4k3/8/2p5/8/2Q2p2/8/8/4K3 w - - 0 1"
    assert squares_of(two_loose_pawns, row) == {"c4"}


def test_control_goes_to_the_side_with_more_attackers() -> None:
    start = chess.STARTING_FEN
    ranks = {rank: {f"{file}{rank}" for file in "abcdefgh"} for rank in range(1, 9)}
    corners = {"a1", "h1", "a8", "h8"}
    assert squares_of(start, "control", 1) == (ranks[1] | ranks[2] | ranks[3]) - corners
    assert squares_of(start, "control", 2) == (ranks[6] | ranks[7] | ranks[8]) - corners
    assert squares_of(start, "control", 0) == ranks[4] | ranks[5] | corners
    one_each = "4k3/8/8/3p4/8/8/2P5/4K3 w - - 0 1"
    assert "c4" in squares_of("4k3/8/8/3p4/8/3P4/8/4K3 w - - 0 1", "control", 0)
    assert "b3" in squares_of(one_each, "control", 1)


@pytest.mark.parametrize(
    "positions",
    [np.zeros(8, np.uint64), np.zeros((2, 7), np.uint64), np.zeros((2, 8), np.int64)],
)
def test_misshapen_positions_are_refused(positions: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint64\[N, 8\]"):
        make_labels(positions, "mover")
