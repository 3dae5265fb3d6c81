"""Orders of the command line to a run that nobody holds, and to one that somebody does."""

from pathlib import Path

import pytest

from backend.commands import PlayMatch, Promote, RecordMatch, Rollback
from backend.config import Config
from backend.errand import carry_out
from backend.errors import RunDirectoryError, RunLockedError
from backend.rundir import SUPERVISOR, RunDirectory
from backend.store.journal import read_journal
from backend.store.reading import best_network, matches
from tests.backend.starting import started, write_checkpoint
from tests.backend.test_cycle import result


@pytest.fixture
async def run(tmp_path: Path) -> RunDirectory:
    """A stopped run with two checkpoints, both known."""
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.settle(Config())
    for step in (0, 10):
        write_checkpoint(run, step)
    async with started(run):
        pass
    return run


def test_a_stopped_run_takes_promotions_and_rollbacks_and_journals_them(run: RunDirectory) -> None:
    first, second = "step-00000000", "step-00000010"
    for name in (first, second):
        said = carry_out(run, Promote(name=name, reason="by test"), "matrix0 promote")
        assert said == f"{name} is the best network"
        assert best_network(run.database) == name
    said = carry_out(run, Rollback(reason="it blunders"), "matrix0 rollback")
    assert said == f"{first} is the best network again"
    assert best_network(run.database) == first
    facts = [type(entry.fact).__name__ for entry in read_journal(run.journal).entries]
    assert facts == ["Promoted", "Promote"] * 2 + ["Promoted", "Rollback"]


def test_what_cannot_be_done_is_refused_with_the_reason(run: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match="no checkpoint 'step-9' on disk"):
        carry_out(run, Promote(name="step-9", reason=""), "matrix0 promote")
    with pytest.raises(RunDirectoryError, match="no best network before this one"):
        carry_out(run, Rollback(reason=""), "matrix0 rollback")
    assert read_journal(run.journal).entries == ()


def test_a_match_is_recorded(run: RunDirectory) -> None:
    order = PlayMatch(match="m", candidate="a", opponent="b", games=4, simulations=8, seed=1)
    carry_out(run, RecordMatch(result=result(order)), "matrix0 match")
    assert [match.match for match in matches(run.database)] == ["m"]


def test_who_holds_the_run_is_named(run: RunDirectory) -> None:
    order = Rollback(reason="")
    with run.lock("matrix0 train"), pytest.raises(RunLockedError, match="`matrix0 train`"):
        carry_out(run, order, "matrix0 rollback")
    with run.lock(SUPERVISOR), pytest.raises(RunDirectoryError, match="cannot be asked"):
        carry_out(run, order, "matrix0 rollback")
