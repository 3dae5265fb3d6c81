"""Evaluators with known opinions, for everything that searches: the search is real, they are not.

Shapes: N positions, K move slots.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backend.search.evaluator import Evaluate
from model.encoding.moves import policy_index
from model.rules import from_fen, uci_to_move, zobrist

Positions = NDArray[np.uint64]
Table = NDArray[np.int16]
Answer = tuple[NDArray[np.float32], NDArray[np.float32]]

_PIECE_VALUES = (1.0, 3.0, 3.0, 5.0, 9.0)


def wdl_of(values: NDArray[np.floating], draw: float = 0.2) -> NDArray[np.float32]:
    """float32[N,3] with the given values (win - loss, within ±(1 - draw)) and draw probability."""
    wdl = np.stack([(1 - draw + values) / 2, np.full_like(values, draw), (1 - draw - values) / 2])
    return wdl.T.astype(np.float32)


def material(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
    """All moves alike; the value is 0.8 tanh of the mover's material over 4 pawns."""
    balance = np.zeros(len(positions))
    for plane, worth in enumerate(_PIECE_VALUES):
        white = np.bitwise_count(positions[:, plane] & positions[:, 6]).astype(float)
        both = np.bitwise_count(positions[:, plane]).astype(float)
        balance += worth * (2 * white - both)
    mover = np.where(positions[:, 7] & np.uint64(1), -balance, balance)
    return np.zeros(move_index.shape, np.float32), wdl_of(0.8 * np.tanh(mover / 4))


def scattered(seed: int) -> Evaluate:
    """Opinions drawn once for each position and move: repeatable, and different everywhere."""

    def evaluate(positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        key = np.full(len(positions), seed + 1, np.uint64)
        for word in positions[:, :7].T:
            key = _mix(key ^ word)
        key = _mix(key ^ (positions[:, 7] & np.uint64(0x1FF)))
        moves = _mix(key[:, None] ^ (move_index.astype(np.uint64) << np.uint64(20)))
        logits = (4.0 * _unit(moves)).astype(np.float32)
        return logits, wdl_of(1.2 * _unit(_mix(key)) - 0.6)

    return evaluate


def _mix(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele et al. 2014)."""
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def _unit(key: NDArray[np.uint64]) -> NDArray[np.float64]:
    return (key >> np.uint64(11)).astype(np.float64) / 2.0**53


@dataclass
class Scripted:
    """Given values and priors for positions named by FEN; elsewhere moves alike and value 0."""

    values: Mapping[str, float] = field(default_factory=dict)
    """Value to the mover, -0.8 to 0.8."""
    priors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """FEN to UCI to probability; moves that are not named share what is left."""

    def __post_init__(self) -> None:
        self._values = {int(zobrist(from_fen(fen))): v for fen, v in self.values.items()}
        self._priors: dict[int, dict[int, float]] = {}
        for fen, named in self.priors.items():
            position = from_fen(fen)
            self._priors[int(zobrist(position))] = {
                int(policy_index(position, uci_to_move(position, uci), True)): prior
                for uci, prior in named.items()
            }

    def __call__(self, positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        logits = np.zeros(move_index.shape, np.float32)
        values = np.zeros(len(positions))
        for row, position in enumerate(positions):
            key = int(zobrist(position))
            values[row] = self._values.get(key, 0.0)
            named = self._priors.get(key)
            if named:
                count = int(num_moves[row])
                rest = (1.0 - sum(named.values())) / max(1, count - len(named))
                shares = [named.get(int(index), rest) for index in move_index[row, :count]]
                logits[row, :count] = np.log(shares)
        return logits, wdl_of(values)


@dataclass
class Counting:
    """Passes on to another evaluator and keeps what it was asked."""

    inner: Evaluate
    keys: list[int] = field(default_factory=list)
    """Zobrist keys of all positions seen, in order."""
    batches: list[int] = field(default_factory=list)

    def __call__(self, positions: Positions, move_index: Table, num_moves: Table, /) -> Answer:
        self.keys.extend(int(zobrist(position)) for position in positions)
        self.batches.append(len(positions))
        return self.inner(positions, move_index, num_moves)
