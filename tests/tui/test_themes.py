"""Both themes can be read: WCAG contrast of at least 4.5 to 1 for everything that is text."""

import pytest
from textual.color import Color

from tui import themes
from tui.grid import ROLES

SERIES = tuple(role for role in ROLES if role.startswith("series-"))
TEXT = (*SERIES, "good", "attention", "bad", "best", "muted", "foreground", "primary", "accent")


def luminance(colour: Color) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted(luminance(Color.parse(c)) for c in (a, b))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [themes.DARK, themes.LIGHT], ids=lambda t: t.name)
@pytest.mark.parametrize("name", TEXT)
def test_text_stands_out_from_the_background_and_from_the_bars(
    theme: themes.Theme, name: str
) -> None:
    text = theme.variables.get(name) or getattr(theme, name)
    for ground in (theme.background, theme.surface, theme.panel):
        assert ground is not None
        assert contrast(text, ground) >= 4.5


@pytest.mark.parametrize("theme", [themes.DARK, themes.LIGHT], ids=lambda t: t.name)
def test_the_row_under_the_cursor_can_be_read(theme: themes.Theme) -> None:
    for name in ("foreground", "good", "attention", "bad", "best", "muted", "accent"):
        text = theme.variables.get(name) or getattr(theme, name)
        assert contrast(text, theme.variables["cursor"]) >= 4.5, name


def test_both_themes_have_the_same_variables() -> None:
    assert themes.DARK.variables.keys() == themes.LIGHT.variables.keys()
