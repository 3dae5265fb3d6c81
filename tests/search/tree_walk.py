"""A second reading of the search's arrays, in plain Python, that tests hold against the kernels."""

from dataclasses import dataclass, field

import numpy as np

from backend.search.search import Search
from backend.search.tree import DRAW, LOSS, UNKNOWN, WIN, Arena


@dataclass
class Edge:
    move: int
    visits: int
    value_sum: float
    draw_sum: float
    log_prior: float
    prior: float
    child: "Node | None"


@dataclass
class Node:
    position: tuple[int, ...]
    proven: int
    evaluated: bool
    wdl: tuple[float, ...]
    edges: list[Edge] = field(default_factory=list)

    @property
    def visits_below(self) -> int:
        return sum(edge.visits for edge in self.edges)

    @property
    def value(self) -> float:
        """Its own evaluation for its mover."""
        return self.wdl[0] - self.wdl[2]

    def all_nodes(self) -> "list[Node]":
        found: list[Node] = [self]
        for edge in self.edges:
            if edge.child is not None:
                found.extend(edge.child.all_nodes())
        return found


def arena_of(search: Search) -> Arena:
    return search._arena


def read_tree(search: Search, game: int, node: int = 0) -> Node:
    """Copy a subtree out of the arena; equal trees compare equal."""
    a = arena_of(search)
    evaluated = bool(a.evaluated[game, node])
    proven = int(a.proven[game, node])
    wdl = a.wdl[game, node] if evaluated or proven != UNKNOWN else (0.0, 0.0, 0.0)
    found = Node(
        position=tuple(int(word) for word in a.position[game, node]),
        proven=proven,
        evaluated=evaluated,
        wdl=tuple(float(share) for share in wdl),
    )
    first = int(a.first_edge[game, node])
    is_noisy_root = node == 0 and bool(search._sessions.searching[game])
    for k, e in enumerate(range(first, first + int(a.num_edges[game, node]))):
        child = int(a.child[game, e])
        prior = search._sessions.prior[game, k] if is_noisy_root else a.prior[game, e]
        found.edges.append(
            Edge(
                move=int(a.move[game, e]),
                visits=int(a.visits[game, child]) if child >= 0 else 0,
                value_sum=float(a.value_sum[game, child]) if child >= 0 else 0.0,
                draw_sum=float(a.draw_sum[game, child]) if child >= 0 else 0.0,
                log_prior=float(np.log(a.prior[game, e])),
                prior=float(prior),
                child=None if child < 0 else read_tree(search, game, child),
            )
        )
    return found


def assert_arrays_are_sound(search: Search, game: int) -> None:
    """Numbers of nodes and edges, parents and children fit together and within the arena."""
    a = arena_of(search)
    nodes, edges = int(a.num_nodes[game]), int(a.used_edges[game])
    assert 1 <= nodes <= a.key.shape[1]
    assert 0 <= edges <= a.move.shape[1]
    assert a.parent[game, 0] == -1
    next_edge = 0
    parent_of: dict[int, int] = {}
    for i in range(nodes):
        assert i == 0 or 0 <= a.parent[game, i] < i
        assert a.first_edge[game, i] == next_edge
        next_edge += int(a.num_edges[game, i])
        for child in a.child[game, a.first_edge[game, i] : next_edge]:
            if child >= 0:
                assert child not in parent_of, "two edges lead to one node"
                parent_of[int(child)] = i
        expanded = a.child[game, a.first_edge[game, i] : next_edge] >= 0
        assert a.num_expanded[game, i] == expanded.sum()
        assert i == 0 or expanded[: expanded.sum()].all(), "below the root they come first"
    assert next_edge == edges
    assert parent_of == {i: int(a.parent[game, i]) for i in range(1, nodes)}


def assert_statistics_are_sound(root: Node) -> None:
    """Visits are conserved, sums stay in range, priors sum to one, and every proof holds."""
    for node in root.all_nodes():
        _assert_proof_holds(node)
        if node.evaluated and node.edges:
            assert np.isclose(sum(np.exp(edge.log_prior) for edge in node.edges), 1.0, atol=1e-4)
        for edge in node.edges:
            assert (edge.visits > 0) == (edge.child is not None)
            assert abs(edge.value_sum) <= edge.visits + 1e-6
            assert -1e-6 <= edge.draw_sum <= edge.visits - abs(edge.value_sum) + 1e-3
            if edge.child is None:
                continue
            below = edge.child.visits_below
            if edge.child.proven == UNKNOWN:
                # Its first visit was its own evaluation, each later one went on below it.
                assert edge.visits == 1 + below
            else:
                # A decided node is visited again without going below.
                assert edge.visits >= 1 + below


def _assert_proof_holds(node: Node) -> None:
    replies = [edge.child.proven if edge.child else UNKNOWN for edge in node.edges]
    if node.proven == UNKNOWN:
        assert LOSS not in replies
        assert UNKNOWN in replies
    elif replies and any(edge.visits for edge in node.edges):
        if node.proven == WIN:
            assert LOSS in replies
        elif node.proven == LOSS:
            assert set(replies) == {WIN}
        else:
            assert set(replies) <= {WIN, DRAW}
            assert DRAW in replies
    if node.proven != UNKNOWN:
        exact = {WIN: (1.0, 0.0, 0.0), DRAW: (0.0, 1.0, 0.0), LOSS: (0.0, 0.0, 1.0)}
        assert node.wdl == exact[node.proven]
