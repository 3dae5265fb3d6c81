"""A few kills of the real program; `make reliability` makes more, `make faults` three hundred."""

import pytest

from tests.faults import real_kills


@pytest.mark.slow
def test_kills_of_workers_screens_and_supervisor_lose_nothing() -> None:
    found = real_kills.kill(3, seed=4)
    assert found.problems == found.unreadable == []
    assert found.orphans == 0
    assert found.games > 0
