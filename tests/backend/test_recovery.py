"""Start-up on disks in every state a death may leave behind, with real shards and checkpoints."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from backend.commands import PlayMatch
from backend.cycle import Play
from backend.events import Alert, Promoted, TrainingStep
from backend.gating import Gating
from backend.recovery import read_checkpoint
from backend.rundir import RunDirectory
from tests.backend.starting import (
    CONFIG,
    delete_database,
    pgn_ids,
    started,
    write_checkpoint,
    write_shards,
)
from tests.backend.test_cycle import decided, result


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


async def test_an_empty_directory_is_a_new_run(run: RunDirectory) -> None:
    async with started(run) as findings:
        assert findings.event.best == ""
        assert findings.event.cycle == 0
        assert findings.candidate is None
        assert findings.remarks == []


async def test_the_cycle_that_goes_on_keeps_the_time_it_took_in_earlier_starts(
    run: RunDirectory,
) -> None:
    async with started(run) as findings:
        for at in (1000.0, 1250.0):
            findings.ledger.publish(Alert(at=at, level="info", text="at work"))
    async with started(run) as findings:
        assert findings.event.cycle_seconds == 250.0
        findings.ledger.publish(replace(findings.event, at=9000.0))
        assert findings.ledger.state.cycle_started_at == 8750.0


async def test_orphans_are_adopted_and_counted_once(run: RunDirectory) -> None:
    names = write_shards(run, 3)
    write_checkpoint(run, 0)
    (run.replay / "x.safetensors.tmp.123.0a1b2c3d").write_bytes(b"half")
    async with started(run) as findings:
        assert findings.event.adopted_shards == findings.event.shards == 3
        assert findings.event.games == 6
        assert findings.event.checkpoints == 1
        assert findings.event.swept == 1
        assert findings.ledger.state.totals.games == 6
    async with started(run) as findings:
        assert findings.event.adopted_shards == 0
        assert findings.event.games == 6
        assert findings.ledger.state.checkpoints[0].reason == "initial"
        stored = {row.name for row in await findings.ledger.store.shards()}
    assert stored == set(names)
    assert len(pgn_ids(run)) == 6


@pytest.mark.parametrize("damage", ["missing", "garbage"])
async def test_a_lost_database_is_made_anew_from_files_and_journal(
    run: RunDirectory, damage: str
) -> None:
    write_shards(run, 3)
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    match = result(
        PlayMatch(match="m", candidate=second, opponent=first, games=4, simulations=8, seed=1)
    )
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"))
        await findings.ledger.commit(match, decided("step-5"))
        findings.ledger.publish(TrainingStep(step=3, metrics={"policy_loss": 2.0}))
    pgn = (run.games / "selfplay.pgn").read_bytes()
    delete_database(run)
    if damage == "garbage":
        run.database.write_bytes(b"\x00garbage" * 1000)

    async with started(run) as findings:
        store = findings.ledger.store
        assert findings.event.best == first
        assert findings.event.adopted_shards == 3
        assert [m.match for m in await store.matches()] == ["m"]
        assert [d.candidate for d in await store.decisions()] == ["step-5"]
        assert any("made anew" in remark for remark in findings.remarks) == (damage == "garbage")
    assert (run.games / "selfplay.pgn").read_bytes() == pgn
    assert bool(list(run.quarantine.glob("*matrix0.db"))) == (damage == "garbage")
    async with started(run) as findings:
        assert findings.event.adopted_shards == 0
    assert (run.games / "selfplay.pgn").read_bytes() == pgn


async def test_points_beyond_the_newest_checkpoint_are_forgotten(run: RunDirectory) -> None:
    write_checkpoint(run, 0)
    write_checkpoint(run, 10)
    async with started(run) as findings:
        for step in (5, 10, 15):
            findings.ledger.publish(TrainingStep(step=step, metrics={"policy_loss": 2.0}))
    async with started(run) as findings:
        assert findings.ledger.state.metrics["policy_loss"] == ((5.0, 2.0), (10.0, 2.0))
        assert findings.ledger.state.step == 10
        (curve,) = await findings.ledger.store.curves()
        assert [step for step, _ in curve.points] == [5, 10]


async def test_a_damaged_best_network_falls_back_to_the_one_before(run: RunDirectory) -> None:
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"))
        await findings.ledger.commit(Promoted(name=second, previous=first, reason="better"))
    weights = run.checkpoints / second / "ema.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    async with started(run) as findings:
        assert findings.event.best == first
        assert findings.event.quarantined == 1
        assert any("takes its place" in remark for remark in findings.remarks)
    assert not (run.checkpoints / second).exists()
    async with started(run) as findings:
        assert findings.event.best == first
        assert findings.remarks == []


async def test_an_undecided_candidate_waits_for_its_match(run: RunDirectory) -> None:
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    write_checkpoint(run, 13)
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"))
    async with started(run) as findings:
        assert findings.candidate is not None
        assert findings.candidate.name == second
        (action,) = findings.director.checkpoint(findings.candidate)
        assert isinstance(action, Play)
        assert (action.order.candidate, action.order.opponent) == (second, first)


@pytest.mark.parametrize("promotion_recorded", [False, True])
async def test_a_decision_whose_consequences_are_missing_is_completed(
    run: RunDirectory, promotion_recorded: bool
) -> None:
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    decision = decided(second)
    fields = {name: getattr(decision, name) for name in decision.__struct_fields__}
    decision = type(decision)(**{**fields, "best": first, "verdict": "promoted"})
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"), decision)
        if promotion_recorded:
            await findings.ledger.commit(Promoted(name=second, previous=first, reason="gate"))
    finished: list[int] = []

    async def order(role: object, command: object) -> None:
        raise AssertionError("nothing is to be played")

    async def ignore(role: object, command: object) -> None:
        return

    async with started(run) as findings:
        gating = Gating(
            run,
            CONFIG,
            findings.ledger,
            findings.director,
            order=order if promotion_recorded else ignore,
            on_cycle=finished.append,
        )
        await gating.resume(findings)
        assert gating.best == second
        assert finished == [1]
        assert [p.name for p in await findings.ledger.store.promotions()] == [first, second]
        assert [c.verdict for c in await findings.ledger.store.cycles()] == ["promoted"]
    async with started(run) as findings:
        assert findings.unfinished is None
        assert findings.candidate is None
        assert findings.event.cycle == 1


async def test_the_curve_behind_a_recorded_checkpoint_is_recorded_with_it(
    run: RunDirectory,
) -> None:
    async def ignore(role: object, command: object) -> None:
        return

    async with started(run) as findings:
        ledger = findings.ledger
        gating = Gating(
            run, CONFIG, ledger, findings.director, order=ignore, on_cycle=lambda cycle: None
        )
        ledger.publish(TrainingStep(step=10, metrics={"policy_loss": 2.0}))
        name = write_checkpoint(run, 10)
        await gating.checkpoint_saved(read_checkpoint(run.checkpoints / name, CONFIG))
        # A death now, before the next regular flush, must leave no hole: nobody makes it again.
        assert await ledger.store.curves() == [("policy_loss", ((10.0, 2.0),), 1, 10)]
