"""Faults in small numbers by default, in more as `slow`; `make faults` makes the full ones.

Each harness is also let loose on a protocol that is known to be wrong, and must find it.
"""

import pytest

from backend.commit import move
from tests.faults import bit_rot, call_failures, commit_kills, power_cuts

NAIVE = {
    "no fsync of files": frozenset({"sync"}),
    "no fsync of directories": frozenset({"sync_directory"}),
    "no fsync of a directory that is being committed": frozenset({"sync_temporary"}),
}


def test_a_power_cut_takes_nothing_that_was_acknowledged() -> None:
    found = power_cuts.simulate(20, seed=1, rounds=4)
    assert (found.bad_states, found.violations) == (0, {})
    assert found.again > 0


@pytest.mark.slow
def test_five_hundred_power_cuts_take_nothing_that_was_acknowledged() -> None:
    found = power_cuts.simulate(500, seed=2)
    assert (found.states, found.bad_states, found.violations) == (500, 0, {})


def test_a_recovery_that_goes_past_the_file_system_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.recovery.move", lambda old, new, fs: move(old, new))
    with pytest.raises(AssertionError, match="went past the file system"):
        power_cuts.simulate(4, seed=5, rounds=1)


@pytest.mark.parametrize("left_out", NAIVE, ids=list(NAIVE))
def test_power_cuts_find_a_protocol_with(left_out: str) -> None:
    assert power_cuts.simulate(12, seed=3, ignore=NAIVE[left_out], rounds=4).bad_states > 0


def test_kills_lose_nothing_that_was_acknowledged() -> None:
    found = commit_kills.kill(6, seed=1)
    assert found.problems == []
    assert found.kills == 6
    assert found.shards > 0


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_that_was_acknowledged() -> None:
    found = commit_kills.kill(100, seed=2)
    assert found.problems == []
    assert min(found.shards, found.checkpoints, found.adopted, found.swept) > 0


@pytest.mark.slow
def test_kills_find_files_that_are_written_in_place() -> None:
    assert commit_kills.kill(10, seed=3, naive=True).problems


def test_whatever_call_fails_nothing_is_harmed_and_the_write_succeeds_later() -> None:
    found = call_failures.fail_each((call_failures.File, call_failures.JournalWay))
    assert found.violations == []
    assert found.tried > 100


@pytest.mark.slow
def test_whatever_call_of_any_way_to_write_fails_nothing_is_harmed() -> None:
    found = call_failures.fail_each()
    assert found.violations == []
    assert found.tried > 600


def test_damage_of_every_kind_of_file_is_named_or_harmless() -> None:
    found = bit_rot.damage(2, seed=1)
    assert found.violations == []
    assert set(found.tried) == set(bit_rot.KINDS)


@pytest.mark.slow
def test_much_damage_of_every_kind_of_file_is_named_or_harmless() -> None:
    found = bit_rot.damage(40, seed=2)
    assert found.violations == []
    for kind in ("shard", "manifest", "checkpoint", "database", "config"):
        assert found.named[kind] == found.tried[kind] == 40
