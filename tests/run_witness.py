"""What a run has announced, and whether its directory still says so: a reading from outside.

Imports nothing of the program: SHA-256, SQL and text only, so that a fault in the program's own
reading cannot hide a loss.
"""

import hashlib
import json
import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Event = dict[str, Any]


@dataclass
class Witness:
    """Hears all starts of a run, and complains where one contradicts what was announced before."""

    shards: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name -> SHA-256 and number of games."""
    checkpoints: dict[str, str] = field(default_factory=dict)
    """Name -> SHA-256 of the manifest."""
    matches: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Name -> wins, draws, losses."""
    promoted: list[str] = field(default_factory=list)
    points: set[int] = field(default_factory=set)
    """Steps of the curves that lie behind an announced checkpoint."""
    new_points: set[int] = field(default_factory=set)
    """Those since the newest one; a kill may cost them, training makes them again."""
    step: int = -1
    """Of the newest announced checkpoint; -1 before the first."""
    cycle: int = 0
    resumed: list[int] = field(default_factory=list)
    """Steps that trainers went on from."""
    complaints: list[str] = field(default_factory=list)

    @property
    def games(self) -> int:
        return sum(games for _, games in self.shards.values())

    def hear(self, event: Event) -> None:
        """Takes in one event as printed."""
        match event["type"]:
            case "Recovered":
                self._expect(event["cycle"] >= self.cycle, "went back to an earlier cycle", event)
                self._expect(event.get("games", 0) >= self.games, "counts fewer games", event)
                self._expect(not event["quarantined"], "set something aside", event)
                self.cycle = max(self.cycle, event["cycle"])
                self.new_points.clear()
            case "ShardWritten":
                self.shards[event["name"]] = (event["sha256"], event["games"])
            case "ShardRejected" | "WorkerFailed":
                self._expect(False, event["type"], event)
            case "CheckpointSaved":
                self._expect(event["step"] >= self.step, "went back to an earlier step", event)
                self.step = event["step"]
                self.checkpoints[event["name"]] = event["sha256"]
                self.points |= self.new_points
                self.new_points.clear()
            case "LogLine" if event["text"].startswith("goes on from step-"):
                self.resumed.append(int(event["text"].rpartition("-")[2]))
                self._expect(self.resumed[-1] >= self.step, "resumed too early", event)
                self.step = self.resumed[-1]
            case "TrainingStep":
                self._expect(event["step"] > self.step, "trains an announced step again", event)
                self.new_points.add(event["step"])
            case "MatchStarted":
                self._expect(event["match"] not in self.matches, "plays a match again", event)
            case "MatchFinished":
                self.matches[event["match"]] = (event["wins"], event["draws"], event["losses"])
            case "Promoted":
                self.promoted.append(event["name"])
            case "CycleFinished":
                self._expect(event["cycle"] == self.cycle + 1, "cycles are out of order", event)
                self.cycle = event["cycle"]
            case "Alert":
                self._expect(event["level"] != "error", "an error was shown", event)

    def _expect(self, is_true: bool, complaint: str, event: Event) -> None:
        if not is_true:
            self.complaints.append(f"{complaint} (step {self.step}, cycle {self.cycle}): {event}")


def faults(run: Path, witness: Witness) -> list[str]:
    """Where a run directory breaks what was announced. Empty when all is kept and counted once.

    To be asked when a start has recovered and before its workers write, or when a run has ended.
    """
    with closing(sqlite3.connect(f"file:{run}/matrix0.db?mode=ro", uri=True)) as database:
        return [
            *witness.complaints,
            *_faults_of_shards(run, witness, database),
            *_faults_of_games(run, database),
            *_faults_of_checkpoints(run, witness, database),
            *_faults_of_history(witness, database),
        ]


def half_written(run: Path) -> set[Path]:
    """What commits that are not finished have in the directory."""
    return {path for path in run.rglob("*") if ".tmp." in path.name}


def _faults_of_shards(run: Path, witness: Witness, database: sqlite3.Connection) -> list[str]:
    found = []
    rows = {
        name: (sha256, state, games, counted)
        for name, sha256, state, games, counted in database.execute(
            "SELECT name, sha256, state, games, (SELECT count(*) FROM games WHERE shard = seq)"
            " FROM shards"
        )
    }
    for name, (sha256, games) in witness.shards.items():
        file = run / "replay" / name
        if not file.exists():
            found.append(f"shard {name} is not on disk: {games} games are lost")
        elif _sha256(file) != sha256:
            found.append(f"shard {name} is not what was announced: {games} games are lost")
        if rows.get(name) != (sha256, "admitted", games, games):
            found.append(f"shard {name}: announced {sha256} {games} games, row {rows.get(name)}")
    for file in (run / "replay").iterdir():
        if file.name not in rows:
            found.append(f"shard {file.name} is on disk and does not count")
    return found


def _faults_of_games(run: Path, database: sqlite3.Connection) -> list[str]:
    counted = [game for (game,) in database.execute("SELECT id FROM games ORDER BY id")]
    file = run / "games" / "selfplay.pgn"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    in_pgn = sorted(re.findall(r'^\[GameId "([^"]+)"\]$', text, re.MULTILINE))
    found = []
    if len(in_pgn) != len(set(in_pgn)):
        found.append(f"the PGN holds {len(in_pgn)} games, {len(set(in_pgn))} of them different")
    if set(in_pgn) != set(counted):
        found.append(f"the PGN holds {len(set(in_pgn))} games, the database {len(counted)}")
    if len(in_pgn) != len(re.findall(r"^\[Event ", text, re.MULTILINE)):
        found.append("the PGN has a game without its id")
    return found


def _faults_of_checkpoints(run: Path, witness: Witness, database: sqlite3.Connection) -> list[str]:
    found = []
    states = dict(database.execute("SELECT name, state FROM checkpoints"))
    (best,) = database.execute("SELECT value FROM meta WHERE key = 'best'").fetchone() or ("",)
    for name, sha256 in witness.checkpoints.items():
        if states.get(name) == "retired" and name not in (max(witness.checkpoints), best):
            if (run / "checkpoints" / name).exists():
                found.append(f"checkpoint {name} is retired and still there")
            continue
        manifest = run / "checkpoints" / name / "manifest.json"
        if not manifest.exists() or _sha256(manifest) != sha256:
            found.append(f"checkpoint {name} is not what was announced")
            continue
        for part, record in json.loads(manifest.read_bytes())["files"].items():
            file = manifest.with_name(part)
            if not file.exists() or _sha256(file) != record["sha256"]:
                found.append(f"checkpoint {name}: {part} is damaged")
        if states.get(name) != "present":
            found.append(f"checkpoint {name} has state {states.get(name)!r}")
    return found


def _faults_of_history(witness: Witness, database: sqlite3.Connection) -> list[str]:
    found = []
    (verdict,) = database.execute("PRAGMA integrity_check").fetchone()
    if verdict != "ok":
        found.append(f"the database is unsound: {verdict}")
    matches = {
        match: (wins, draws, losses)
        for match, wins, draws, losses in database.execute(
            "SELECT match, wins, draws, losses FROM matches"
        )
    }
    for name, result in witness.matches.items():
        if matches.get(name) != result:
            found.append(f"match {name}: announced {result}, kept {matches.get(name)}")
    promotions = [name for (name,) in database.execute("SELECT name FROM promotions ORDER BY seq")]
    if [name for name in promotions if name in witness.promoted] != witness.promoted:
        found.append(f"promotions: announced {witness.promoted}, kept {promotions}")
    best = [name for (name,) in database.execute("SELECT value FROM meta WHERE key = 'best'")]
    if best != promotions[-1:]:
        found.append(f"best is {best}, promoted last {promotions[-1:]}")
    cycles = list(database.execute("SELECT cycle, step FROM cycles ORDER BY cycle"))
    if [cycle for cycle, _ in cycles] != list(range(1, len(cycles) + 1)):
        found.append(f"cycles are {cycles}")
    if [step for _, step in cycles] != sorted({step for _, step in cycles}):
        found.append(f"the candidates of the cycles do not get newer: {cycles}")
    if len(cycles) < witness.cycle:
        found.append(f"{witness.cycle} cycles were announced, {len(cycles)} are kept")
    curve = "SELECT step FROM metrics WHERE name = 'policy_loss'"
    holes = witness.points - {step for (step,) in database.execute(curve)}
    if holes:
        found.append(f"the curves lack steps {sorted(holes)}")
    decided = [cycle for (cycle,) in database.execute("SELECT cycle FROM decisions ORDER BY cycle")]
    if decided[: len(cycles)] != [cycle for cycle, _ in cycles]:
        found.append(f"decisions {decided}, cycles {cycles}")
    return found


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
