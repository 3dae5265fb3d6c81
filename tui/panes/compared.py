"""The texts of the compare screen: values, settings, events of several runs."""

import math
from collections.abc import Sequence

from textual.content import Content

from backend.compare.happenings import Kind
from backend.compare.settings import differences
from backend.compare.side import Side
from backend.compare.table import LETTERS, table
from tui import format as fmt
from tui.comparing import Comparison
from tui.glyphs import Glyphs
from tui.plot import series_role
from tui.viewport import Axis

MARGIN = 1
GAP = 2


def table_text(comparison: Comparison, width: int, glyphs: Glyphs) -> list[Content]:
    """What could not be read, then a heading and a line for each quantity."""
    sides = comparison.sides
    rows = [[row.name, *row.cells, row.leader] for row in table(sides)] if sides else []
    heads = ["", *_names(sides), "ahead"]
    lines = []
    for letter, side in zip(LETTERS, sides, strict=False):
        if side.problem:
            text = f" {letter} {fmt.line(side.run.name)}: {side.problem}"
            lines.append(Content.assemble((text, "$attention")))
    unread = [marked.path.name for marked in comparison.marked if marked.side is None]
    if unread:
        text = f" reading {', '.join(unread)}"
        lines.append(Content.assemble((fmt.line(text), "$muted")))
    if rows and _width([heads, *rows]) > width:  # Without the best values there is more room.
        rows = [[cell.split(" (")[0] for cell in row] for row in rows]
    if rows:
        lines += _laid([heads, *rows], width, len(sides), glyphs)
    if not lines:
        text = " mark runs with space; the first is the reference"
        lines = [Content.assemble((text, "$muted"))]
    return lines


def settings_text(sides: Sequence[Side], width: int, glyphs: Glyphs) -> list[Content]:
    if len(sides) < 2:
        return [Content.assemble((" mark a second run to see what was set otherwise", "$muted"))]
    rows = [[key, *values] for key, values in differences([side.settings for side in sides])]
    if not rows:
        return [Content.assemble((" no setting differs", "$muted"))]
    return _laid([["", *_names(sides)], *rows], width, len(sides), glyphs)


def events_text(
    comparison: Comparison, axis: Axis, cursor: float | None, glyphs: Glyphs
) -> tuple[list[Content], int | None]:
    """A line for each event, and the number of the one nearest to the cursor."""
    found = comparison.happenings(axis)
    places = [_place(x, axis, glyphs) for x, _, _ in found]
    room = max(map(len, places), default=0)
    near = None
    if cursor is not None and found:
        far = [abs(x - cursor) if math.isfinite(x) else math.inf for x, _, _ in found]
        near = far.index(min(far))
    lines = []
    for i, (place, (_, letter, happening)) in enumerate(zip(places, found, strict=True)):
        sign, style = _sign(happening.kind, glyphs)
        role = series_role(LETTERS.index(letter))
        pointer = glyphs.selected if i == near else " "
        lines.append(
            Content.assemble(
                (f"{pointer}{place.rjust(room)}  ", "bold $accent" if i == near else "$muted"),
                (f"{letter} ", f"bold ${role}"),
                (f"{sign} ", style),
                (fmt.signs(happening.text, glyphs), "bold" if i == near else ""),
            )
        )
    if not lines:
        what = "nothing is recorded of the marked runs"
        text = what if comparison.marked else "what happened in the marked runs comes here"
        lines = [Content.assemble((f" {text}", "$muted"))]
    return lines, near


def _place(x: float, axis: Axis, glyphs: Glyphs) -> str:
    if math.isnan(x):
        return glyphs.dash
    return fmt.duration(x, glyphs) if axis == "elapsed" else f"{axis} {fmt.count(x)}"


def _sign(kind: Kind, glyphs: Glyphs) -> tuple[str, str]:
    match kind:
        case "best":
            return glyphs.best, "bold $best"
        case "missing":
            return glyphs.failed, "bold $bad"
        case "alert":
            return "!", "bold $attention"
        case "decision" | "checkpoint":
            return glyphs.middle_dot, ""
        case _:
            return glyphs.selected, "$muted"


def _names(sides: Sequence[Side]) -> list[str]:
    return [
        f"{letter} {fmt.line(side.run.name)}" for letter, side in zip(LETTERS, sides, strict=False)
    ]


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Cells that the rows need in full."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return sum(widths) + GAP * (len(widths) - 1) + MARGIN


def _laid(
    rows: Sequence[Sequence[str]], width: int, num_sides: int, glyphs: Glyphs
) -> list[Content]:
    """Rows as lines of at most `width` cells; the columns of runs share what there is."""
    rows = [[fmt.signs(cell, glyphs) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    over = _width(rows) - width
    while over > 0 and max(widths) > 4:
        widest = widths.index(max(widths))
        widths[widest] -= 1
        over -= 1
    lines = []
    for number, row in enumerate(rows):
        parts: list[str | tuple[str, str]] = [" " * MARGIN]
        for i, (cell, room) in enumerate(zip(row, widths, strict=True)):
            text = fmt.fit(cell, min(room, len(cell)), glyphs)
            text = text.ljust(room) if i == 0 else text.rjust(room)
            style = "" if number else "$muted"
            if 0 < i <= num_sides and not number:
                style = f"bold ${series_role(i - 1)}"
            elif i == 0 and number:
                style = "$muted"
            parts += [" " * GAP * bool(i), (text, style)]
        lines.append(Content.assemble(*parts))
    return lines
