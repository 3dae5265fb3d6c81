"""Numbers, times and outside text as short strings; pure, knows no widget."""

import math
from datetime import datetime
from itertools import pairwise

from rich.cells import cell_len, set_cell_size

from backend.wire import clean
from tui.glyphs import UNICODE, Glyphs


def count(number: float) -> str:
    """5214 -> 5,214."""
    return f"{number:,.0f}"


def plural(number: int, noun: str) -> str:
    """1 alert, 2 alerts."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def short(number: float) -> str:
    """At most five characters: 831, 5.2k, 12k, 1.4M."""
    sign, number = ("-" if number < 0 else ""), abs(number)
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= scale * 0.9995:
            scaled = number / scale
            return f"{sign}{scaled:.1f}{letter}" if scaled < 9.95 else f"{sign}{scaled:.0f}{letter}"
    return f"{sign}{number:.0f}"


def axis(values: list[float]) -> list[str]:
    """Tick labels with as few decimals as tell all of them exactly; large ones shortened."""
    if any(abs(v) >= 10_000 for v in values):
        return [short(v) for v in values]
    for decimals in range(5):
        if all(abs(round(v, decimals) - v) < 1e-9 for v in values):
            break
    return [f"{v:,.{decimals}f}" for v in values]


def loss(number: float | None, glyphs: Glyphs = UNICODE) -> str:
    """Three figures after the point, or a dash."""
    if number is None or not math.isfinite(number):
        return glyphs.dash
    return f"{number:.3f}" if abs(number) < 100 else short(number)


def percent(frac: float) -> str:
    """0.52 -> 52%."""
    return f"{100 * frac:.0f}%"


def duration(seconds: float | None, glyphs: Glyphs = UNICODE) -> str:
    """8s, 3m20s, 4h12m, 2d03h; a dash when it is not known."""
    if seconds is None or not math.isfinite(seconds):
        return glyphs.dash
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def clock(at: float) -> str:
    """Local time of day."""
    return datetime.fromtimestamp(at).strftime("%H:%M:%S")


def memory(mib: float | None, glyphs: Glyphs = UNICODE) -> str:
    """410M, 1.1G; a dash when it is not known or nothing was reported yet."""
    if not mib:
        return glyphs.dash
    return f"{mib:.0f}M" if mib < 1000 else f"{mib / 1024:.1f}G"


def elo(
    value: float | None, low: float | None, high: float | None, glyphs: Glyphs = UNICODE
) -> str:
    """+37 ±21; the protocol cuts at ±1200, which is shown as a bound and not as a rating."""
    if value is None:
        return glyphs.dash
    if abs(value) >= 1200:
        return f"{'>' if value > 0 else '<'}{value:+.0f}"
    if low is None or high is None:
        return f"{value:+.0f}"
    return f"{value:+.0f} {glyphs.plus_minus}{(high - low) / 2:.0f}"


def network(name: str) -> str:
    """step-00001500 -> 1,500; any other name as it is."""
    digits = name.removeprefix("step-")
    return count(int(digits)) if digits != name and digits.isdecimal() else line(name)


def line(text: str) -> str:
    """Outside text as one line that cannot speak to the terminal."""
    return clean(text).replace("\n", " ")


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
