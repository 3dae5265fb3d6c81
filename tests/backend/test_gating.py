"""What becomes of checkpoints once they are there, with real files and a real database."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct

from backend import checkpoints
from backend.commands import (
    DeleteCheckpoint,
    PlayMatch,
    RecordMatch,
    Rollback,
    VerifyCheckpoint,
)
from backend.config import SupervisorConfig
from backend.events import CheckpointRetired, CheckpointSaved, TrainingStep
from backend.gating import Gating
from backend.ledger import Ledger
from backend.recovery import read_checkpoint
from backend.rundir import RunDirectory
from backend.summary import cycles_table
from backend.wording import DASH
from tests.backend.starting import CONFIG as FEW_STEPS
from tests.backend.starting import started, write_checkpoint
from tests.backend.test_cycle import result

CONFIG = replace(FEW_STEPS, supervisor=SupervisorConfig(keep_checkpoints=2))


class Stage:
    """A run whose trainer is the test."""

    def __init__(self, run: RunDirectory, ledger: Ledger, gating: Gating) -> None:
        self.run = run
        self.ledger = ledger
        self.gating = gating

    async def save(self, step: int, reason: str) -> str:
        return await self.tell(write_checkpoint(self.run, step), reason)

    async def tell(self, name: str, reason: str) -> str:
        saved = read_checkpoint(self.run.checkpoints / name, CONFIG)
        values = {field: getattr(saved, field) for field in saved.__struct_fields__}
        await self.gating.checkpoint_saved(CheckpointSaved(**{**values, "reason": reason}))
        return name

    def on_disk(self) -> list[int]:
        names = checkpoints.list_checkpoints(self.run.checkpoints)
        return [checkpoints.checkpoint_step(name) or 0 for name in names]

    def shown(self) -> list[int]:
        return [view.step for view in self.ledger.state.checkpoints]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


@pytest.fixture
async def stage(run: RunDirectory) -> AsyncIterator[Stage]:
    async def ignore(role: object, command: object) -> None:
        return

    async with started(run, CONFIG) as findings:
        gating = Gating(
            run,
            CONFIG,
            findings.ledger,
            findings.director,
            order=ignore,
            on_cycle=lambda cycle: None,
        )
        yield Stage(run, findings.ledger, gating)


async def test_the_state_shows_the_checkpoints_that_are_on_disk_and_those_asked_for_stay(
    stage: Stage,
) -> None:
    listener = stage.ledger.listen()
    await stage.save(0, "initial")
    asked = await stage.save(3, "requested")
    for step in (4, 5, 6):
        await stage.save(step, "stopping")
    assert stage.on_disk() == stage.shown() == [0, 3, 5, 6]
    listener.end()
    heard = []
    while (happened := await listener.next()) is not None:
        heard.append(happened.event)
    (retired,) = (event for event in heard if isinstance(event, CheckpointRetired))
    assert retired.name == "step-00000004"
    assert await stage.gating.promote(asked, "") == ""
    assert "there is no checkpoint" in await stage.gating.promote(retired.name, "")


async def test_one_saved_by_the_clock_stays_once_a_person_asks_for_it(stage: Stage) -> None:
    await stage.save(0, "initial")
    await stage.save(3, "timed")
    assert stage.shown() == [0]
    for reason in ("requested", "requested", "timed"):  # Told twice it is no other one.
        await stage.tell("step-00000003", reason)
    assert stage.shown() == [0, 3]
    told = [line.text for line in stage.ledger.state.log if line.text.endswith(" already")]
    assert told == [
        "step-00000003 is saved already",
        "step-00000003 was told twice; it is there already",
    ]
    for step in (4, 5, 6):
        await stage.save(step, "timed")
    assert stage.on_disk() == [0, 3, 6]
    assert await stage.gating.promote("step-00000003", "") == ""


async def test_a_candidate_that_is_told_again_for_another_reason_stays_one(stage: Stage) -> None:
    await stage.save(0, "initial")
    await stage.save(3, "cycle")
    await stage.tell("step-00000003", "requested")
    (_, candidate) = stage.ledger.state.checkpoints
    assert candidate.reason == "cycle"


async def test_a_loss_that_the_network_does_not_have_is_none_and_shown_as_a_dash(
    stage: Stage,
) -> None:
    await stage.save(0, "initial")
    stage.ledger.publish(TrainingStep(step=9, metrics={"policy_loss": 2.5, "value_loss": 0.0}))
    await stage.save(10, "cycle")
    while (order := stage.gating.match_to_play()) is not None:
        await stage.gating.match_finished(result(order))
    (cycle,) = stage.ledger.state.cycles_done
    assert (cycle.policy_loss, cycle.value_loss, cycle.piece_loss) == (2.5, 0.0, None)
    heading, row = (line.split() for line in cycles_table(stage.ledger.state, 200))
    assert row[heading.index("piece")] == DASH
    assert await stage.ledger.store.cycles() == [cycle]


async def test_each_nth_cycles_checkpoint_stays_for_good(stage: Stage) -> None:
    stage.gating._keeper._config = replace(
        CONFIG, supervisor=replace(CONFIG.supervisor, keep_every=2)
    )
    for step in range(0, 80, 10):
        await stage.save(step, "cycle")
    await stage.save(75, "stopping")
    # The first is the best too; what is being measured and the last two stay anyway.
    assert [step for step in stage.on_disk() if step % 20 == 0] == [0, 20, 40, 60]
    assert 30 not in stage.on_disk()
    assert 50 not in stage.on_disk()


async def test_of_timed_checkpoints_one_stays_and_none_is_shown_measured_or_promoted(
    stage: Stage,
) -> None:
    await stage.save(0, "initial")
    await stage.save(3, "timed")
    timed = await stage.save(4, "timed")
    assert stage.on_disk() == [0, 4]
    assert stage.shown() == [0]
    assert [line.text for line in stage.ledger.state.log if "removed" in line.text] == []
    assert "best network itself" in await stage.gating.evaluate()
    assert "there is no checkpoint" in await stage.gating.evaluate(timed)
    assert "there is no checkpoint" in await stage.gating.promote(timed, "")
    for step in (5, 6, 7):
        await stage.save(step, "stopping")
    assert stage.on_disk() == [0, 4, 6, 7]


async def test_a_start_shows_the_checkpoints_that_are_on_disk(run: RunDirectory) -> None:
    for step in (0, 10, 20):
        write_checkpoint(run, step)
    async with started(run, CONFIG) as findings:
        await findings.ledger.store.set_checkpoint_state("step-00000010", "retired")
    async with started(run, CONFIG) as findings:
        assert [view.step for view in findings.ledger.state.checkpoints] == [0, 20]
    assert checkpoints.list_checkpoints(run.checkpoints) == ["step-00000000", "step-00000020"]


async def test_a_rollback_goes_back_one_promotion_at_a_time_and_says_why(stage: Stage) -> None:
    first = await stage.save(0, "initial")
    second, third = await stage.save(3, "requested"), await stage.save(4, "requested")
    gating, store = stage.gating, stage.ledger.store
    assert gating.best == first
    assert await gating.roll_back("") == "there was no best network before this one"
    for name in (second, third):
        assert await gating.promote(name, "") == ""
    refused, text = await gating.obey(Rollback(reason="it blunders"), "a test")
    assert (refused, text) == ("", f"{second} is the best network again")
    last = (await store.promotions())[-1]
    assert (last.name, last.previous, last.is_rollback) == (second, third, True)
    assert last.reason == "rolled back by hand: it blunders"
    assert await gating.roll_back("") == ""
    assert gating.best == await store.best() == stage.ledger.state.best == first
    assert await gating.roll_back("") == "there was no best network before this one"
    assert await gating.promote(third, "") == ""
    assert await gating.roll_back("") == ""
    assert gating.best == first


async def test_the_best_before_this_one_stays_on_disk(stage: Stage) -> None:
    await stage.save(0, "initial")
    for step in (1, 2):
        assert await stage.gating.promote(await stage.save(step, "stopping"), "") == ""
    for step in (3, 4, 5):
        await stage.save(step, "stopping")
    assert stage.on_disk() == [0, 1, 2, 4, 5]
    assert await stage.gating.roll_back("") == ""
    assert stage.gating.best == "step-00000001"


async def test_an_undecided_candidate_is_promoted_when_it_led_and_the_verdict_stays(
    stage: Stage,
) -> None:
    first = await stage.save(0, "initial")
    candidate = await stage.save(10, "cycle")
    order = stage.gating.match_to_play()
    assert order is not None
    assert order.decides
    await stage.gating.match_finished(result(order))
    (decision,) = await stage.ledger.store.decisions()
    assert (decision.candidate, decision.best) == (candidate, first)
    assert (decision.verdict, decision.promotes_anyway) == ("inconclusive", True)
    assert decision.llr is not None
    assert "nothing proven, promoted all the same" in decision.reason
    assert stage.gating.best == candidate
    (cycle,) = await stage.ledger.store.cycles()
    assert (cycle.verdict, cycle.promotes_anyway) == ("inconclusive", True)
    (view,) = (c for c in stage.ledger.state.checkpoints if c.name == candidate)
    assert (view.verdict, view.promotes_anyway) == ("inconclusive", True)


async def test_a_match_played_elsewhere_joins_the_pool_once(stage: Stage) -> None:
    played = PlayMatch(match="by-hand", candidate="a", opponent="b", games=4, simulations=8, seed=1)
    order = RecordMatch(result=result(played))
    assert await stage.gating.obey(order, "a test") == ("", "by-hand is recorded")
    assert await stage.gating.obey(order, "a test") == (
        "there is a match by-hand already",
        "by-hand is recorded",
    )
    assert len(await stage.ledger.store.matches()) == 1


@pytest.mark.parametrize("tries", [25, pytest.param(100, marks=pytest.mark.slow)])
async def test_of_many_promoters_at_once_none_overwrites_what_another_has_done(
    tries: int, stage: Stage
) -> None:
    """Each promotion names the one that it replaced: a lost update would break the chain."""
    names = [await stage.save(step, "requested") for step in range(5)]
    refused = 0

    async def promoter(number: int) -> None:
        nonlocal refused
        rng = random.Random(number)
        for turn in range(tries):
            if turn % 5 == 4:
                why_not = await stage.gating.roll_back("")
            else:
                why_not = await stage.gating.promote(rng.choice(names), "a race")
            refused += bool(why_not)

    async with asyncio.TaskGroup() as tasks:
        for number in range(4):
            tasks.create_task(promoter(number))
    promotions = await stage.ledger.store.promotions()
    assert [p.previous for p in promotions] == ["", *(p.name for p in promotions[:-1])]
    assert len(promotions) == 1 + 4 * tries - refused
    assert all(p.name != p.previous for p in promotions)
    assert await stage.ledger.store.best() == stage.gating.best == promotions[-1].name


async def test_a_decision_that_comes_after_another_promotion_is_kept_and_promotes_nobody(
    stage: Stage,
) -> None:
    first, candidate, other = [await stage.save(step, "cycle") for step in (0, 10, 20)]
    assert stage.gating.best == first
    order = stage.gating.match_to_play()
    assert order is not None
    assert (order.candidate, order.opponent) == (candidate, first)
    assert await stage.gating.promote(other, "by hand, while the match is played") == ""
    won = replace_struct(result(order), wins=4, draws=0, losses=0, pairs=(0, 0, 0, 0, 2))
    await stage.gating.match_finished(won)
    (decision,) = await stage.ledger.store.decisions()
    assert decision.candidate == candidate
    assert not decision.promotes
    assert f"meanwhile {other} became the best" in decision.reason
    assert stage.gating.best == other


async def test_a_checkpoint_that_nothing_needs_is_deleted_and_the_log_says_by_whom(
    stage: Stage,
) -> None:
    await stage.save(0, "initial")
    needless = await stage.save(3, "requested")
    await stage.save(4, "stopping")
    refused, text = await stage.gating.obey(DeleteCheckpoint(name=needless), "a test")
    assert refused == ""
    assert text.startswith(f"{needless} is deleted, ")
    assert stage.on_disk() == stage.shown() == [0, 4]
    assert (await stage.ledger.store.checkpoint_states())[needless] == "retired"
    lines = [line.text for line in stage.ledger.state.log]
    assert f"checkpoint {needless} deleted, asked by a test" in lines
    refused, _ = await stage.gating.obey(DeleteCheckpoint(name=needless), "a test")
    assert refused == f"there is no checkpoint '{needless}' on disk"


async def test_what_the_run_needs_is_not_deleted(stage: Stage) -> None:
    gating = stage.gating
    first, second = [await stage.save(step, "requested") for step in (0, 1)]
    assert await gating.promote(second, "") == ""
    measured, waiting = [await stage.save(step, "cycle") for step in (10, 20)]
    newest = await stage.save(21, "requested")

    async def refusal(name: str) -> str:
        return (await gating.obey(DeleteCheckpoint(name=name), "a test"))[0]

    assert await refusal(second) == f"{second} is the best network"
    assert await refusal(first) == f"{first} was the best before this one: a rollback needs it"
    for name in (measured, waiting):
        assert await refusal(name) == f"{name} is being measured or will be"
    assert "training goes on from it" in await refusal(newest)
    timed = await stage.save(22, "timed")
    assert "training goes on from it" in await refusal(newest)
    assert await refusal(timed) == f"there is no checkpoint '{timed}' on disk"
    assert stage.on_disk() == [0, 1, 10, 20, 21, 22]


async def test_a_checkpoint_is_verified_by_order_and_damage_is_said_to_everybody(
    stage: Stage,
) -> None:
    name = await stage.save(0, "initial")
    order = VerifyCheckpoint(name=name)
    refused, text = await stage.gating.obey(order, "a test")
    assert refused == ""
    assert text.startswith(f"{name} is sound: ")
    assert "every number finite" in text
    file = stage.run.checkpoints / name / "ema.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    refused, text = await stage.gating.obey(order, "a test")
    assert (refused, text) == (f"{file}: damaged: its SHA-256 is not the manifest's", "")
    (alert,) = stage.ledger.state.alerts
    assert (alert.level, alert.text) == ("error", f"checkpoint {name} is damaged: {refused}")


async def test_a_promotion_and_a_deletion_at_once_leave_the_best_on_disk(stage: Stage) -> None:
    for turn in range(20):
        name = await stage.save(2 * turn, "requested")
        await stage.save(2 * turn + 1, "requested")
        promoted, deleted = await asyncio.gather(
            stage.gating.promote(name, "a race"),
            stage.gating.obey(DeleteCheckpoint(name=name), "a race"),
        )
        assert promoted or deleted[0], "one of the two is too late"
        assert (stage.run.checkpoints / stage.gating.best).is_dir()
