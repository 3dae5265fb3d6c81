"""The picture of a run's rise: every rated network is a dot where it belongs."""

from xml.etree import ElementTree

import pytest

from backend.evaluation.standings import Contestant, Pairing, rate
from backend.events import CycleFinished
from backend.report.rise import elo_over_time, reached

RANDOM = Contestant("random")
BETTER = [0, 0, 0, 0, 0, 0, 0, 10, 20]
EVEN = [5, 0, 5, 0, 10, 0, 5, 0, 5]


def network(step: int, budget: str = "24 simulations") -> Contestant:
    return Contestant(f"step-{step:08d}", budget)


def cycle(number: int) -> CycleFinished:
    return CycleFinished(
        at=float(number),
        cycle=number,
        step=100 * number,
        games=1,
        positions=1,
        seconds=1800.0,
        policy_loss=1.0,
        value_loss=1.0,
        piece_loss=1.0,
        verdict="promoted",
        elo=0.0,
        elo_low=0.0,
        elo_high=0.0,
    )


CYCLES = [cycle(1), cycle(2)]
POOL = rate(
    [
        Pairing(network(0), RANDOM, EVEN),
        Pairing(network(100), network(0), BETTER),
        Pairing(network(200), network(100), BETTER),
        Pairing(network(200, "800 simulations"), RANDOM, [0, 0, 0, 0, 0, 0, 0, 0, 1]),
        Pairing(Contestant("<greedy>"), RANDOM, BETTER),
    ],
    RANDOM,
)


def test_networks_come_in_the_order_of_time_and_with_the_budget_of_most_games() -> None:
    found = reached(POOL, CYCLES)
    assert [(one.hours, one.standing.player) for one in found] == [
        (0.0, network(0)),
        (0.5, network(100)),
        (1.0, network(200)),
    ]


def test_the_picture_is_whole_and_higher_means_stronger() -> None:
    root = ElementTree.fromstring(elo_over_time(POOL, CYCLES, "a & b"))
    dots = [node for node in root.iter() if node.tag.endswith("circle")]
    across = [float(dot.attrib["cx"]) for dot in dots]
    down = [float(dot.attrib["cy"]) for dot in dots]
    assert across == sorted(set(across))
    assert len(dots) == 3
    assert down == sorted(down, reverse=True)
    texts = ["".join(node.itertext()) for node in root.iter() if node.tag.endswith("text")]
    assert "a & b" in texts
    assert any(text.startswith("<greedy> +") for text in texts)
    assert "random +0" in texts


def test_without_a_rated_network_there_is_none() -> None:
    pool = rate([Pairing(Contestant("greedy"), RANDOM, BETTER)], RANDOM)
    with pytest.raises(ValueError, match="no network"):
        elo_over_time(pool, CYCLES, "")
