"""Who can play a match: a network with its search, and two movers that need no engine.

A player sits at many boards (slots) at once and answers for all those where it is to move together,
so that a network fills its batch.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import chess

from backend.config import SearchConfig
from backend.search.evaluator import Evaluate
from backend.search.result import SearchResult
from backend.search.search import Search
from model.config import Orientation
from model.rules import from_fen, move_to_uci, uci_to_move, zobrist

_VALUES: Final = {
    chess.PAWN: 1,
    chess.KNIGHT: 3,
    chess.BISHOP: 3,
    chess.ROOK: 5,
    chess.QUEEN: 9,
    chess.KING: 0,
}


@dataclass(frozen=True)
class Forfeit:
    """Said instead of a move: the player loses the game, for this reason."""

    reason: str


class Player(Protocol):
    """One side of a match, at many boards."""

    name: str

    def start(self, slot: int, board: chess.Board) -> None:
        """A game begins, or is taken up, at this board."""

    def think(
        self, slots: Sequence[int], boards: Sequence[chess.Board]
    ) -> Sequence[chess.Move | Forfeit]:
        """A legal move for each of the slots, all of which have the player to move."""

    def played(self, slot: int, move: chess.Move) -> None:
        """Either side has made this move."""

    def comment(self, slot: int) -> str:
        """What the player says of its last move there, for the PGN; may be empty."""

    def value(self, slot: int) -> float | None:
        """The score it expected from its last move there, -1 to 1; None if it has no idea."""

    def close(self) -> None:
        """The match is over."""


class RandomPlayer:
    """Every legal move is as likely as any other."""

    def __init__(self, seed: int) -> None:
        self.name = "random"
        self._rng = random.Random(seed)

    def start(self, slot: int, board: chess.Board) -> None:
        pass

    def think(self, slots: Sequence[int], boards: Sequence[chess.Board]) -> list[chess.Move]:
        return [self._rng.choice(list(board.legal_moves)) for board in boards]

    def played(self, slot: int, move: chess.Move) -> None:
        pass

    def comment(self, slot: int) -> str:
        return ""

    def value(self, slot: int) -> float | None:
        return None

    def close(self) -> None:
        pass


class GreedyPlayer(RandomPlayer):
    """Mates if it can, else takes the most material in one ply; among equals it draws lots."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.name = "greedy"

    def think(self, slots: Sequence[int], boards: Sequence[chess.Board]) -> list[chess.Move]:
        return [self._choose(board) for board in boards]

    def _choose(self, board: chess.Board) -> chess.Move:
        gains = {move: material_gain(board, move) for move in board.legal_moves}
        most = max(gains.values())
        return self._rng.choice([move for move, gain in gains.items() if gain == most])


def material_gain(board: chess.Board, move: chess.Move) -> int:
    """Pawns won by a move at once; 1000 for mate."""
    gain = 0
    if board.is_en_passant(move):
        gain = _VALUES[chess.PAWN]
    elif board.is_capture(move):
        captured = board.piece_type_at(move.to_square)
        assert captured is not None
        gain = _VALUES[captured]
    if move.promotion:
        gain += _VALUES[move.promotion] - _VALUES[chess.PAWN]
    if board.gives_check(move):
        board.push(move)
        mates = board.is_checkmate()
        board.pop()
        return 1000 if mates else gain
    return gain


class NetworkPlayer:
    """A network that searches by the rule of self-play, without noise and without temperature."""

    def __init__(
        self,
        name: str,
        evaluate: Evaluate,
        config: SearchConfig,
        *,
        simulations: int,
        slots: int,
        orientation: Orientation,
        seed: int,
    ) -> None:
        self.name = name
        self._evaluate = evaluate
        self._simulations = simulations
        self._search = Search(
            config,
            num_games=slots,
            max_simulations=simulations,
            orientation=orientation,
            seed=seed,
        )
        self._last: dict[int, SearchResult] = {}
        self._seconds = 0.0
        """Of the last moves, for each board: they are searched together."""

    def start(self, slot: int, board: chess.Board) -> None:
        history: list[int] = []
        earlier = board.root()
        for move in board.move_stack:
            history.append(int(zobrist(from_fen(earlier.fen()))))
            earlier.push(move)
        self._search.start(slot, from_fen(board.fen()), history)
        self._last.pop(slot, None)

    def think(self, slots: Sequence[int], boards: Sequence[chess.Board]) -> list[chess.Move]:
        began = time.perf_counter()
        for slot in slots:
            self._search.begin(slot, self._simulations, noise=False)
        waiting = set(slots)
        while waiting:
            waiting.difference_update(self._search.step(self._evaluate))
        moves = []
        for slot in slots:
            result = self._search.result(slot)
            self._last[slot] = result
            text = move_to_uci(self._search.position(slot), int(result.moves[result.best]))
            moves.append(chess.Move.from_uci(text))
        self._seconds = (time.perf_counter() - began) / max(1, len(slots))
        return moves

    def played(self, slot: int, move: chess.Move) -> None:
        self._search.play(slot, uci_to_move(self._search.position(slot), move.uci()))

    def comment(self, slot: int) -> str:
        result = self._last.get(slot)
        if result is None:
            return ""
        return f"{result.value:+.2f}/{result.simulations} {self._seconds:.3f} s"

    def value(self, slot: int) -> float | None:
        result = self._last.get(slot)
        return None if result is None else result.value

    def close(self) -> None:
        pass
