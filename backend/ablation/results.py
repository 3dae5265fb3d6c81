"""What an ablation has found so far: results.jsonl, one finding a line.

A line is on disk before its finding counts, so an ablation that was interrupted goes on where it
was. A last line that was cut is dropped; any other damage is named and nothing is overwritten.
"""

from pathlib import Path

import msgspec

from backend.appending import Appender
from backend.disk import writing_to
from backend.errors import ReplayError


class Finding(msgspec.Struct, frozen=True, kw_only=True, tag_field="found"):
    """What all of them say."""

    arm: str
    seed: int
    """Number of the repetition, from 0."""
    budget: str
    """What each arm was trained for: "1000 steps" or "10 minutes"."""


class HeldOut(Finding, frozen=True, kw_only=True, tag="held-out"):
    """A trained network on positions of games that nobody learned from."""

    step: int
    """Optimiser steps behind it; names the checkpoint."""
    seconds: float
    """Spent in them, measuring and saving left out."""
    positions: int
    policy_loss: float
    """Cross-entropy of the played move over legal moves, nats."""
    value_loss: float
    """Cross-entropy of the result, nats."""
    top1: float
    """Share of positions where the first choice is the played move (0 to 1)."""
    top5: float


class SelfPlayed(Finding, frozen=True, kw_only=True, tag="self-played"):
    """What a run that learned from its own games did in its time."""

    seconds: float
    """From when all its workers were up, until it was told to stop."""
    step: int
    games: int
    positions: int
    cycles: int
    best: str
    """Name of the checkpoint that had passed the gate last."""


class Puzzles(Finding, frozen=True, kw_only=True, tag="puzzles"):
    """The same network on a file of puzzles."""

    puzzles: str
    """SHA-256 of the file, its beginning."""
    simulations: int
    """Leaf evaluations for one move."""
    count: int
    solved: int


class ArmsMatch(Finding, frozen=True, kw_only=True, tag="match"):
    """The networks of two arms from the same repetition against each other; seen by `arm`."""

    against: str
    games: int
    simulations: int
    wins: int
    draws: int
    losses: int
    truncated: int
    """Games cut at the ply limit, which count as draws."""
    pairs: tuple[int, int, int, int, int]
    """Pairs of games that scored 0, ½, 1, 1½ and 2 points."""


AnyFinding = HeldOut | SelfPlayed | Puzzles | ArmsMatch

_decoder: msgspec.json.Decoder[AnyFinding] = msgspec.json.Decoder(AnyFinding)


class Results:
    """The findings in `path`. One process writes; the caller sees to that."""

    def __init__(self, path: Path) -> None:
        """ReplayError when a line is damaged."""
        self._path = path
        self.findings: list[AnyFinding] = []
        self._length = 0
        self._file: Appender | None = None
        """Made with the first finding."""
        data = path.read_bytes() if path.exists() else b""
        for number, line in enumerate(data.split(b"\n")[:-1], 1):
            try:
                self.findings.append(_decoder.decode(line))
            except msgspec.MsgspecError as error:
                raise ReplayError(
                    f"{path}: line {number} is damaged: {error}; mend or remove it"
                ) from error
            self._length += len(line) + 1

    def add(self, finding: AnyFinding) -> None:
        """Keeps it, durably."""
        data = msgspec.json.encode(finding) + b"\n"
        if self._file is None:
            with writing_to(self._path):
                self._file = Appender(self._path, self._length)
        self._file.append(data)
        self.findings.append(finding)
