"""How the dashboard looks: goldens of three sizes, ASCII, no colour, themes, resizing."""

import pytest

from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import FakeLink, draw, screen
from tests.tui.goldens import check_golden
from tests.tui.plain import plain


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (200, 60)], ids=lambda s: f"{s[0]}x{s[1]}")
async def test_the_dashboard_looks_as_it_did(rich: RunState, size: tuple[int, int]) -> None:
    async with screen(FakeLink(rich), size) as (app, _):
        check_golden(f"dashboard-{size[0]}x{size[1]}", plain(app).text)


async def test_a_running_match_shows_score_pairs_and_how_far_its_test_is(rich: RunState) -> None:
    link = FakeLink(scenario.fold_all(scenario.running_match(rich.now), rich))
    async with screen(link) as (app, _):
        check_golden("match-120x40", plain(app).text)


OTHER_SIZES = (
    (120, 40),
    pytest.param((80, 24), marks=pytest.mark.slow),
    pytest.param((200, 60), marks=pytest.mark.slow),
)


@pytest.mark.parametrize("size", OTHER_SIZES, ids=str)
async def test_the_ascii_dashboard_looks_as_it_did_and_is_ascii(
    rich: RunState, size: tuple[int, int]
) -> None:
    async with screen(FakeLink(rich), size, ascii=True) as (app, _):
        text = plain(app).text
        check_golden(f"dashboard-{size[0]}x{size[1]}-ascii", text)
        # Textual draws the thumb of a scrollbar itself, in blocks.
        assert {char for char in text if not char.isascii()} <= set("▁▂▃▄▅▆▇█")


async def test_the_end_of_a_run_is_shown_with_its_cycles() -> None:
    async with screen(FakeLink(scenario.stopped_state())) as (app, pilot):
        await draw(app, pilot)
        check_golden("stopped-120x40", plain(app).text)
        await pilot.press("q")
        await pilot.pause()
        assert app.return_value == 0


async def test_the_cycles_of_a_run_fit_a_small_terminal(rich: RunState) -> None:
    async with screen(FakeLink(rich), (80, 24)) as (app, pilot):
        await pilot.press("t")
        await draw(app, pilot)
        check_golden("cycles-80x24", plain(app).text)


async def test_resizing_never_raises_and_every_size_is_filled(rich: RunState) -> None:
    sizes = [(60, 20), (20, 6), (1, 1), (110, 34), (200, 60)]
    async with screen(FakeLink(rich), (200, 60)) as (app, pilot):
        first = plain(app).text
        for width, height in sizes:
            await pilot.resize_terminal(width, height)
            await draw(app, pilot)
            assert app.is_running
        assert plain(app).text == first


@pytest.fixture
def _no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.usefixtures("_no_color")
@pytest.mark.parametrize(
    "size",
    [(120, 40), *(pytest.param(size, marks=pytest.mark.slow) for size in ((80, 24), (200, 60)))],
    ids=str,
)
async def test_it_works_without_colour(rich: RunState, size: tuple[int, int]) -> None:
    async with screen(FakeLink(rich), size) as (app, pilot):
        assert app.no_color
        check_golden(f"dashboard-{size[0]}x{size[1]}-no-color", plain(app).text)
        for key in ("2", "4", "5", "6", "z", "question_mark", "escape", "z", "3"):
            await pilot.press(key)
        await draw(app, pilot)
        seen = plain(app)
        assert "♔" in seen
        assert "♚" in seen
        assert "[" in seen


async def test_both_themes_and_a_foreign_one_draw(rich: RunState) -> None:
    async with screen(FakeLink(rich)) as (app, pilot):
        before = plain(app).text
        await pilot.press("T")
        await draw(app, pilot)
        assert app.theme == "matrix0-light"
        assert plain(app).text == before
        for theme in ("nord", "ansi-dark"):
            app.theme = theme
            await draw(app, pilot)
            assert plain(app).text == before
