"""The report in Markdown, to be pasted where a page cannot be: no pictures, the same figures.

What others wrote (names, reasons, headers of games) stays text wherever it is pasted: it makes no
link, no picture, no tag, no row of its own, and nobody is called by a name after an @.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import chess.pgn

from backend.report import tables
from backend.report.facts import Facts
from backend.report.tables import Table
from backend.text import clean, one_line

MOST_ROWS: Final = 20
"""Of the newest cycles, and of the strongest players."""

_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>|~!&$])")
_CALLS: Final = re.compile(r"[@#]|:\w+:|://|www\.", re.IGNORECASE)
"""What forums make links, calls and pictures of although a backslash stands before it."""


def markdown(facts: Facts, versions: Iterable[tuple[str, str]], now: float) -> str:
    """The whole report; arguments as of `page`."""
    sources = tables.sources(facts)
    strongest = _first(tables.ratings(facts), MOST_ROWS)
    sections = (
        ("Settings", _table(tables.settings(facts))),
        ("Cycles", _table(_last(tables.cycles(facts), MOST_ROWS))),
        ("Losses", _table(tables.losses(facts))),
        ("Ratings", _table(strongest)),
        ("Games", _game(facts.samples)),
        ("Versions", _table(Table(heads=("", "version"), rows=list(versions), empty=""))),
    )
    parts = [f"# {_text(facts.run.name)}", *map(_text, tables.head(facts, now))]
    for title, content in sections:
        parts += [f"## {title}", content, f"From: {_code(sources[title])}"]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    if not table.rows:
        return _text(table.empty)
    rule = [":--", *(["--:"] * (len(table.heads) - 1))]
    lines = [_row(map(_cell, table.heads)), _row(rule)]
    lines += [_row(_cell(str(value)) for value in row) for row in table.rows]
    if table.remark:
        lines += ["", _text(table.remark)]
    return "\n".join(lines)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _first(table: Table, number: int) -> Table:
    return _cut(table, table.rows[:number], "first")


def _last(table: Table, number: int) -> Table:
    return _cut(table, table.rows[-number:], "last")


def _cut(table: Table, rows: Sequence[Sequence[object]], which: str) -> Table:
    if len(rows) == len(table.rows):
        return table
    said = f"The {which} {len(rows):,} of {len(table.rows):,}. {table.remark}".strip()
    return Table(heads=table.heads, rows=rows, empty=table.empty, remark=said)


def _game(samples: Sequence[tuple[str, chess.pgn.Game]]) -> str:
    """The first of the sample games, as it can be pasted into any chess program."""
    if not samples:
        return "no games yet"
    file, game = samples[0]
    exporter = chess.pgn.StringExporter(columns=80, comments=False, variations=False)
    text = clean(game.accept(exporter), limit=100_000)
    fence = _longer(text, least=3)
    return f"From {_text(file)}:\n\n{fence}pgn\n{text}\n{fence}"


def _cell(text: str) -> str:
    # Renderers do not agree on a pipe within code: it gives way to one that is none.
    return _code(text.replace("|", "¦")) if _CALLS.search(text) else _text(text)


def _text(text: str) -> str:
    if _CALLS.search(text):
        return _code(text)
    return _MARKUP.sub(r"\\\1", one_line(text, limit=100_000))


def _code(text: str) -> str:
    """As a span of code: whatever is in it means nothing."""
    text = one_line(text, limit=100_000)
    fence = _longer(text, least=1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"


def _longer(text: str, *, least: int) -> str:
    """Backticks, more than stand together in `text`."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))
