"""What the screens look like in colour: every word can be read, and nothing changes unseen."""

from collections.abc import Iterator

import pytest
from rich.style import Style
from textual.pilot import Pilot

from backend.state import RunState
from tests.tui.conftest import FakeLink, draw, screen
from tests.tui.goldens import check_golden
from tests.tui.test_themes import contrast
from tui.app import ControlCentre

TOUR = (
    (),
    ("i",),
    ("6",),
    ("4",),
    ("z", "h"),
    ("escape", "escape", "t"),
    ("escape", "question_mark"),
)
TOUR += (("escape", "Q"), ("n", "right", "right", "right", "right"))
"""Keys from one screen to the next."""
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def runs(app: ControlCentre) -> Iterator[tuple[int, int, str, Style]]:
    """Row, column, text and style of all that is on screen."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    for row, strip in enumerate(update.strips):  # type: ignore[union-attr]
        column = 0
        for text, style, _ in [segment for part in strip for segment in part]:
            yield row, column, text, style or Style()
            column += len(text)


def colours(style: Style) -> tuple[str, str]:
    fore, back = (
        "" if colour is None else colour.get_truecolor().hex
        for colour in (style.color, style.bgcolor)
    )
    return (back, fore) if style.reverse else (fore, back)


def unreadable(app: ControlCentre) -> list[str]:
    """Words of the topmost screen that stand out too little from what is behind them."""
    pages = app.screen.query(".page")  # Around one of them all is dimmed.
    top = pages.first().region if pages else app.screen.region
    found = []
    for row, column, text, style in runs(app):
        if not any(char.isalnum() for char in text) or not top.contains(column, row):
            continue
        fore, back = colours(style)
        if (ratio := contrast(fore, back)) < 4.5:
            found.append(f"{text.strip()!r} at {column},{row}: {fore} on {back} is {ratio:.1f}")
    return found


def map_of(app: ControlCentre, width: int) -> str:
    """A letter for every pair of colours, where it is on screen, and what each stands for."""
    known: dict[tuple[str, str], str] = {}
    rows: dict[int, str] = {}
    for row, column, text, style in runs(app):
        pair = colours(style)
        if not text.strip():
            pair = ("", pair[1])
        letter = known.setdefault(pair, LETTERS[len(known)])
        rows[row] = rows.get(row, "").ljust(column) + letter * len(text)
    legend = [f"{letter} {fore or 'blank':7} on {back}" for (fore, back), letter in known.items()]
    return "\n".join([*(line[:width] for line in rows.values()), *legend, ""])


async def settle(app: ControlCentre, pilot: Pilot[int], light: bool) -> None:
    app.animation_level = "none"
    if light:
        await pilot.press("T")
    await draw(app, pilot)


@pytest.mark.parametrize("theme", ["dark", pytest.param("light", marks=pytest.mark.slow)])
async def test_every_word_on_every_screen_can_be_read(rich: RunState, theme: str) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        await settle(app, pilot, theme == "light")
        assert app.theme == f"matrix0-{theme}"
        check_golden(f"colours-120x40-{theme}", map_of(app, 120))
        for keys in TOUR:
            await pilot.press(*keys)
            await draw(app, pilot)
            assert unreadable(app) == [], keys
