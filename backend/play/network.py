"""A checkpoint as the partner of a person: searches one position, and can be interrupted."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import chess
import numpy as np

from backend.config import Config
from backend.inference.front import Inference
from backend.play.thinking import thinking_s
from backend.play.wire import MAX_CANDIDATES, Candidate, Think, Thought
from backend.rundir import RunDirectory
from backend.search.result import SearchResult
from backend.search.search import Search
from model.rules import from_fen, move_to_uci, zobrist

FIRST_LOOK: Final = 16
"""Simulations before the first of steady answers; each next one waits for as many as all before."""

FEWEST_LEAVES: Final = 2
"""However late it is: the root and one move."""


class Network:
    """A checkpoint that is ready to search; for one thread."""

    def __init__(self, path: Path) -> None:
        """CheckpointError or DeviceError when it cannot be made ready."""
        run = RunDirectory(path.parent.parent)
        config = run.read_config() if run.exists else Config()
        self._rules = config.search
        self._inference = Inference.load(path, config.device)

    def think(self, order: Think, board: chess.Board, stop: threading.Event) -> Iterator[Thought]:
        """The final thought, with steady orders others before it; ends without when stopped."""
        began = time.monotonic()
        search = Search(
            self._rules,
            num_games=1,
            max_simulations=order.simulations,
            orientation=self._inference.orientation,
            seed=0,
        )
        search.start(0, from_fen(board.fen()), _history(board))
        ends_at = began + thinking_s(order, board)
        done = 0
        while done < order.simulations:
            budget = max(done, FIRST_LOOK) if order.steady else order.simulations
            budget = min(budget, order.simulations - done)
            added = self._advance(search, budget, stop, ends_at)
            if stop.is_set():
                return
            done += added
            is_late = added < budget
            yield _thought(
                order,
                board,
                search,
                final=is_late or done == order.simulations,
                done=done,
                seconds=time.monotonic() - began,
            )
            if is_late:
                return

    def _advance(self, search: Search, budget: int, stop: threading.Event, ends_at: float) -> int:
        """Search on; the leaves added, fewer than `budget` if the time was up or `stop` was set."""
        search.begin(0, budget, noise=False)
        leaves = 0
        while not search.step(self._inference):
            leaves += 1
            is_late = leaves >= FEWEST_LEAVES and time.monotonic() >= ends_at
            if is_late or stop.is_set():
                return min(leaves, budget - 1)
        return budget


def _history(board: chess.Board) -> list[int]:
    """Zobrist keys of the positions before this one, oldest first."""
    keys: list[int] = []
    earlier = board.root()
    for move in board.move_stack:
        keys.append(int(zobrist(from_fen(earlier.fen()))))
        earlier.push(move)
    return keys


def _thought(
    order: Think, board: chess.Board, search: Search, *, final: bool, done: int, seconds: float
) -> Thought:
    result = search.result(0)
    position = search.position(0)
    ucis = [move_to_uci(position, int(move)) for move in result.moves]
    win, draw, loss = (float(share) for share in result.root_wdl)
    if board.turn == chess.BLACK:
        win, loss = loss, win
    ranked = sorted(
        range(len(ucis)),
        key=lambda k: (k != result.best, -int(result.visits[k]), -float(result.priors[k])),
    )
    return Thought(
        id=order.id,
        final=final,
        move=ucis[result.best],
        wdl=(win, draw, loss),
        candidates=tuple(_candidate(result, board, ucis, k) for k in ranked[:MAX_CANDIDATES]),
        simulations=done,
        seconds=seconds,
    )


def _candidate(result: SearchResult, board: chess.Board, ucis: list[str], k: int) -> Candidate:
    return Candidate(
        uci=ucis[k],
        san=board.san(chess.Move.from_uci(ucis[k])),
        prior=float(result.priors[k]) if result.is_judged else None,
        visits=int(result.visits[k]),
        q=None if np.isnan(result.q[k]) else float(result.q[k]),
    )
