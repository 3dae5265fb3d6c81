"""The page: one HTML file that loads nothing and runs nothing. All text passes `_e`."""

import time
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from shlex import quote
from typing import Final

import chess.pgn

from backend import summary, wording
from backend.report.drawing import board, chart, ladder
from backend.report.facts import Facts, Points
from backend.report.rise import elo_over_time, reached
from backend.settings import dump_config
from backend.text import clean
from model.ssl.tasks import TASKS

CHARTS: Final[tuple[tuple[str, Mapping[str, str]], ...]] = (
    (
        "Policy loss, nats",
        {"policy_loss": "loss", "policy_kl": "KL", "anchor_kl": "KL to the start"},
    ),
    ("Value loss, nats", {"value_loss": "loss"}),
    ("Self-supervised losses, nats", {f"{task.name}_loss": task.name for task in TASKS}),
    ("Gradient norm", {"grad_norm": "norm"}),
    ("Learning rate", {"learning_rate": "rate"}),
    ("Training, samples a second", {"samples_per_s": "samples"}),
    ("Held-out games: share of moves foretold", {"held_out_top1": "first", "held_out_top5": "5"}),
)
"""Title, and the curves that it shows with their labels."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1340px; }
body { margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; text-align: right; border-bottom: 1px solid #8883; }
th:first-child, td:first-child, td.text { text-align: left; }
.scroll { overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); gap: 1.2rem; }
svg { width: 100%; height: auto; } svg text { font-size: 11px; fill: currentColor; }
svg .grid { stroke: currentColor; opacity: .18; }
figure { margin: 0; } figcaption { font-size: 13px; overflow-wrap: anywhere; }
code, pre { font: 13px/1.45 ui-monospace, monospace; } pre { overflow-x: auto; }
.from { font-size: 13px; opacity: .8; }
"""


def page(facts: Facts, versions: Iterable[tuple[str, str]], now: float) -> str:
    """The whole report; `versions` are names and versions of what wrote it, `now` is wall clock."""
    run = facts.run
    where = quote(run.directory)
    query = f"sqlite3 {where}/matrix0.db"
    sections = (
        (
            "Curves",
            _charts(facts),
            f"{query} \"SELECT step, value FROM metrics WHERE name = 'policy_loss'\"",
        ),
        ("Ratings", _ratings(facts), f"matrix0 ratings --run {where}"),
        ("Cycles", _cycles(facts), f'{query} "SELECT body FROM cycles ORDER BY cycle"'),
        ("Promotions", _promotions(facts), f'{query} "SELECT body FROM promotions ORDER BY seq"'),
        ("Matches", _matches(facts), f"matrix0 match verify {where}/games/FILE"),
        ("Games", _games(facts), f"ls {where}/games"),
        ("Settings", _settings(facts), f"cat {where}/config.toml"),
        ("Versions", _table(("", "version"), versions), "matrix0 doctor"),
    )
    body = "\n".join(
        f"<section><h2>{_e(title)}</h2>{content}"
        f'<p class="from">From: <code>{_e(command)}</code></p></section>'
        for title, content, command in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_e(run.name)} - Matrix0</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_e(run.name)}</h1>{_head(facts, now)}{body}</body></html>\n"
    )


def _head(facts: Facts, now: float) -> str:
    run = facts.run
    said = (
        f"{run.state}, preset {run.preset or 'none'}, cycle {run.cycle:,}, step {run.step:,}, "
        f"{facts.games:,} games, {facts.positions:,} positions, "
        f"best network {run.best or 'none yet'}, {run.size_bytes / 2**20:,.0f} MiB on disk"
    )
    dates = f"last active {_date(run.active_at)}; this report was written {_date(now)}"
    return f"<p>{_e(said)}</p><p>{_e(dates)}</p>"


def _charts(facts: Facts) -> str:
    figures = []
    for title, names in CHARTS:
        shown: dict[str, Points] = {
            label: facts.curves[name] for name, label in names.items() if name in facts.curves
        }
        if shown:
            last = ", ".join(f"{label} {values[-1]:.6g}" for label, (_, values) in shown.items())
            step = max(float(steps[-1]) for steps, _ in shown.values())
            caption = f"at step {step:,.0f}: {last}"
            figures.append(
                f"<figure>{chart(title, shown)}<figcaption>{_e(caption)}</figcaption></figure>"
            )
    return f'<div class="grid">{"".join(figures)}</div>' if figures else _none("no curves yet")


def _ratings(facts: Facts) -> str:
    found = facts.standings
    if found is None:
        return _none("no pairs of games are recorded yet")
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
    remarks = (
        f"White's advantage {found.white_elo:+z.0f} Elo, draws between equals "
        f"{found.draw_frac:.0%}. LOS: probability of being stronger than the next in the table."
    )
    table = _table(("player", "budget", "Elo", "95 %", "games", "LOS"), rows)
    rise = ""
    if reached(found, facts.cycles):
        drawn = elo_over_time(found, facts.cycles, f"Elo, {found.anchor.name} is 0")
        rise = f"<figure>{drawn}</figure>"
    return f"{rise}{ladder(found)}{table}<p>{_e(remarks)}</p>"


def _cycles(facts: Facts) -> str:
    if not facts.cycles:
        return _none("no cycle is finished yet")
    columns = summary.COLUMNS
    rows = [[column.cell(cycle) for column in columns] for cycle in facts.cycles]
    return _table([column.heading for column in columns], rows)


def _promotions(facts: Facts) -> str:
    if not facts.promotions:
        return _none("there is no best network yet")
    rows = [
        (_date(p.at), p.name, p.previous or wording.DASH, "yes" if p.is_rollback else "", p.reason)
        for p in facts.promotions
    ]
    return _table(("when", "network", "before", "rolled back", "reason"), rows)


def _matches(facts: Facts) -> str:
    if not facts.matches:
        return _none("no match was played yet")
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
    table = _table(heads, rows)
    return f"<details><summary>{len(rows):,} matches</summary>{table}</details>"


def _games(facts: Facts) -> str:
    figures = []
    for file, game in facts.samples:
        end = game.end().board()
        headers = {name: game.headers.get(name, "?") for name in ("White", "Black", "Result")}
        title = f"{headers['White']} - {headers['Black']} {headers['Result']}"
        ending = game.headers.get("Termination", "")
        figures.append(
            f'<figure><img src="{board(end)}" width="240" height="240" alt="{_e(end.fen())}">'
            f"<figcaption><b>{_e(title)}</b> {_e(ending)}, {_e(file)}<br>{_e(_moves(game))}"
            "</figcaption></figure>"
        )
    return f'<div class="grid">{"".join(figures)}</div>' if figures else _none("no games yet")


def _moves(game: chess.pgn.Game) -> str:
    exporter = chess.pgn.StringExporter(
        columns=None, headers=False, comments=False, variations=False
    )
    return game.accept(exporter)


def _settings(facts: Facts) -> str:
    preset = facts.run.preset or "the defaults"
    text = _e(dump_config(facts.config))
    whole = f"<details><summary>all settings</summary><pre>{text}</pre></details>"
    if not facts.changed:
        return f"<p>{_e(f'as in {preset}')}</p>{whole}"
    return _table(("setting", "this run", preset), facts.changed) + whole


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{_e(text)}</th>" for text in heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{_e(str(cell))}</td>' for cell in row)}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _none(text: str) -> str:
    return f"<p>{_e(text)}</p>"


def _date(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))


def _e(text: str) -> str:
    """Text from anywhere as HTML: no tags, no attributes, no control characters."""
    return escape(clean(text, limit=100_000))
