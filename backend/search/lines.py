"""The moves of a searched root in order, each with the line that the tree expects to follow.

A move that provably wins comes first, the quickest before others; one that provably loses last, the
longest defence before others. All else goes by visits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.search.single import SingleSearch
from backend.search.tree import LOSS, UNKNOWN, WIN, Arena
from model.rules import MAX_LEGAL_MOVES, gives_mate, legal_moves, move_to_uci


@dataclass(frozen=True, kw_only=True)
class MoveLine:
    """A move of the root, its value for the mover, and what follows."""

    move: str
    """UCI notation, as all moves here."""
    visits: int
    prior: float
    wdl: tuple[float, float, float]
    """Of the move; of the root while the move has no visits."""
    mate: int | None
    """Plies to a proven mate: above 0 the mover mates, below 0 it is mated."""
    pv: tuple[str, ...]
    """The line, this move first; empty if it was not asked for."""

    @property
    def value(self) -> float:
        """Expected score for the mover, -1 to 1."""
        return self.wdl[0] - self.wdl[2]


def read_lines(search: SingleSearch, num_lines: int) -> list[MoveLine]:
    """All moves that may be searched, best first; the first `num_lines` with their lines."""
    a, position = search.arena, search.position
    numbers = np.flatnonzero(search.allowed)
    proven = root_proofs(search)[numbers]
    plies = search.find_mates() if ((proven == WIN) | (proven == LOSS)).any() else None
    found = [(_read_move(search, int(k), plies), int(k)) for k in numbers]
    found.sort(key=lambda pair: _rank(pair[0]), reverse=True)
    lines = []
    for place, ((mate, visits, _, prior, wdl), k) in enumerate(found):
        move = move_to_uci(position, int(a.move[0, k]))
        pv = (move, *_follow(a, int(a.child[0, k]), plies)) if place < num_lines else ()
        lines.append(MoveLine(move=move, visits=visits, prior=prior, wdl=wdl, mate=mate, pv=pv))
    return lines


def root_visits(search: SingleSearch) -> NDArray[np.int64]:
    """int64[n]: visits of the root's moves in their order."""
    child = search.arena.child[0, : search.num_moves]
    visits = search.arena.visits[0, np.maximum(child, 0)].astype(np.int64)
    return np.where(child >= 0, visits, 0)


def root_values(search: SingleSearch) -> NDArray[np.float64]:
    """float64[n]: mean values of the root's moves for the mover; -1 where there are no visits."""
    child = search.arena.child[0, : search.num_moves]
    visits = root_visits(search)
    total = search.arena.value_sum[0, np.maximum(child, 0)]
    return np.where(visits > 0, total / np.maximum(visits, 1), -1.0)


def root_proofs(search: SingleSearch) -> NDArray[np.int8]:
    """int8[n]: what is proven of each move, for the mover: WIN, LOSS, DRAW or UNKNOWN."""
    child = search.arena.child[0, : search.num_moves]
    below = np.where(child >= 0, search.arena.proven[0, np.maximum(child, 0)], UNKNOWN)
    flipped = np.select([below == WIN, below == LOSS], [LOSS, WIN], below)
    return flipped.astype(np.int8)


_Read = tuple[int | None, int, float, float, tuple[float, float, float]]
"""Mate, visits, value, prior and wdl of a move."""


def _read_move(search: SingleSearch, k: int, plies: NDArray[np.int16] | None) -> _Read:
    a = search.arena
    child, prior = int(a.child[0, k]), float(a.prior[0, k])
    visits = int(a.visits[0, child]) if child >= 0 else 0
    if visits == 0:
        win, draw, loss = (float(share) for share in a.wdl[0, 0])
        return None, 0, -1.0, prior, (win, draw, loss)
    proven = int(a.proven[0, child])
    if proven != UNKNOWN:
        loss, draw, win = (float(share) for share in a.wdl[0, child])
        mate = None
        if plies is not None and proven in (WIN, LOSS):
            distance = int(plies[child]) + 1
            mate = distance if proven == LOSS else -distance
        return mate, visits, win - loss, prior, (win, draw, loss)
    value = float(a.value_sum[0, child]) / visits
    draw = min(1.0, max(0.0, float(a.draw_sum[0, child]) / visits))
    win = min(1.0, max(0.0, (1 - draw + value) / 2))
    return None, visits, value, prior, (win, draw, max(0.0, 1 - draw - win))


def _rank(read: _Read) -> tuple[float, ...]:
    mate, visits, value, prior, _ = read
    if mate is None:
        return 0, visits, value, prior
    return (1, -mate, 0, 0) if mate > 0 else (-1, -mate, 0, 0)


def _follow(a: Arena, node: int, plies: NDArray[np.int16] | None) -> list[str]:
    """The line that the tree expects from a node on; to its end where that is a proven mate."""
    line: list[str] = []
    while node >= 0:
        position = a.position[0, node]
        first, count = int(a.first_edge[0, node]), int(a.num_edges[0, node])
        child = a.child[0, first : first + count]
        visited = np.flatnonzero((child >= 0) & (a.visits[0, np.maximum(child, 0)] > 0))
        proven = int(a.proven[0, node])
        if proven == WIN and not (a.proven[0, child[visited]] == LOSS).any():
            line.append(_mate_in_one(position))
            return line
        if len(visited) == 0:
            return line
        below = child[visited]
        if proven == WIN and plies is not None:
            lost = a.proven[0, below] == LOSS
            best = int(np.argmin(np.where(lost, plies[below], np.iinfo(np.int16).max)))
        elif proven == LOSS and plies is not None:
            best = int(np.argmax(plies[below]))
        else:
            refuted = a.proven[0, below] == WIN
            best = int(np.argmax(np.where(refuted, -1, a.visits[0, below])))
        line.append(move_to_uci(position, int(a.move[0, first + int(visited[best])])))
        node = int(below[best])
    return line


def _mate_in_one(position: NDArray[np.uint64]) -> str:
    moves = np.zeros(MAX_LEGAL_MOVES, np.uint16)
    count = legal_moves(position, moves)
    return move_to_uci(position, int(moves[gives_mate(position, moves, count)]))
