"""The tables of `docs/encoding.md` say what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from model.encoding import KNOWLEDGE_PLANES, PLANES, num_planes, policy_index
from model.encoding.moves import KNIGHT_STEPS, NUM_MOVES, RAYS
from model.rules import from_fen, position, uci_to_move
from model.ssl.see import VALUES
from model.ssl.tasks import LABELS, TASKS

PAGE = Path(__file__).parents[2] / "docs" / "encoding.md"
STATE_FEN = "4k2r/8/8/2pPp3/8/8/8/R3K3 w Qk e6 17 300"


def _rows(first_header: str, second_header: str) -> Iterator[list[str]]:
    """Cells of the table with these headers."""
    text = PAGE.read_text()
    table = text[text.index(f"| {first_header} | {second_header} |") :].split("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def _numbers(cell: str) -> range:
    first, _, last = cell.partition("\N{EN DASH}")
    return range(int(first), int(last or first) + 1)


def test_words_of_a_position_are_named_in_order() -> None:
    pos = from_fen("4k3/1p6/2n5/3b4/4R3/5q2/8/4K3 b - - 0 1")
    names = [row[1] for row in _rows("word", "holds")]
    assert [name.split()[0] for name in names[:6]] == [
        "pawns", "knights", "bishops", "rooks", "queens", "kings",
    ]  # fmt: skip
    squares = ((49,), (42,), (35,), (28,), (21,), (4, 60), (4, 28))
    for word, members in enumerate(squares):
        assert int(pos[word]) == sum(1 << square for square in members)


def test_fields_of_the_state_word_lie_where_the_page_says() -> None:
    fields = {row[1]: _numbers(row[0]) for row in _rows("bits", "field")}
    pos = position.with_repetitions(from_fen(STATE_FEN), 2)
    state = int(pos[7])
    expected = {
        "side to move": 0,
        "castling rights": 0b0110,
        "en passant": 5,
        "halfmove clock": 17,
        "repetitions": 2,
        "move number": 300,
        "rook files": 0 << 3 | 7 << 6,
    }
    got = {name: state >> bits.start & ((1 << len(bits)) - 1) for name, bits in fields.items()}
    assert got == expected
    assert max(bits.stop for bits in fields.values()) == 44
    assert state >> 44 == 0
    assert {bit for bits in fields.values() for bit in bits} == set(range(44))


def test_planes_are_those_of_the_table() -> None:
    rows = list(_rows("plane", "content"))
    assert [int(row[0]) for row in rows] == list(range(num_planes(knowledge=True)))
    assert tuple(row[1] for row in rows) == PLANES + KNOWLEDGE_PLANES


def test_offsets_are_those_of_the_table() -> None:
    ways = {offset: row for row in _rows("offsets", "way") for offset in _numbers(row[0])}
    assert sorted(ways) == list(range(NUM_MOVES // 64))
    for number, (name, step) in enumerate(RAYS.items()):
        for offset in range(7 * number, 7 * number + 7):
            assert ways[offset][1] == f"{name}, 1 to 7 steps"
            assert _step(ways[offset][2]) == step
    for number, step in enumerate(KNIGHT_STEPS):
        assert ways[56 + number][1] == "knight"
        assert _step(ways[56 + number][2]) == step


def test_under_promotions_are_those_of_the_table() -> None:
    pos = from_fen("2n1n1k1/3P4/8/8/8/8/8/4K3 w - - 0 1")
    letters = {"knight": "n", "bishop": "b", "rook": "r"}
    for row in list(_rows("offsets", "way"))[16:]:
        ranks, files = _step(row[2])
        target = f"{'abcdefgh'[3 + files]}{7 + ranks}"
        move = uci_to_move(pos, f"d7{target}{letters[row[1].split()[-1]]}")
        for mover_orientation in (False, True):
            index = policy_index(pos, np.uint16(move), mover_orientation)
            assert index == 51 * 73 + int(row[0])


def test_labels_are_those_of_the_table() -> None:
    rows = list(_rows("row", "label"))
    assert [int(row[0]) for row in rows] == list(range(len(LABELS)))
    assert [(row[1], row[2]) for row in rows] == [(r, t.name) for t in TASKS for r in t.rows]
    for number, _, task_name, values in rows:
        task = next(task for task in TASKS if task.name == task_name)
        assert range(len(LABELS))[task.span].count(int(number)) == 1
        if not task.is_choice:
            assert values == "0, 1"
    control = TASKS[-1]
    assert rows[-1][3] == ", ".join(f"{n} {name}" for n, name in enumerate(control.classes))
    kinds = [name.split()[-1] for name in TASKS[0].classes]
    assert kinds == ["empty", *("pawn", "knight", "bishop", "rook", "queen", "king") * 2]
    assert (
        rows[0][3] == "0 empty, 1\N{EN DASH}6 own pawn to king, 7\N{EN DASH}12 other pawn to king"
    )


def test_values_of_pieces_are_those_of_the_table() -> None:
    rows = list(_rows("kind", "worth"))
    assert [row[0] for row in rows] == [name.split()[-1] for name in TASKS[0].classes[1:7]]
    assert [int(row[1]) for row in rows] == VALUES.tolist()


def _step(cell: str) -> tuple[int, int]:
    ranks, files = re.fullmatch(r"([+-]?\d), ([+-]?\d)", cell).groups()
    return int(ranks), int(files)
