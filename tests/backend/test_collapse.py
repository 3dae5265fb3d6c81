"""Runs that learn nothing any more are told from those that do."""

import asyncio
from pathlib import Path

import pytest
import torch

from backend import collapse
from backend.collapse import GAMES, POINTS, REPORTS, WARM_STEPS, Collapse, watch_for_collapse
from backend.events import Event, SelfPlayProgress, ShardAdmitted, TrainingStep
from backend.ledger import Ledger
from backend.store.journal import Journal
from backend.store.store import Store
from tests.backend.test_training import make_trainer
from tests.positions import random_batch


def playing(surprise: float | None) -> SelfPlayProgress:
    return SelfPlayProgress(
        worker="sp0",
        network="step-00000000",
        games_running=8,
        mean_ply=10.0,
        positions_per_s=1.0,
        evaluations_per_s=1.0,
        network_frac=0.5,
        batch_frac=1.0,
        policy_surprise=surprise,
    )


def shard(decided: int, games: int = 20) -> ShardAdmitted:
    return ShardAdmitted(
        name="s",
        games=games,
        positions=1,
        truncated=0,
        white_wins=decided,
        draws=games - decided,
        black_wins=0,
        plies=1,
    )


def point(step: int = WARM_STEPS, **metrics: float) -> TrainingStep:
    return TrainingStep(step=step, metrics=metrics)


def said(watch: Collapse, event: Event, times: int) -> list[int]:
    """After how many of these events something was said."""
    return [number for number in range(1, times + 1) if watch.found(event)]


@pytest.mark.parametrize(
    ("sick", "well", "patience"),
    [
        (playing(0.009), playing(0.011), REPORTS),
        (shard(0), shard(1), GAMES // 20),
        (point(value_spread=0.009), point(value_spread=0.011), POINTS),
        (point(value_spread=0.99), point(value_spread=0.5), POINTS),
        (point(policy_entropy=0.01), point(policy_entropy=0.5), POINTS),
    ],
    ids=["searches repeat the policy", "all draws", "all equal", "no doubt", "one move"],
)
def test_each_sign_is_said_once_when_it_has_shown_for_a_while_and_not_of_a_well_run(
    sick: Event, well: Event, patience: int
) -> None:
    watch = Collapse()
    assert said(watch, well, 3 * patience) == []
    watch = Collapse()
    assert said(watch, sick, 3 * patience) == [patience]
    assert said(watch, well, 2 * patience) == []
    assert len(said(watch, sick, 3 * patience)) == 1


def test_early_points_and_what_nobody_knows_are_not_judged() -> None:
    watch = Collapse()
    early = point(WARM_STEPS - 1, value_spread=0.0, policy_entropy=0.0)
    assert said(watch, early, 100) == said(watch, playing(None), 200) == []
    assert said(watch, point(policy_loss=1.0), 100) == []


def test_the_spread_is_the_mean_absolute_score_of_the_value_head() -> None:
    trainer = make_trainer()
    batch = random_batch(16, seed=1, orientation=trainer.net.config.orientation)
    spread = trainer.step(batch)["value_spread"]
    assert 0.0 < spread < 0.5
    with torch.no_grad():
        trainer.net.value_fc3.weight.zero_()
        trainer.net.value_fc3.bias.copy_(torch.tensor([50.0, 0.0, 0.0]))
    assert trainer.step(batch)["value_spread"] == pytest.approx(1.0, abs=1e-3)
    assert collapse.MOST_SPREAD < 1.0


async def test_a_sign_becomes_an_alert_of_the_run(tmp_path: Path) -> None:
    store, journal = await Store.open(tmp_path / "m.db"), Journal(tmp_path / "journal.jsonl")
    ledger = Ledger(store, journal)
    watching = asyncio.create_task(watch_for_collapse(ledger))
    await asyncio.sleep(0)
    for _ in range(POINTS):
        ledger.publish(point(value_spread=0.0))
    ledger.end()
    await watching
    assert [alert.text for alert in ledger.state.alerts] == [
        "the value head calls every position equal: its mean absolute score is 0.0000"
    ]
    await store.close()
    journal.close()
