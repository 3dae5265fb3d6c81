"""White's win, draw and loss as figures and a bar of three shades; pure."""

from typing import Final

from rich.style import Style

from tui import format as fmt
from tui.glyphs import Glyphs
from tui.squares import Line

LONGEST_BAR: Final = 24


def value_bar(
    win: float, draw: float, loss: float, width: int, glyphs: Glyphs, *, dark: bool
) -> Line:
    """One line of at most `width` cells; `dark` is the theme's."""
    text = f"W {fmt.percent(win)} D {fmt.percent(draw)} L {fmt.percent(loss)} "
    room = min(LONGEST_BAR, max(0, width - len(text) - 1))
    total = max(win + draw + loss, 1e-9)
    white = round(room * win / total)
    black = round(room * loss / total)
    middle = room - white - black
    signs = "#=." if glyphs.ascii else "███"
    return [
        (text, Style(bold=True)),
        (signs[0] * white, Style(color="#e8eef4" if dark else "#b4c0cb")),
        (signs[1] * middle, Style(color="#7f8c99")),
        (signs[2] * black, Style(color="#3b4652")),
    ]
