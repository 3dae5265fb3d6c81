"""How strong the networks of a run were, over the hours that it was at work, as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from typing import Final

from backend.checkpoints import checkpoint_name
from backend.evaluation.standings import Standing, Standings
from backend.events import CycleFinished

_WIDTH: Final = 760
_HEIGHT: Final = 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 150, 34, 46
_INK: Final = "#0072B2"
_OTHER: Final = "#D55E00"
_LINES: Final = 7
"""At most so many grid lines either way."""


@dataclass(frozen=True)
class Reached:
    """A rated network, and when it was made."""

    hours: float
    standing: Standing


def reached(standings: Standings, cycles: Sequence[CycleFinished]) -> list[Reached]:
    """The rated candidates of a run by the time of work behind them, the first network at 0.

    Of a network with several budgets the one with most games counts.
    """
    hours = {checkpoint_name(0): 0.0}
    for cycle, seconds in zip(cycles, accumulate(c.seconds for c in cycles), strict=True):
        hours[checkpoint_name(cycle.step)] = seconds / 3600
    best: dict[str, Standing] = {}
    for row in standings.rows:
        name = row.player.name
        if name in hours and (name not in best or row.games > best[name].games):
            best[name] = row
    found = [Reached(hours[name], row) for name, row in best.items()]
    return sorted(found, key=lambda one: one.hours)


def elo_over_time(standings: Standings, cycles: Sequence[CycleFinished], title: str) -> str:
    """A dot with its 95 % interval for each network, and a line for each other player of the pool.

    ValueError when no network of the run is rated.
    """
    networks = reached(standings, cycles)
    if not networks:
        raise ValueError("no network of this run is rated")
    names = {one.standing.player.name for one in networks}
    others = [row for row in standings.rows if row.player.name not in names]
    rows = [one.standing for one in networks] + others
    every = _round_step(max(row.high for row in rows) - min(row.low for row in rows))
    low = every * math.floor(min(row.low for row in rows) / every)
    high = every * math.ceil(max(row.high for row in rows) / every)
    end = max(networks[-1].hours, 1e-3)
    across = (_WIDTH - _LEFT - _RIGHT) / end
    up = (_HEIGHT - _TOP - _BOTTOM) / max(high - low, 1.0)

    def x(hours: float) -> float:
        return _LEFT + hours * across

    def y(elo: float) -> float:
        return _TOP + (high - elo) * up

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _text(_LEFT, 18, title, weight="bold"),
    ]
    for number in range(round((high - low) / every) + 1):
        elo = low + every * number
        lines.append(f'<path stroke="#dddddd" d="M{_LEFT} {y(elo):.1f}H{_WIDTH - _RIGHT}"/>')
        lines.append(_text(_LEFT - 6, y(elo) + 4, f"{elo:+z.0f}", anchor="end"))
    interval = _round_step(end)
    for number in range(math.floor(end / interval) + 1):
        hours = interval * number
        lines.append(_text(x(hours), _HEIGHT - 26, f"{hours:g}", anchor="middle"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    lines.append(_text(middle, _HEIGHT - 8, "hours at work", anchor="middle"))
    lines.append(_text(6, 18, "Elo"))
    for row in others:
        at = y(row.elo)
        lines.append(
            f'<path stroke="{_OTHER}" stroke-dasharray="5 4" d="M{_LEFT} {at:.1f}'
            f'H{_WIDTH - _RIGHT}"/>'
        )
        label = f"{row.player.name} {row.elo:+z.0f}"
        lines.append(_text(_WIDTH - _RIGHT + 6, at + 4, label))
    path = "L".join(f"{x(one.hours):.1f} {y(one.standing.elo):.1f}" for one in networks)
    lines.append(f'<path fill="none" stroke="{_INK}" stroke-width="1.5" d="M{path}"/>')
    for one in networks:
        at, row = x(one.hours), one.standing
        lines.append(f'<path stroke="{_INK}" d="M{at:.1f} {y(row.low):.1f}V{y(row.high):.1f}"/>')
        lines.append(f'<circle fill="{_INK}" r="3.5" cx="{at:.1f}" cy="{y(row.elo):.1f}"/>')
    return "\n".join([*lines, "</svg>\n"])


def _round_step(span: float) -> float:
    """1, 2 or 5 times a power of ten, at most `_LINES` of which fit in `span`."""
    rough = max(span, 1e-6) / _LINES
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _text(x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
