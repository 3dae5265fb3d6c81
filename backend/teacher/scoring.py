"""From the best lines of an engine to a soft policy and a value.

    e_i   expected score of move i for the mover, 0 to 1: win + draw / 2 of its line
    b_i   a mate in n moves: 20 / n; to be mated in n: n / 20 (n up to 20); any other line: 1
    p_i   b_i exp((min(e_i, e_1) - e_1) / T), scaled to the sum 1; a move beyond the k lines has 0

This is the softmax over action values at temperature T (Sutton and Barto, Reinforcement Learning,
2nd edition, equation 2.11): of all policies the one that maximises expected score + T entropy.
Win, draw and loss are the engine's own where it tells them (UCI_ShowWDL), else those of Stockfish's
published win-rate model; a difference of 20 centipawns then weighs more in a level position than in
a won one. Line 1 is the engine's choice: a line that was searched less deep may claim more, and is
held to what the choice has. Mates are certain, and among them the shorter is preferred.
"""

import math
from collections.abc import Sequence
from typing import Final

import chess.engine
import msgspec

WIN_RATE_MODEL: Final = "sf16"
"""python-chess's name of Stockfish 16's win-rate model, for engines that tell no WDL."""
LONG_MATE: Final = 20
"""Moves; mates further off count as any other won line."""

Wdl = tuple[float, float, float]
"""Win, draw, loss for the mover; they sum to 1."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A move and what the engine thinks of it, as the mover sees it."""

    move: int
    """Its code."""
    cp: int | None = None
    """Centipawns; None where `mate` is told."""
    mate: int | None = None
    """Moves to the mate; negative when the mover is mated, 0 when it is."""
    wdl: tuple[int, int, int] | None = None
    """Per mille, by the engine itself."""


def wdl_of(line: Line, ply: int) -> Wdl:
    """Win, draw, loss of a line that begins `ply` plies into the game."""
    if line.mate is not None:
        return (1.0, 0.0, 0.0) if line.mate > 0 else (0.0, 0.0, 1.0)
    if line.wdl is not None:
        win, draw, loss = line.wdl
    else:
        assert line.cp is not None
        win, draw, loss = chess.engine.Cp(line.cp).wdl(model=WIN_RATE_MODEL, ply=ply)
    total = win + draw + loss
    return win / total, draw / total, loss / total


def soft_policy(lines: Sequence[Line], ply: int, temperature: float) -> list[float]:
    """Probabilities of the lines' moves, best line first; they sum to 1. `temperature` is above 0,
    in units of expected score."""
    scores = [win + draw / 2 for win, draw, _ in (wdl_of(line, ply) for line in lines)]
    weights = [
        _mate_factor(line) * math.exp((min(score, scores[0]) - scores[0]) / temperature)
        for line, score in zip(lines, scores, strict=True)
    ]
    total = sum(weights)
    return [weight / total for weight in weights]


def _mate_factor(line: Line) -> float:
    if line.mate is None:
        return 1.0
    share = min(max(abs(line.mate), 1), LONG_MATE) / LONG_MATE
    return 1 / share if line.mate > 0 else share
