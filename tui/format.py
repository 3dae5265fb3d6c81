"""Numbers, times and outside text as short strings in the signs of a terminal; pure."""

import math
from datetime import datetime
from itertools import pairwise
from typing import Final

from rich.cells import cell_len, set_cell_size

from backend import wording
from backend.wording import count as count
from backend.wording import line as line
from backend.wording import network as network
from backend.wording import percent as percent
from backend.wording import plural as plural
from backend.wording import short as short
from tui.glyphs import UNICODE, Glyphs

_ASCII_ARROWS = str.maketrans("←→↑↓", "<>^v")


LEAST_PLAIN: Final = 0.01
"""Of smaller numbers three figures after the point would say too little."""


def loss(number: float | None, glyphs: Glyphs = UNICODE) -> str:
    if number is not None and 0 < abs(number) < LEAST_PLAIN:
        return rate(number)
    return signs(wording.loss(number), glyphs)


def rate(number: float) -> str:
    """A learning rate: 8.1e-4."""
    return f"{number:.1e}".replace("e-0", "e-")


def duration(seconds: float | None, glyphs: Glyphs = UNICODE) -> str:
    return signs(wording.duration(seconds), glyphs)


def elo(
    value: float | None, low: float | None, high: float | None, glyphs: Glyphs = UNICODE
) -> str:
    return signs(wording.elo(value, low, high), glyphs)


def signs(text: str, glyphs: Glyphs) -> str:
    """The text with the dash and the plus-minus of `glyphs`, and its arrows."""
    text = text.replace(wording.DASH, glyphs.dash).replace("±", glyphs.plus_minus)
    return text.translate(_ASCII_ARROWS) if glyphs.ascii else text


def axis(values: list[float]) -> list[str]:
    """Tick labels with as few decimals as tell all of them exactly; large ones shortened."""
    if any(abs(v) >= 10_000 for v in values):
        return [short(v) for v in values]
    if 0 < max(map(abs, values), default=0.0) < 0.001:
        return [f"{v:.0e}".replace("e-0", "e-") if v else "0" for v in values]
    for decimals in range(5):
        if all(abs(round(v, decimals) - v) < 1e-9 for v in values):
            break
    return [f"{v:,.{decimals}f}" for v in values]


def clock(at: float) -> str:
    """Local time of day."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def memory(mib: float | None, glyphs: Glyphs = UNICODE) -> str:
    """410M, 1.1G; a dash when it is not known or nothing was reported yet."""
    if not mib:
        return glyphs.dash
    return f"{mib:.0f}M" if mib < 1000 else f"{mib / 1024:.1f}G"


def fit(text: str, width: int, glyphs: Glyphs = UNICODE) -> str:
    """Exactly `width` cells: padded, or cut with an ellipsis."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + glyphs.ellipsis


def bar(frac: float, width: int, glyphs: Glyphs = UNICODE) -> str:
    """A progress bar of `width` cells; only 1.0 fills it whole and only 0.0 leaves it empty."""
    frac = min(max(frac, 0.0), 1.0)
    steps = len(glyphs.bar_parts) + 1
    filled = round(frac * width * steps)
    if 0 < frac < 1:
        filled = min(max(filled, 1), width * steps - 1)
    whole, part = divmod(filled, steps)
    text = glyphs.bar_full * whole + (glyphs.bar_parts[part - 1] if part else "")
    return text + glyphs.bar_empty * (width - len(text))


def balance(value: float, low: float, high: float, width: int, glyphs: Glyphs = UNICODE) -> str:
    """A bar from 0, in the middle of `width` cells, towards the end that is nearer; `low` < 0."""
    half = width // 2
    share = value / high if value >= 0 else value / low
    filled = min(half, round(share * half))
    empty = glyphs.bar_empty * (half - filled)
    full = glyphs.bar_full * filled
    left, right = (glyphs.bar_empty * half, full + empty)
    if value < 0:
        left, right = empty + full, glyphs.bar_empty * half
    return f"{left}{glyphs.axis}{right}"


def spark(values: list[float], width: int, glyphs: Glyphs = UNICODE) -> str:
    """The last shape of a curve in `width` cells: the mean of each share of the points."""
    values = [v for v in values if math.isfinite(v)]
    if not values or width <= 0:
        return ""
    width = min(width, len(values))
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    top = len(glyphs.spark) - 1
    if high - low < 1e-12:
        return glyphs.spark[top // 2] * width
    return "".join(glyphs.spark[round((m - low) / (high - low) * top)] for m in means)
