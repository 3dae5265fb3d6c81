"""How much of a clock one move gets: never more than there is, and enough to be of use."""

from hypothesis import given
from hypothesis import strategies as st

from backend.engine.limits import Clock, Limits, plan_time

seconds = st.floats(0.0, 1e5)


def test_a_given_time_is_used_up_to_the_overhead() -> None:
    plan = plan_time(Limits(movetime_s=2.0), 0.05)
    assert plan.soft_s == plan.hard_s == 1.95


def test_without_time_limits_there_is_no_end() -> None:
    plan = plan_time(Limits(nodes=5), 0.05)
    assert plan.soft_s == plan.hard_s == float("inf")
    assert Limits().is_open
    assert Limits(infinite=True, nodes=5).is_open
    assert not Limits(nodes=5).is_open


@given(seconds, seconds, st.none() | st.integers(1, 100), st.floats(0.0, 5.0))
def test_no_move_takes_more_than_the_clock_has(
    remaining_s: float, increment_s: float, moves_to_go: int | None, overhead_s: float
) -> None:
    clock = Clock(remaining_s=remaining_s, increment_s=increment_s, moves_to_go=moves_to_go)
    plan = plan_time(Limits(clock=clock), overhead_s)
    assert 0.0 < plan.soft_s <= plan.hard_s
    assert plan.hard_s <= max(0.001, 0.8 * (remaining_s - overhead_s))


def test_the_whole_of_a_session_is_played_within_its_time() -> None:
    for moves in (40, 1):
        left = 60.0
        for to_go in range(moves, 0, -1):
            clock = Clock(remaining_s=left, moves_to_go=to_go)
            left -= plan_time(Limits(clock=clock), 0.0).hard_s
        assert left > 0.0
        assert left < 15.0


def test_a_clock_below_zero_gets_an_answer_at_once() -> None:
    plan = plan_time(Limits(clock=Clock(remaining_s=-3.0)), 0.05)
    assert plan.hard_s <= 0.001


def test_the_increment_is_spent() -> None:
    clock = Clock(remaining_s=10.0, increment_s=2.0)
    assert plan_time(Limits(clock=clock), 0.0).soft_s > 1.6
