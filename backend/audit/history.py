"""The journal against the database, matches against their PGN, settings against the last start."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import chess.pgn

from backend.audit.findings import Audit
from backend.audit.index import Index, read_index
from backend.events import CycleFinished, GateDecided, MatchFinished, Promoted
from backend.resuming import edited
from backend.rundir import RunDirectory
from backend.store.journal import Entry, Reading, read_journal

JOURNAL: Final = "journal.jsonl"
PATIENCE_S: Final = 0.5
"""A run at work journals a fact a moment before its row is there; we look again after this."""


def examine_journal(run: RunDirectory, index: Index, audit: Audit, *, is_live: bool) -> None:
    reading = read_journal(run.journal)
    audit.counted["journal entries"] += len(reading.entries)
    for line in reading.damaged:
        audit.problem(JOURNAL, f"line {line} is damaged")
    for line in reading.unknown:
        audit.problem(JOURNAL, f"line {line} was written by a newer Matrix0")
    is_whole = not reading.damaged and not reading.unknown
    numbers = [entry.seq for entry in reading.entries]
    if is_whole and numbers != list(range(1, len(numbers) + 1)):
        audit.problem(JOURNAL, f"entries are not numbered 1 to {len(numbers)}")
    if not is_live and run.journal.exists() and run.journal.stat().st_size > reading.whole_bytes:
        audit.note(JOURNAL, "its last line is torn; the next start cuts it off")
    missing = _without_row(reading, index)
    for _ in range(4 if is_live else 0):
        if not missing:
            break
        time.sleep(PATIENCE_S)
        missing = _without_row(reading, read_index(run.database))
    for entry in missing:
        kind = type(entry.fact).__name__
        audit.problem(JOURNAL, f"entry {entry.seq}: the database does not have this {kind}")
    if is_whole:
        _examine_rows_without_entry(reading, index, audit)


def _without_row(reading: Reading, index: Index) -> list[Entry]:
    """Entries whose row is missing, or says something else."""
    promotions = set(index.promotions)
    found = []
    for entry in reading.entries:
        match entry.fact:
            case MatchFinished():
                is_kept = index.matches.get(entry.fact.match) == entry.fact
            case GateDecided():
                is_kept = index.decisions.get(entry.fact.cycle) == entry.fact
            case CycleFinished():
                is_kept = index.cycles.get(entry.fact.cycle) == entry.fact
            case Promoted():
                is_kept = entry.fact in promotions
            case _:
                is_kept = True
        if not is_kept:
            found.append(entry)
    return found


def _examine_rows_without_entry(reading: Reading, index: Index, audit: Audit) -> None:
    """The database knows nothing that the journal does not: it is written after it."""
    facts = {entry.fact for entry in reading.entries if isinstance(entry.fact, Promoted)}
    matches = {e.fact.match for e in reading.entries if isinstance(e.fact, MatchFinished)}
    cycles = {e.fact.cycle for e in reading.entries if isinstance(e.fact, CycleFinished)}
    newest = reading.entries[-1].at if reading.entries else 0.0
    for promotion in index.promotions:
        if promotion not in facts and promotion.at <= newest:
            audit.problem(JOURNAL, f"the promotion of {promotion.name} is not in it")
    for name, match in index.matches.items():
        if name not in matches and match.at <= newest:
            audit.problem(JOURNAL, f"match {name} is not in it")
    for cycle, finished in index.cycles.items():
        if cycle not in cycles and finished.at <= newest:
            audit.problem(JOURNAL, f"the end of cycle {cycle} is not in it")
    numbers = sorted(index.cycles)
    if numbers != list(range(1, len(numbers) + 1)):
        audit.problem("matrix0.db", f"cycles are numbered {numbers}")


def examine_settings(run: RunDirectory, audit: Audit) -> None:
    """An edited setting is no damage, but one that nobody edited would look the same."""
    if found := edited(run):
        audit.note("config.toml", found.removeprefix("config.toml "))


def examine_matches(run: RunDirectory, index: Index, audit: Audit) -> None:
    """Every match that names a PGN file is played again and counted again."""
    for match in index.matches.values():
        if not match.pgn:
            continue
        audit.counted["matches"] += 1
        path = run.games / match.pgn
        if not path.is_file():
            audit.problem(f"games/{match.pgn}", f"gone, but match {match.match} names it")
            continue
        for fault in _faults_of_match(path, match):
            audit.problem(f"games/{match.pgn}", fault)


def _faults_of_match(path: Path, match: MatchFinished) -> Iterator[str]:
    stream = io.StringIO(path.read_text("utf-8", "replace"))
    points: list[float] = []
    while (game := chess.pgn.read_game(stream)) is not None:
        number = len(points) + 1
        if game.errors:
            yield f"game {number} cannot be played again: {game.errors[0]}"
        board, result = game.end().board(), game.headers.get("Result", "*")
        end = board.outcome()
        if end is not None and result not in ("*", end.result()):
            yield f"game {number}: {result}, the board says {end.result()} ({board.fen()})"
        white = {"1-0": 1.0, "0-1": 0.0}.get(result, 0.5)
        is_white = game.headers.get("White") == match.candidate
        points.append(white if is_white else 1.0 - white)
    # A test may have ended the match before games that were played out all the same.
    counts = (points.count(1.0), points.count(0.5), points.count(0.0))
    said = (match.wins, match.draws, match.losses)
    if len(points) == sum(said) and counts != said:
        yield f"{counts} games won, drawn and lost, the row says {said}"
    elif len(points) < sum(said):
        yield f"{len(points)} games, the row says {sum(said)}"
