"""The trainer could not read a shard, or died of it, and a pass had rescored that shard."""

from pathlib import Path

import pytest

from backend.recovery import Findings
from backend.replay.schema import SCHEMA_VERSION
from backend.rundir import RunDirectory
from tests.backend.starting import started, write_rescored, write_shards

REASON = "the trainer died again while it read it"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


async def _states(findings: Findings) -> list[str]:
    return [row.state for row in await findings.ledger.store.shards()]


def _damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


async def test_a_damaged_twin_is_set_aside_and_the_shard_stays(run: RunDirectory) -> None:
    name = write_shards(run, 1)[0]
    twin = write_rescored(run, name)
    async with started(run) as findings:
        _damage(twin)
        await findings.intake.withdraw(name)
        assert await _states(findings) == ["admitted"]
        first, second = findings.ledger.state.alerts
        assert f"{twin.name}: damaged" in first.text
        assert f"shard {name} reads well now" in second.text
    assert [path.name for path in run.quarantine.iterdir()] == [twin.name]
    assert (run.replay / name).exists()


async def test_a_twin_that_kills_goes_first_and_the_shard_only_if_it_kills_too(
    run: RunDirectory,
) -> None:
    name = write_shards(run, 1)[0]
    twin = write_rescored(run, name)
    async with started(run) as findings:
        await findings.intake.set_aside(name, REASON)
        assert await _states(findings) == ["admitted"]
        assert [path.name for path in run.quarantine.iterdir()] == [twin.name]
        (alert,) = findings.ledger.state.alerts
        assert alert.level == "error"
        assert f"{twin.name}: {REASON}; the shard it was made from is read" in alert.text
        await findings.intake.set_aside(name, REASON)
        assert await _states(findings) == ["rejected"]
    assert not list(run.replay.iterdir())


async def test_a_shard_that_is_set_aside_leaves_no_twin_behind(run: RunDirectory) -> None:
    names = write_shards(run, 2)
    kept, _ = (write_rescored(run, name) for name in names)
    async with started(run) as findings:
        _damage(run.replay / names[1])
        await findings.intake.withdraw(names[1])
        assert await _states(findings) == ["admitted", "rejected"]
    assert list(run.rescored.iterdir()) == [kept]
    assert [path.name for path in run.quarantine.iterdir()] == [names[1]]


async def test_a_twin_of_a_newer_matrix0_is_named_and_left(run: RunDirectory) -> None:
    name = write_shards(run, 1)[0]
    twin = write_rescored(run, name)
    async with started(run) as findings:
        said = rb"{\"schema\":%d"
        content = twin.read_bytes().replace(said % SCHEMA_VERSION, said % 9, 1)
        twin.write_bytes(content)
        await findings.intake.withdraw(name)
        assert await _states(findings) == ["admitted"]
        (alert,) = findings.ledger.state.alerts
        assert twin.name in alert.text
    assert twin.exists()
