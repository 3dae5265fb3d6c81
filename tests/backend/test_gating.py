"""What becomes of checkpoints once they are there, with real files and a real database."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend import checkpoints
from backend.config import SupervisorConfig
from backend.events import CheckpointRetired, CheckpointSaved
from backend.gating import Gating
from backend.ledger import Ledger
from backend.recovery import read_checkpoint
from backend.rundir import RunDirectory
from tests.backend.test_recovery import CONFIG as FEW_STEPS
from tests.backend.test_recovery import started, write_checkpoint

CONFIG = replace(FEW_STEPS, supervisor=SupervisorConfig(keep_checkpoints=2))


class Stage:
    """A run whose trainer is the test."""

    def __init__(self, run: RunDirectory, ledger: Ledger, gating: Gating) -> None:
        self.run = run
        self.ledger = ledger
        self.gating = gating

    async def save(self, step: int, reason: str) -> str:
        name = write_checkpoint(self.run, step)
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


async def test_of_timed_checkpoints_one_stays_and_none_is_shown_measured_or_promoted(
    stage: Stage,
) -> None:
    await stage.save(0, "initial")
    await stage.save(3, "timed")
    timed = await stage.save(4, "timed")
    assert stage.on_disk() == [0, 4]
    assert stage.shown() == [0]
    assert [line.text for line in stage.ledger.state.log if "removed" in line.text] == []
    assert "best network itself" in await stage.gating.evaluate_newest()
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
