"""Two whole searches, as they were when they were last looked at.

A change that should not alter the search leaves these files alone. One that should rewrites them:
`python -m tests.search.test_search_golden`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model.rules import move_to_uci
from tests.fake_evaluators import scattered
from tests.search.setups import ROOT_RULES, search_fen, uci_of
from tests.search.tree_walk import Node, read_tree

GOLDEN = Path(__file__).parents[1] / "golden"
FEN = "r1bqk2r/pppp1ppp/2n2n2/2b1p3/2B1P3/2N2N2/PPPP1PPP/R1BQK2R w KQkq - 6 5"


def _tree(node: Node) -> dict[str, Any]:
    position = np.array(node.position, np.uint64)
    return {
        move_to_uci(position, edge.move): {
            "visits": edge.visits,
            "q": round(edge.value_sum / edge.visits, 5),
            "prior": round(edge.prior, 5),
            **({"proven": edge.child.proven} if edge.child and edge.child.proven else {}),
            **({"below": below} if edge.child and (below := _tree(edge.child)) else {}),
        }
        for edge in node.edges
        if edge.visits
    }


def _record(root: str) -> dict[str, Any]:
    search, result = search_fen(FEN, scattered(2017), 48, root, gumbel_considered=8)
    named = uci_of(FEN, result)
    return {
        "fen": FEN,
        "best": named[result.best],
        "root_wdl": [round(float(share), 5) for share in result.root_wdl],
        "policy": {
            uci: round(float(share), 5) for uci, share in zip(named, result.policy, strict=True)
        },
        "tree": _tree(read_tree(search, 0)),
    }


def _path(root: str) -> Path:
    return GOLDEN / f"search_{root}.json"


@pytest.mark.parametrize("root", ROOT_RULES)
def test_a_small_search_grows_the_same_tree_as_ever(root: str) -> None:
    expected = json.loads(_path(root).read_text(encoding="utf-8"))
    _assert_close(_record(root), expected)


def _assert_close(found: Any, expected: Any) -> None:
    """Equal but for the last of five digits, which another processor may round differently."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            _assert_close(found[key], value)
    elif isinstance(expected, float | list):
        assert found == pytest.approx(expected, abs=1.5e-5)
    else:
        assert found == expected


if __name__ == "__main__":
    for rule in ROOT_RULES:
        text = json.dumps(_record(rule), indent=1) + "\n"
        _path(rule).write_text(text, encoding="utf-8")
