"""The page: one HTML file that loads nothing and runs nothing. All text passes `_e`."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

import chess.pgn

from backend.report import tables
from backend.report.drawing import board, chart, ladder
from backend.report.facts import Facts, Points
from backend.report.rise import elo_over_time, reached
from backend.report.tables import Table
from backend.settings_text import dump_config
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
    sources = tables.sources(facts)
    sections = (
        ("Curves", _charts(facts)),
        ("Losses", _table(tables.losses(facts))),
        ("Ratings", _ratings(facts)),
        ("Cycles", _table(tables.cycles(facts))),
        ("Promotions", _table(tables.promotions(facts))),
        ("Matches", _matches(facts)),
        ("Games", _games(facts)),
        ("Settings", _settings(facts)),
        ("Versions", _table(Table(heads=("", "version"), rows=list(versions), empty=""))),
    )
    body = "\n".join(
        f"<section><h2>{_e(title)}</h2>{content}"
        f'<p class="from">From: <code>{_e(sources[title])}</code></p></section>'
        for title, content in sections
    )
    head = "".join(f"<p>{_e(line)}</p>" for line in tables.head(facts, now))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_e(facts.run.name)} - Matrix0</title><style>{_STYLE}</style></head><body>"
        f"<h1>{_e(facts.run.name)}</h1>{head}{body}</body></html>\n"
    )


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
    found, table = facts.standings, _table(tables.ratings(facts))
    if found is None:
        return table
    rise = ""
    if reached(found, facts.cycles):
        drawn = elo_over_time(found, facts.cycles, f"Elo, {found.anchor.name} is 0")
        rise = f"<figure>{drawn}</figure>"
    return f"{rise}{ladder(found)}{table}"


def _matches(facts: Facts) -> str:
    table = tables.matches(facts)
    if not table.rows:
        return _table(table)
    return f"<details><summary>{len(table.rows):,} matches</summary>{_table(table)}</details>"


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
    text = _e(dump_config(facts.config))
    whole = f"<details><summary>all settings</summary><pre>{text}</pre></details>"
    return _table(tables.settings(facts)) + whole


def _table(table: Table) -> str:
    if not table.rows:
        return _none(table.empty)
    head = "".join(f"<th>{_e(text)}</th>" for text in table.heads)
    body = "".join(
        f"<tr>{''.join(f'<td>{_e(str(cell))}</td>' for cell in row)}</tr>" for row in table.rows
    )
    remark = f"<p>{_e(table.remark)}</p>" if table.remark else ""
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>{remark}'


def _none(text: str) -> str:
    return f"<p>{_e(text)}</p>"


def _e(text: str) -> str:
    """Text from anywhere as HTML: no tags, no attributes, no control characters."""
    return escape(clean(text, limit=100_000))
