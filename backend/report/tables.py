"""What a report says in tables, for whichever form it is written in: cells are text of anybody."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

import numpy as np

from backend import summary, wording
from backend.report.facts import Facts
from model.ssl.tasks import TASKS

RECENT: Final = 10
"""Readings whose mean stands for a loss: a single one is of a single batch."""


@dataclass(frozen=True, kw_only=True)
class Table:
    heads: Sequence[str]
    rows: Sequence[Sequence[object]]
    empty: str
    """What is said instead of a table without rows."""
    remark: str = ""
    """A sentence that explains the columns."""


def head(facts: Facts, now: float) -> tuple[str, str]:
    """How the run stands, and when that was; `now` is wall clock."""
    run = facts.run
    return (
        f"{run.state}, preset {run.preset or 'none'}, cycle {run.cycle:,}, step {run.step:,}, "
        f"{facts.games:,} games, {facts.positions:,} positions, "
        f"best network {run.best or 'none yet'}, {run.size_bytes / 2**20:,.0f} MiB on disk",
        f"last active {date(run.active_at)}; this report was written {date(now)}",
    )


def sources(facts: Facts) -> dict[str, str]:
    """The command that derives what a section says, by its title."""
    where = quote(facts.run.directory)
    query = f"sqlite3 {where}/matrix0.db"
    losses = f"{query} \"SELECT step, value FROM metrics WHERE name = 'policy_loss'\""
    return {
        "Curves": losses,
        "Losses": losses,
        "Ratings": f"matrix0 ratings --run {where}",
        "Cycles": f'{query} "SELECT body FROM cycles ORDER BY cycle"',
        "Promotions": f'{query} "SELECT body FROM promotions ORDER BY seq"',
        "Matches": f"matrix0 match verify {where}/games/FILE",
        "Games": f"ls {where}/games",
        "Settings": f"cat {where}/config.toml",
        "Versions": "matrix0 doctor",
    }


def losses(facts: Facts) -> Table:
    """The newest losses beside what bounds them."""
    rows: list[tuple[str, ...]] = []
    policy, kl = _recent(facts, "policy_loss"), _recent(facts, "policy_kl")
    floor = None if policy is None or kl is None else policy - kl
    named: list[tuple[str, float | None, float | None, str]] = [
        ("policy", policy, floor, "entropy of the search's policy"),
        ("value", _recent(facts, "value_loss"), None, ""),
    ]
    for task in TASKS:
        guess = _recent(facts, f"{task.name}_guess")
        named.append((task.name, _recent(facts, f"{task.name}_loss"), guess, "guessing"))
    for name, loss, bound, what in named:
        if loss is None:
            continue
        f1, least = _recent(facts, f"{name}_f1"), _recent(facts, f"{name}_f1_baseline")
        against = wording.DASH if bound is None else f"{wording.loss(bound)} ({what})"
        rows.append(
            (name, wording.loss(loss), against, wording.percent(f1), wording.percent(least))
        )
    return Table(
        heads=("loss", "nats", "against", "F1", "F1 of guessing"),
        rows=rows,
        empty="no curves yet",
        remark=f"Means of the last {RECENT} readings, to step {_last_step(facts):,}. The policy's "
        "loss cannot fall below the entropy of what it is to learn; guessing is to know how "
        "frequent each answer is and nothing more.",
    )


def _recent(facts: Facts, name: str) -> float | None:
    if name not in facts.curves:
        return None
    return float(np.mean(facts.curves[name][1][-RECENT:]))


def _last_step(facts: Facts) -> int:
    return int(max((steps[-1] for steps, _ in facts.curves.values()), default=0))


def ratings(facts: Facts) -> Table:
    found = facts.standings
    heads = ("player", "budget", "Elo", "95 %", "games", "LOS")
    empty = "no pairs of games are recorded yet"
    if found is None:
        return Table(heads=heads, rows=(), empty=empty)
    rows = [
        (
            row.player.name,
            row.player.budget or wording.DASH,
            f"{row.elo:+z.0f}",
            "anchor" if row.player == found.anchor else f"[{row.low:+z.0f}, {row.high:+z.0f}]",
            f"{row.games:,}",
            wording.DASH if row.los is None else f"{row.los:.1%}",
        )
        for row in found.rows
    ]
    remark = (
        f"White's advantage {found.white_elo:+z.0f} Elo, draws between equals "
        f"{found.draw_frac:.0%}. LOS: probability of being stronger than the next in the table."
    )
    return Table(heads=heads, rows=rows, empty=empty, remark=remark)


def cycles(facts: Facts) -> Table:
    columns = summary.COLUMNS
    rows = [[column.cell(cycle) for column in columns] for cycle in facts.cycles]
    heads = [column.heading for column in columns]
    return Table(heads=heads, rows=rows, empty="no cycle is finished yet")


def promotions(facts: Facts) -> Table:
    rows = [
        (date(p.at), p.name, p.previous or wording.DASH, "yes" if p.is_rollback else "", p.reason)
        for p in facts.promotions
    ]
    heads = ("when", "network", "before", "rolled back", "reason")
    return Table(heads=heads, rows=rows, empty="there is no best network yet")


def matches(facts: Facts) -> Table:
    rows = [
        (
            m.candidate,
            m.opponent,
            f"+{m.wins} ={m.draws} -{m.losses}",
            wording.elo(m.elo, m.elo_low, m.elo_high),
            "-".join(map(str, m.pairs)),
            f"{m.simulations:,}",
            m.pgn or wording.DASH,
        )
        for m in facts.matches
    ]
    heads = ("candidate", "opponent", "result", "Elo (95%)", "pairs", "simulations", "games in")
    return Table(heads=heads, rows=rows, empty="no match was played yet")


def settings(facts: Facts) -> Table:
    """Those in which the run differs from its preset."""
    preset = facts.run.preset or "the defaults"
    heads = ("setting", "this run", preset)
    return Table(heads=heads, rows=facts.changed, empty=f"as in {preset}")


def date(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
