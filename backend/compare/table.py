"""Best and final values of runs as rows of text, with the one that is ahead and by how much."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from backend import wording
from backend.compare.side import Side

LETTERS: Final = "ABCDEF"
"""Runs in the order in which they were marked; the first is the reference."""


@dataclass(frozen=True)
class Row:
    name: str
    cells: list[str]
    """One for each run."""
    leader: str
    """Letter of the one ahead and its lead over the reference, or over the next if it is that."""


@dataclass(frozen=True)
class _Quantity:
    name: str
    value: Callable[[Side], float | None]
    text: Callable[[Side], str]
    lower_is_better: bool = False
    in_elo: bool = False


def table(sides: Sequence[Side]) -> list[Row]:
    """What no run has is left out."""
    rows = [_row(quantity, sides) for quantity in _quantities(sides)]
    return [row for row in rows if any(cell != wording.DASH for cell in row.cells)]


def _quantities(sides: Sequence[Side]) -> list[_Quantity]:
    anchors = {side.rating.anchor for side in sides if side.rating is not None}
    anchor = f"Elo vs {anchors.pop()}" if len(anchors) == 1 else "Elo of the best"
    comparable = len(anchors) == 0
    return [
        _loss("policy loss", "policy_loss"),
        _loss("value loss", "value_loss"),
        _Quantity(
            anchor,
            lambda s: s.rating.elo if s.rating and comparable else None,
            lambda s: wording.elo(*s.rating[:3]) if s.rating else wording.DASH,
            in_elo=True,
        ),
        _number("s / step", lambda s: s.step_s, "{:.3g}", lower_is_better=True),
        _number("samples / s", _samples_per_s, "{:,.0f}"),
        _number("positions / s", lambda s: _rate(s.positions, s), "{:.3g}"),
        _number("games / h", lambda s: _rate(3600 * s.games, s), "{:,.0f}"),
        _number("peak memory GiB", _peak_gib, "{:.2f}", lower_is_better=True),
        _count("games", lambda s: s.games),
        _count("step", lambda s: s.run.step),
        _count("cycles", lambda s: s.run.cycle),
        _plain("at work", lambda s: wording.duration(s.work.total_s) if s.work.total_s else ""),
        _plain("disk MiB", lambda s: f"{s.run.size_bytes / 2**20:,.0f}"),
    ]


def _loss(name: str, metric: str) -> _Quantity:
    def text(side: Side) -> str:
        reached = side.reached.get(metric)
        if reached is None:
            return wording.DASH
        return f"{wording.loss(reached.final)} ({wording.loss(reached.best)})"

    def final(side: Side) -> float | None:
        return side.reached[metric].final if metric in side.reached else None

    return _Quantity(name, final, text, lower_is_better=True)


def _number(
    name: str, value: Callable[[Side], float | None], form: str, *, lower_is_better: bool = False
) -> _Quantity:
    def text(side: Side) -> str:
        known = value(side)
        return wording.DASH if known is None else form.format(known)

    return _Quantity(name, value, text, lower_is_better=lower_is_better)


def _count(name: str, value: Callable[[Side], int]) -> _Quantity:
    return _plain(name, lambda s: wording.count(value(s)) if value(s) else "")


def _plain(name: str, text: Callable[[Side], str]) -> _Quantity:
    return _Quantity(name, lambda s: None, lambda s: text(s) or wording.DASH)


def _samples_per_s(side: Side) -> float | None:
    reached = side.reached.get("samples_per_s")
    return None if reached is None else reached.final


def _peak_gib(side: Side) -> float | None:
    reached = side.reached.get("memory_mib")
    return None if reached is None else reached.highest / 1024


def _rate(number: float, side: Side) -> float | None:
    return number / side.work.total_s if number and side.work.total_s else None


def _row(quantity: _Quantity, sides: Sequence[Side]) -> Row:
    cells = [quantity.text(side) for side in sides]
    known = {
        LETTERS[i]: value
        for i, side in enumerate(sides)
        if (value := quantity.value(side)) is not None and math.isfinite(value)
    }
    return Row(quantity.name, cells, _leader(quantity, known))


def _leader(quantity: _Quantity, known: dict[str, float]) -> str:
    if len(known) < 2:
        return ""
    order = sorted(known, key=lambda k: known[k], reverse=not quantity.lower_is_better)
    first = order[0]
    other = order[1] if first == LETTERS[0] or LETTERS[0] not in known else LETTERS[0]
    lead = known[first] - known[other]
    if math.isclose(known[first], known[other], rel_tol=1e-9):
        return ""
    if quantity.in_elo:
        return f"{first} {lead:+.0f}"
    return f"{first} {100 * lead / abs(known[other]):+.1f}%" if known[other] else first


def printed(columns: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Columns of cells as lines; the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for cells in zip(*columns, strict=True):
        texts = [
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append(gap.join(texts).rstrip())
    return lines
