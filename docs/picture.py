"""A terminal's screen, with its colour codes, as an SVG: every sign in the cell where it stands.

Rich and Textual leave the places to the font of whoever looks. Here a word begins at its own x, a
sign that fonts disagree about has one of its own, and the dots of curves are drawn, not written.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import SVG_EXPORT_THEME

FONT_PX = 14
CELL_W, CELL_H, BASELINE = 0.60205 * FONT_PX, 16.5, 12.9
"""Pixels. DejaVu Sans Mono is as wide, and its lines and blocks are as high."""
FONTS = "DejaVu Sans Mono, Menlo, Consolas, monospace"
MARGIN = 10
_WORD = re.compile(r"[!-~]+|[^ ]")
_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each bit of a sign of Braille."""


@dataclass(frozen=True)
class _Run:
    """Signs that stand together and look alike."""

    x: float
    y: float
    text: str
    style: Style

    @property
    def colours(self) -> tuple[str, str]:
        """Of the signs, and behind them."""
        fore, back = (
            (Color.default() if colour is None else colour).get_truecolor(SVG_EXPORT_THEME, is_fore)
            for colour, is_fore in ((self.style.color, True), (self.style.bgcolor, False))
        )
        return (back.hex, fore.hex) if self.style.reverse else (fore.hex, back.hex)


def svg(screen: str, columns: int, rows: int) -> str:
    """`screen` is what `tmux capture-pane -e -N` prints."""
    width, height = columns * CELL_W + 2 * MARGIN, rows * CELL_H + 2 * MARGIN
    runs = list(_runs(screen, columns))
    cells = Counter[str]()
    for run in runs:
        cells[run.colours[1]] += cell_len(run.text)
    frame = cells.most_common(1)[0][0]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.2f} {height:.2f}" font-family="{FONTS}" '
            f'font-size="{FONT_PX}">',
            f'<rect width="100%" height="100%" rx="8" fill="{frame}"/>',
            *(_ground(run) for run in _joined(runs) if run.colours[1] != frame),
            *(sign for run in runs for sign in _signs(run)),
            "</svg>\n",
        ]
    )


def _runs(screen: str, columns: int) -> Iterator[_Run]:
    console = Console(color_system="truecolor", force_terminal=True, width=columns)
    # One decoder: a colour goes on from line to line until another is set.
    for row, line in enumerate(AnsiDecoder().decode(screen)):
        column = 0
        for segment in line.render(console, end=""):
            style = segment.style or Style()
            yield _Run(MARGIN + column * CELL_W, MARGIN + row * CELL_H, segment.text, style)
            column += cell_len(segment.text)


def _joined(runs: list[_Run]) -> Iterator[_Run]:
    """Neighbours with the same colour behind them as one, so that no seam is seen."""
    for (_, _), same in groupby(runs, lambda run: (run.y, run.colours[1])):
        first, *others = same
        yield replace(first, text=first.text + "".join(run.text for run in others))


def _ground(run: _Run) -> str:
    width = cell_len(run.text) * CELL_W
    return (
        f'<rect x="{run.x:.2f}" y="{run.y:.2f}" width="{width:.2f}" height="{CELL_H}" '
        f'fill="{run.colours[1]}" shape-rendering="crispEdges"/>'
    )


def _signs(run: _Run) -> Iterator[str]:
    looks = f'fill="{run.colours[0]}"'
    looks += ' font-weight="bold"' if run.style.bold else ""
    looks += ' opacity="0.6"' if run.style.dim else ""
    dots = ""
    for word in _WORD.finditer(run.text.replace("\ufe0e", "")):
        x = run.x + cell_len(run.text[: word.start()]) * CELL_W
        text = word.group()
        if 0x2800 <= ord(text[0]) <= 0x28FF:
            dots += _braille(ord(text[0]) - 0x2800, x, run.y)
        else:
            place = f'x="{x:.2f}" y="{run.y + BASELINE:.2f}"'
            yield f"<text {place} {looks}>{html.escape(text)}</text>"
    if dots:
        yield f'<path d="{dots}" {looks}/>'


def _braille(bits: int, x: float, y: float) -> str:
    size = 2.2
    places = (_DOTS[bit] for bit in range(8) if bits >> bit & 1)
    return "".join(
        f"M{x + (c + 0.5) * CELL_W / 2 - size / 2:.1f} {y + (r + 0.5) * CELL_H / 4 - size / 2:.1f}"
        f"h{size}v{size}h-{size}z"
        for c, r in places
    )
