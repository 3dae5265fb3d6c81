"""Numbers, times and names as short text, the same on the screen and without it. Pure."""

import math

from backend.text import clean
from backend.views import MatchView

DASH = "—"
"""What is not known."""


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


def loss(number: float | None) -> str:
    """Three figures after the point, or a dash."""
    if number is None or not math.isfinite(number):
        return DASH
    return f"{number:.3f}" if abs(number) < 100 else short(number)


def percent(frac: float | None) -> str:
    """0.52 -> 52%; a dash when it is not known."""
    return DASH if frac is None else f"{100 * frac:.0f}%"


def duration(seconds: float | None) -> str:
    """8s, 3m20s, 4h12m, 2d03h; a dash when it is not known."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def elo(value: float | None, low: float | None, high: float | None) -> str:
    """+37 ±21; the protocol cuts at ±1200, which is shown as a bound and not as a rating."""
    if value is None:
        return DASH
    if abs(value) >= 1200:
        return f"{'>' if value > 0 else '<'}{value:+.0f}"
    rating = f"{value:+z.0f}"
    return rating if low is None or high is None else f"{rating} ±{(high - low) / 2:.0f}"


def match(view: MatchView) -> str:
    """12/400 58.3%, pairs 0-1-3-1-1, LLR +0.42 (-2.94, +2.94); what is known of it so far."""
    parts = [f"{view.played}/{view.games}" + (f" {view.score:.1%}" if view.played else "")]
    if any(view.pairs):
        parts.append(f"pairs {'-'.join(map(str, view.pairs))}")
    if test := llr(view.llr, view.llr_low, view.llr_high):
        parts.append(test)
    return ", ".join(parts)


def llr(value: float | None, low: float | None, high: float | None) -> str:
    """LLR +0.42 (-2.94, +2.94); empty without a test."""
    if value is None or low is None or high is None:
        return ""
    return f"LLR {value:+z.2f} ({low:+.2f}, {high:+.2f})"


def network(name: str) -> str:
    """step-00001500 -> 1,500; any other name as it is."""
    digits = name.removeprefix("step-")
    return count(int(digits)) if digits != name and digits.isdecimal() else line(name)


def line(text: str) -> str:
    """Outside text as one line that cannot speak to the terminal."""
    return clean(text).replace("\n", " ")
