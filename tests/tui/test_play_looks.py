"""How the play screen looks: goldens, sizes, marks with and without colour."""

import re

import chess
import pytest

from tests.tui.goldens import check_golden
from tests.tui.playtable import opened, table
from tui.sprites import SPRITES


@pytest.mark.parametrize(
    ("size", "ascii"),
    [((120, 40), False), ((80, 24), False), ((80, 24), True)],
    ids=["120x40", "80x24", "80x24-ascii"],
)
async def test_the_play_screen_looks_as_it_did(size: tuple[int, int], ascii: bool) -> None:
    async with table(size, ascii=ascii) as place:
        await opened(place)
        board = place.app.play.board
        board.cursor = chess.H5
        board.pick()
        await place.pilot.pause()
        name = f"play-{size[0]}x{size[1]}" + ("-ascii" if ascii else "")
        check_golden(name, place.seen)
        if ascii:
            assert "".join(place.seen.split("\n")).isascii()


async def test_every_size_of_terminal_and_of_board_is_drawn() -> None:
    async with table((200, 60)) as place:
        files = []
        for _ in range(4):
            files.append(next(x for x in place.seen.split("\n") if re.search(r"a +b +c +d", x)))
            await place.press("z")
        assert [line.index("b") - line.index("a") for line in files] == [6, 4, 3, 2]
        for size in ((60, 20), (20, 6), (1, 1), (120, 40)):
            await place.pilot.resize_terminal(*size)
            await place.pilot.pause()
        assert "network view" in place.seen


@pytest.fixture
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.usefixtures("_no_color")
async def test_marks_are_seen_without_colour() -> None:
    async with table((120, 40)) as place:
        await opened(place)
        assert re.search(r"\(.♞..\)", place.seen)
        place.app.play.board.cursor = chess.H5
        await place.press("enter")
        assert re.search(r"\[.♕..\]", place.seen)
        assert re.search(r"x.♟", place.seen)


async def test_check_is_said_beside_the_king_and_in_the_header() -> None:
    async with table(fen="4k3/8/8/8/8/8/8/K3R3 b - - 0 1", human=chess.BLACK) as place:
        assert "your move, check" in place.seen
        assert "♚+" in place.seen


async def test_the_largest_squares_have_drawn_pieces_where_there_are_colours() -> None:
    async with table((120, 40)) as place:
        assert place.seen.count("".join(SPRITES[chess.ROOK][1])) == 4
        await place.press("z")
        assert place.seen.count("♜") == 4
        await place.press("t")
        assert "".join(place.seen.split("\n")).isascii()
