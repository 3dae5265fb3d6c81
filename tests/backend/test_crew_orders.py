"""A crew whose workers are restarted, revived, added and removed while it is at work."""

from pathlib import Path

import pytest

from backend import crew
from backend.commands import Stop
from backend.events import WorkerBackoff, WorkerExited, WorkerGivenUp, WorkerRetired, WorkerStarted
from backend.ledger import Ledger
from backend.pool import WorkerSpec
from tests.backend.fakes.pool import FakePool
from tests.backend.test_crew import QUICK, ledger, stage

__all__ = ["ledger"]


def spec(worker: str) -> WorkerSpec:
    return WorkerSpec(worker=worker, role="selfplay", argv=(), environment={}, log=Path("unused"))


async def test_a_restart_is_no_crash(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        for _ in range(QUICK.max_crashes + 1):
            await scene.wait_for(WorkerStarted)
            scene.crew.restart("sp0")
            exited = await scene.wait_for(WorkerExited)
            assert isinstance(exited, WorkerExited)
            assert exited.expected
        await scene.wait_for(WorkerStarted)
        assert not [e for e in scene.published if isinstance(e, WorkerBackoff | WorkerGivenUp)]
        assert pool.sent[0] == ("sp0", Stop())


async def test_one_that_does_not_stop_for_a_restart_is_killed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "KILL_GRACE_S", 0.01)
    pool = FakePool(obeys_stop=False)
    quick = type(QUICK)(stop_grace_s=0.01, stall_s=60.0)
    async with stage(pool, ledger, quick) as scene:
        await scene.wait_for(WorkerStarted)
        scene.crew.restart("sp0")
        await scene.wait_for(WorkerStarted)
        assert [number for _, number in pool.signals] == [15, 9]
        pool.end("sp0", 0)


async def test_one_that_was_given_up_starts_with_a_clean_slate(ledger: Ledger) -> None:
    pool = FakePool(exits_at_once=1)
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerGivenUp)
        assert scene.crew.num_useful("selfplay") == 0
        scene.crew.restart("sp0")
        await scene.wait_for(WorkerStarted)
        assert scene.crew.num_useful("selfplay") == 1
        await scene.wait_for(WorkerGivenUp)
    assert pool.starts == ["sp0"] * 2 * QUICK.max_crashes


async def test_a_wait_for_the_next_start_can_be_cut_short(ledger: Ledger) -> None:
    pool = FakePool()
    patient = type(QUICK)(backoff_s=3600.0, backoff_max_s=3600.0)
    async with stage(pool, ledger, patient) as scene:
        await scene.wait_for(WorkerStarted)
        pool.end("sp0", 70)
        await scene.wait_for(WorkerBackoff)
        scene.crew.restart("sp0")
        await scene.wait_for(WorkerStarted)


async def test_workers_come_and_go_and_their_names_are_free_again(ledger: Ledger) -> None:
    pool = FakePool()
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerStarted)
        scene.crew.add(spec("sp1"))
        await scene.wait_for(WorkerStarted)
        assert scene.crew.workers("selfplay") == ["sp0", "sp1"]
        scene.crew.remove("sp1")
        assert scene.crew.workers("selfplay") == ["sp0"]
        assert (scene.crew.knows("sp1"), scene.crew.is_taken("sp1")) == (False, True)
        await scene.wait_for(WorkerRetired)
        assert scene.exits == ["selfplay"]  # What it had not announced is looked for.
        assert not scene.crew.is_taken("sp1")
        scene.crew.add(spec("sp1"))
        await scene.wait_for(WorkerStarted)
    assert pool.starts == ["sp0", "sp1", "sp1"]


async def test_one_that_was_given_up_can_be_removed(ledger: Ledger) -> None:
    pool = FakePool(exits_at_once=1)
    async with stage(pool, ledger) as scene:
        await scene.wait_for(WorkerGivenUp)
        scene.crew.remove("sp0")
        await scene.wait_for(WorkerRetired)
