"""Outside bytes never end the program: a little of what `python -m tests.fuzz` does at length."""

import random

import pytest

from tests.fuzz.campaign import campaign, input_of
from tests.fuzz.mutations import shrink
from tests.fuzz.target import Target, on_bytes
from tests.fuzz.targets import TARGETS


def _found(name: str, count: int, seed: int) -> None:
    report = campaign(name, count, seed)
    print(report)
    assert not report.failures, "\n".join(map(str, report.failures))
    assert report.inputs == count


@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_are_read_or_refused(name: str) -> None:
    _found(name, 4 + TARGETS[name].share // 4, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_many_mutated_inputs_are_read_or_refused(name: str) -> None:
    _found(name, 57 * TARGETS[name].share, seed=2)


def test_an_input_is_the_same_whenever_it_is_asked_for() -> None:
    target = TARGETS["pgn"]
    assert [input_of(target, 3, n) for n in range(20)] == [
        input_of(target, 3, n) for n in range(20)
    ]
    assert len({input_of(target, 3, n) for n in range(20)}) > 15


def test_a_campaign_finds_faults_and_shrinks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that trips over one byte, one that hangs over it, and one that keeps it all."""
    kept = []

    def trips(data: bytes) -> None:
        if b"(" in data:
            raise KeyError("(")
        if b"{" in data:
            while True:
                pass
        kept.append(bytearray(random.Random(1).randbytes(1 << 20)))

    bad = Target(name="bad", open=on_bytes(trips), seeds=lambda: (b"1. e4 e5",))
    monkeypatch.setitem(TARGETS, "bad", bad)
    monkeypatch.setattr("tests.fuzz.campaign.LIMIT_S", 0.02)
    report = campaign("bad", 160, 0, most_failures=1000)
    whats = {failure.what.split(":")[1].strip() for failure in report.failures if failure.data}
    assert whats == {"KeyError", "HangError"}
    assert {f.data for f in report.failures if "KeyError" in f.what} == {b"("}
    assert "memory grew" in report.failures[-1].what


def test_shrinking_keeps_what_fails() -> None:
    assert shrink(bytes(range(200)), lambda data: 7 in data and 150 in data) == bytes((7, 150))
