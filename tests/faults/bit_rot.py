"""Flipped bits and missing tails in every kind of file of a small run, and what a start does.

It must either name what is damaged, set it aside and go on with the rest, or be none the worse:
what had been announced is then still there. The trainer's part, reading every shard that counts,
is done here as the trainer does it.
"""

import asyncio
import json
import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import chess

from backend import checkpoints
from backend.errors import ConfigError, Matrix0Error, ReplayError
from backend.evaluation.match import MatchGame
from backend.evaluation.matchlog import MatchLog
from backend.recovery import open_ledger, recover
from backend.replay.shards import read_shard
from backend.rundir import RunDirectory
from tests.faults.power_cuts import IN_MEMORY
from tests.faults.workload import Acknowledged, Workload

KINDS: Final = {
    "shard": "replay/*.safetensors",
    "manifest": "checkpoints/step-*/manifest.json",
    "checkpoint": "checkpoints/step-*/*.safetensors",
    "database": "matrix0.db",
    "journal": "journal.jsonl",
    "config": "config.toml",
    "match log": "games/match-1.jsonl",
}
ROUNDS: Final = 10
TRUNCATIONS_FRAC: Final = 0.25
OPENING: Final = "e2e4"


@dataclass
class BitRot:
    """What came of the damage, by kind of file."""

    tried: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    """Said, with the name of the file; the others did no harm."""
    violations: list[str] = field(default_factory=list)


def damage(number: int, seed: int, kinds: tuple[str, ...] = tuple(KINDS)) -> BitRot:
    """Damages each kind of file so often, one file at a time, and starts the run."""
    found = BitRot()
    rng = Random(seed)
    with tempfile.TemporaryDirectory(prefix="bit-rot-", dir=IN_MEMORY) as place:
        sound = Path(place) / "sound" / "run"
        known = Acknowledged()
        asyncio.run(Workload(sound, known.hear, seed=seed).run(ROUNDS))
        games = _play_match(sound)
        for kind in kinds:
            for turn in range(number):
                run = Path(place) / f"{kind}-{turn}".replace(" ", "-") / "run"
                shutil.copytree(sound, run)
                file = rng.choice(sorted(run.glob(KINDS[kind])))
                harm = _harm(file, rng)
                found.tried[kind] += 1
                faults = _start(kind, file, run, known, games, found)
                found.violations += [f"{file.relative_to(run)}, {harm}: {f}" for f in faults]
                shutil.rmtree(run.parent)
    return found


def _harm(file: Path, rng: Random) -> str:
    content = bytearray(file.read_bytes())
    if rng.random() < TRUNCATIONS_FRAC:
        length = rng.randrange(len(content))
        file.write_bytes(content[:length])
        return f"cut to {length} of {len(content)} bytes"
    at, bit = rng.randrange(len(content)), rng.randrange(8)
    content[at] ^= 1 << bit
    file.write_bytes(content)
    return f"bit {bit} of byte {at} flipped"


def _start(
    kind: str, file: Path, run: Path, known: Acknowledged, games: list[Any], found: BitRot
) -> list[str]:
    """What is wrong with how the start took it."""
    try:
        said, best, quarantine = asyncio.run(_recover(run))
    except ConfigError as error:
        if kind == "config" and "config.toml" in str(error):
            found.named[kind] += 1
            return []
        return [f"the run cannot start: {error}"]
    except Matrix0Error as error:
        return [f"the run cannot start: {error}"]
    name = file.parent.name if kind in ("manifest", "checkpoint") else file.name
    words = {"database": "database"}.get(kind, name)
    is_named = any(words in remark for remark in said)
    found.named[kind] += is_named
    faults = [f"said {said}"] if said and not is_named else []
    match kind:
        case "shard" | "manifest" | "checkpoint":
            if not is_named:
                faults.append("was not noticed")
            if not any(name in kept for kept in quarantine):
                faults.append("is not in quarantine")
            if file.exists():
                faults.append("is still in its place")
            if not best or best == name:
                faults.append(f"the best network is {best!r}")
        case "config":
            if not is_named:
                faults.append("was not noticed")
        case "match log":
            kept, num_damaged = _games_kept(run)
            found.named[kind] += num_damaged > 0
            if any(game not in games for game in kept):
                faults.append("a game of the match is another one")
        case _:
            faults += known.violations(run)
            if kind == "database" and not is_named:
                faults.append("was not noticed")
    return faults


async def _recover(run_path: Path) -> tuple[list[str], str, list[str]]:
    """A start up to the point where the trainer has read its window: remarks, best, quarantine."""
    run = RunDirectory(run_path)
    run.create()
    config = run.read_config()
    ledger, journal, remarks = await open_ledger(run)
    try:
        listener = ledger.listen()
        findings = await recover(run, config, ledger, remarks)
        for row in await ledger.store.shards():
            if row.state == "admitted":
                try:
                    read_shard(run.replay / row.name)
                except ReplayError:
                    await findings.intake.withdraw(row.name)
        ledger.end()
        said = list(findings.remarks)
        while (happened := await listener.next()) is not None:
            event = happened.event
            if type(event).__name__ in ("ShardRejected", "Alert"):
                said.append(str(event))
        for checkpoint in findings.checkpoints:
            checkpoints.load(run.checkpoints / checkpoint.name)
        return said, findings.event.best, os.listdir(run.quarantine)
    finally:
        await ledger.flush()
        await ledger.store.close()
        journal.close()


# A match that was interrupted ---------------------------------------------------------------------


def _openings() -> list[chess.Board]:
    board = chess.Board()
    board.push_uci(OPENING)
    return [board, board]


def _play_match(run: Path) -> list[Any]:
    boards = _openings()
    with MatchLog(run / "games" / "match-1.jsonl", "match 1", boards) as log:
        games = []
        for number in range(3):
            board = boards[number // 2].copy()
            board.push_uci("e7e5")
            game = MatchGame(
                number=number,
                opening=list(boards[number // 2].move_stack),
                candidate_is_white=number % 2 == 0,
                board=board,
                comments=["x"],
                white_values=[0.5],
                result=0,
                termination="agreed",
            )
            games.append(game)
        log.hear(games)
    return [_summary(game) for game in games]


def _games_kept(run: Path) -> tuple[list[Any], int]:
    with MatchLog(run / "games" / "match-1.jsonl", "match 1", _openings()) as log:
        return [_summary(game) for game in log.finished], log.num_damaged


def _summary(game: MatchGame) -> Any:
    moves = [move.uci() for move in game.board.move_stack]
    return json.dumps([game.number, moves, game.comments, game.white_values, game.result])
