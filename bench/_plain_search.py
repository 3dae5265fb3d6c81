"""The search of `backend/search` as one writes it first: python-chess and a tree of objects.

Same rules, same constants, same visits (`bench/search.py` checks that before it measures). Left
out is what a comparison on quiet positions does not need: root noise, proven values, mate checks.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import chess

from backend.config import SearchConfig
from backend.search.gumbel import visit_sequence

Judge = Callable[[chess.Board, list[chess.Move]], tuple[list[float], float]]
"""Priors of the moves, and the value for the mover from -1 to 1."""


@dataclass
class Node:
    """A position; `visits` and `value_sum` belong to the edge that leads to it."""

    prior: float
    visits: int = 0
    value_sum: float = 0.0
    own: float = 0.0
    """The evaluation for the mover."""
    children: dict[chess.Move, "Node"] = field(default_factory=dict)

    @property
    def q(self) -> float:
        """For the mover at the parent."""
        return self.value_sum / self.visits

    def visited(self) -> list["Node"]:
        return [child for child in self.children.values() if child.visits]


def plain_search(board: chess.Board, simulations: int, judge: Judge, config: SearchConfig) -> Node:
    """The root after `simulations` leaves, without noise."""
    root = Node(1.0)
    _evaluate(root, board, judge)
    considered = min(len(root.children), config.gumbel_considered)
    for wanted in visit_sequence(considered, simulations):
        node, path = root, [root]
        while node.children:
            if config.root == "puct":
                move = _select_puct(node, config, is_root=node is root)
            elif node is root:
                move = _select_gumbel_root(node, config, wanted)
            else:
                move = _select_gumbel(node, config)
            board.push(move)
            node = node.children[move]
            path.append(node)
        _evaluate(node, board, judge)
        value = node.own
        for passed in reversed(path[1:]):
            value = -value
            passed.visits += 1
            passed.value_sum += value
            board.pop()
    return root


def _evaluate(node: Node, board: chess.Board, judge: Judge) -> None:
    moves = list(board.legal_moves)
    if not moves:
        node.own = -1.0 if board.is_check() else 0.0
    elif not (board.is_insufficient_material() or board.is_fifty_moves() or board.is_repetition(3)):
        priors, node.own = judge(board, moves)
        node.children = {m: Node(p) for m, p in zip(moves, priors, strict=True)}


def _select_puct(node: Node, config: SearchConfig, *, is_root: bool) -> chess.Move:
    visited = node.visited()
    visits = sum(child.visits for child in visited)
    parent_q = (node.own + sum(child.value_sum for child in visited)) / (1 + visits)
    reduction = 0.0 if is_root else config.fpu_reduction
    unvisited_q = max(-1.0, parent_q - reduction * math.sqrt(sum(c.prior for c in visited)))
    growth = math.log((visits + config.c_puct_base + 1) / config.c_puct_base)
    scale = (config.c_puct + config.c_puct_factor * growth) * math.sqrt(max(1, visits))

    def score(move: chess.Move) -> float:
        child = node.children[move]
        q = child.q if child.visits else unvisited_q
        return q + scale * child.prior / (1 + child.visits)

    return max(node.children, key=score)


def _completed(node: Node, config: SearchConfig) -> dict[chess.Move, float]:
    """log P + sigma(completed q) of every move."""
    visited = node.visited()
    visits = sum(child.visits for child in visited)
    most = max((child.visits for child in visited), default=0)
    mass = sum(child.prior for child in visited)
    mixed = node.own
    if visited:
        weighted = sum(child.prior * child.q for child in visited) / mass
        mixed = (node.own + visits * weighted) / (1 + visits)
    scale = (config.gumbel_c_visit + most) * config.gumbel_c_scale
    return {
        move: math.log(child.prior) + scale * ((child.q if child.visits else mixed) + 1) / 2
        for move, child in node.children.items()
    }


def _select_gumbel_root(node: Node, config: SearchConfig, wanted: int) -> chess.Move:
    scores = _completed(node, config)
    return max((m for m, c in node.children.items() if c.visits == wanted), key=scores.__getitem__)


def _select_gumbel(node: Node, config: SearchConfig) -> chess.Move:
    scores = _completed(node, config)
    highest = max(scores.values())
    shares = {move: math.exp(score - highest) for move, score in scores.items()}
    total = sum(shares.values())
    visits = sum(child.visits for child in node.children.values())
    return max(shares, key=lambda m: shares[m] / total - node.children[m].visits / (1 + visits))
