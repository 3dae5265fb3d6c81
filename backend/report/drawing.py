"""Curves, ratings and boards as SVG. Each line has a dash of its own besides its colour."""

import base64
from collections.abc import Mapping
from html import escape
from typing import Final

import chess
import chess.svg
import numpy as np
from numpy.typing import NDArray

from backend.evaluation.standings import Standings
from backend.report.facts import Points

COLUMNS: Final = 320
"""Buckets of steps; of a longer curve each shows lowest, highest and mean reading."""
_WIDTH: Final = 640
_HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 12, 24, 26
_INKS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES: Final = ("", "7 3", "2 3", "9 3 2 3", "4 4", "1 2")
_ROW: Final = 20
_MOST_PLAYERS: Final = 30

Array = NDArray[np.float64]


def decimate(steps: Array, values: Array, columns: int) -> tuple[Array, Array, Array, Array]:
    """(mean step, lowest, highest, mean value) of at most `columns` buckets of equal step ranges:
    no outlier is lost."""
    if len(steps) <= columns:
        return steps, values, values, values
    edges = np.linspace(steps[0], steps[-1], columns + 1)[:-1]
    first = np.unique(np.searchsorted(steps, edges))
    first = first[first < len(steps)]
    counts = np.diff(np.append(first, len(steps)))
    return (
        np.add.reduceat(steps, first) / counts,
        np.minimum.reduceat(values, first),
        np.maximum.reduceat(values, first),
        np.add.reduceat(values, first) / counts,
    )


def chart(title: str, curves: Mapping[str, Points]) -> str:
    """Curves by their labels over steps; the band holds every reading, the line is the mean."""
    parts = {label: decimate(*points, COLUMNS) for label, points in curves.items()}
    low = min(float(part[1].min()) for part in parts.values())
    high = max(float(part[2].max()) for part in parts.values())
    if high == low:
        low, high = low - 0.5, high + 0.5
    start = min(float(part[0][0]) for part in parts.values())
    end = max(max(float(part[0][-1]) for part in parts.values()), start + 1)

    def x(steps: Array) -> Array:
        inside: Array = _LEFT + (steps - start) / (end - start) * (_WIDTH - _LEFT - _RIGHT)
        return inside

    def y(values: Array) -> Array:
        inside: Array = _TOP + (high - values) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
        return inside

    lines = [_open(_WIDTH, _HEIGHT, title), _text(_LEFT, 15, title, "start", "bold")]
    for number in range(5):
        level = low + (high - low) * number / 4
        at = float(y(np.array([level]))[0])
        lines.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>')
        lines.append(_text(_LEFT - 6, at + 4, f"{level:.4g}", "end"))
        step = start + (end - start) * number / 4
        anchor = "end" if number == 4 else "middle"
        lines.append(_text(float(x(np.array([step]))[0]), _HEIGHT - 8, f"{step:,.0f}", anchor))
    for number, (label, (steps, lowest, highest, mean)) in enumerate(parts.items()):
        ink, dash = _INKS[number % len(_INKS)], _DASHES[number % len(_DASHES)]
        band = _path(x(steps), y(highest)) + _path(x(steps[::-1]), y(lowest[::-1]), "L") + "Z"
        lines.append(f'<path fill="{ink}" opacity="0.2" d="{band}"/>')
        stroke = f'fill="none" stroke="{ink}" stroke-width="1.5" stroke-dasharray="{dash}"'
        lines.append(f'<path {stroke} d="{_path(x(steps), y(mean))}"/>')
        if len(parts) > 1:
            right = _WIDTH - _RIGHT - 90 * (len(parts) - 1 - number)
            lines.append(f'<path {stroke} d="M{right - 86} 11h18"/>')
            lines.append(_text(right - 64, 15, label, "start"))
    return "".join([*lines, "</svg>"])


def ladder(standings: Standings) -> str:
    """The strongest players with the 95 % interval of their rating, and the anchor at 0."""
    rows = standings.rows[:_MOST_PLAYERS]
    low = min(0.0, *(row.low for row in rows))
    high = max(0.0, *(row.high for row in rows))
    left, right = 190, 70
    scale = (_WIDTH - left - right) / max(1.0, high - low)
    height = _ROW * len(rows) + 8
    zero = left - low * scale
    lines = [_open(_WIDTH, height, "Ratings"), f'<path class="grid" d="M{zero:.1f} 0V{height}"/>']
    for number, row in enumerate(rows):
        middle = _ROW * number + _ROW / 2 + 4
        begin, dot, end = (left + (value - low) * scale for value in (row.low, row.elo, row.high))
        lines.append(_text(left - 8, middle + 4, row.player.name[:26], "end"))
        lines.append(
            f'<path stroke="{_INKS[0]}" stroke-width="2" d="M{begin:.1f} {middle}H{end:.1f}"/>'
        )
        lines.append(f'<circle fill="{_INKS[0]}" r="4" cx="{dot:.1f}" cy="{middle}"/>')
        lines.append(_text(_WIDTH - 4, middle + 4, f"{row.elo:+z.0f}", "end"))
    return "".join([*lines, "</svg>"])


def board(position: chess.Board, size: int = 240) -> str:
    """The position with its last move marked, as the address of a picture that it contains."""
    last = position.peek() if position.move_stack else None
    drawn = chess.svg.board(position, lastmove=last, size=size)
    return "data:image/svg+xml;base64," + base64.b64encode(drawn.encode()).decode()


def _open(width: int, height: int, title: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'


def _text(x: float, y: float, text: str, anchor: str, weight: str = "normal") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
    return f"<text {place}>{escape(text)}</text>"


def _path(x: Array, y: Array, start: str = "M") -> str:
    pairs = [f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)]
    return start + "L".join(pairs)
