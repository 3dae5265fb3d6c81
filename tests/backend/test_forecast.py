"""How far a run is and how long it will take, told from states."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from backend import events as e
from backend.forecast import cycle_elapsed_s, memory_full_s, progress
from backend.headless import progress_line
from backend.state import RunState
from tests.tui import scenario
from tests.tui.scenario import START, fold_all


def begun(cycles: int = 0) -> RunState:
    first, *rest = scenario.beginning()
    assert isinstance(first, e.RunStarted)
    return fold_all([replace(first, cycles=cycles), *rest])


def step(number: int, at: float) -> e.TrainingStep:
    return e.TrainingStep(at=at, step=number, metrics={"policy_loss": 2.0})


def match_begins(at: float, candidate: str = "step-00001000") -> e.MatchStarted:
    return e.MatchStarted(
        at=at, match="m1", candidate=candidate, opponent="b", games=20, simulations=8
    )


def games_played(number: int, at: float) -> e.MatchProgress:
    return e.MatchProgress(at=at, match="m1", played=number, wins=number, draws=0, losses=0)


def test_nothing_is_foretold_before_there_is_something_to_go_by() -> None:
    for state in (RunState(), begun(), begun(cycles=2)):
        assert progress(state, START + 50).eta_s is None


def test_the_steps_of_a_first_cycle_are_extrapolated() -> None:
    state = fold_all([step(250, START + 100)], begun())
    done = progress(state, START + 100)
    assert (done.target, done.frac, done.eta_s) == (1000, 0.25, 300.0)
    assert done.evaluation == ""


def test_while_the_match_runs_its_games_are_what_is_left() -> None:
    """The trainer is ahead with the next cycle's steps; neither they nor 100 % are shown."""
    events = [
        step(1000, START + 400),
        match_begins(START + 400),
        step(1233, START + 520),
        games_played(12, START + 520),
    ]
    state = replace(fold_all(events, begun()), evaluation_games=20)
    done = progress(state, START + 520)
    assert (done.step, done.target, done.frac) == (1233, 0, 0.6)
    assert done.evaluation == "evaluating 12/20"
    assert done.eta_s == pytest.approx(80.0)
    assert "step 1,233 (evaluating 12/20)" in progress_line(state)
    assert "left in the cycle 1m20s" in progress_line(state)


def test_matches_against_baselines_are_part_of_the_evaluation() -> None:
    events = [step(1000, START + 400), match_begins(START + 400), games_played(20, START + 600)]
    state = replace(fold_all(events, begun()), evaluation_games=40)
    assert progress(state, START + 600).eta_s == pytest.approx(200.0)
    ended = replace(
        scenario.cycle_end(1, START + 600, 0.0, "rejected")[0], match="m1", seconds=200.0
    )
    against_random = replace(match_begins(START + 600), match="m2", opponent="random")
    state = fold_all([ended, against_random], state)
    assert progress(state, START + 600).evaluation == "evaluating 0/20"
    left_s = progress(state, START + 600).eta_s
    assert left_s == pytest.approx(20.0)  # The finished match had 200 games, one a second.


def test_the_first_games_to_end_tell_nothing_of_the_others() -> None:
    events = [step(1000, START + 400), match_begins(START + 400), games_played(2, START + 500)]
    state = replace(fold_all(events, begun()), evaluation_games=20)
    assert progress(state, START + 500).eta_s is None


def test_done_cycles_tell_how_long_the_others_will_take() -> None:
    state = scenario.rich_state()
    done = progress(state, state.cycle_started_at + 300)
    assert done.target == 5000
    assert done.frac == pytest.approx(2.34 / 5)
    assert done.eta_s == 600 + 2 * 900
    assert progress(replace(state, cycles=0), state.cycle_started_at + 300).eta_s == 600
    assert "left 40m00s" in progress_line(replace(state, now=state.cycle_started_at + 300))


def test_a_cycle_that_takes_longer_than_usual_is_not_said_to_be_done() -> None:
    state = replace(scenario.rich_state(), cycles=0)
    late = progress(state, state.cycle_started_at + 3400)
    assert late.eta_s == pytest.approx(3400 * 0.66 / 0.34)
    waiting = replace(state, step=3000)
    late = progress(waiting, state.cycle_started_at + 3400)
    assert (late.evaluation, late.eta_s) == ("evaluation waits", None)


def test_the_last_cycle_that_was_asked_for_ends_the_run() -> None:
    state = scenario.rich_state()
    done = progress(replace(state, cycles=2), state.now)
    assert (done.frac, done.eta_s) == (1.0, 0.0)


def test_a_pause_is_neither_work_nor_a_reason_to_expect_more_of_it() -> None:
    events = [
        step(250, START + 100),
        e.PauseChanged(at=START + 100, paused=True),
    ]
    state = fold_all(events, begun())
    assert progress(state, START + 900).eta_s == 300.0
    state = fold_all([e.PauseChanged(at=START + 1000, paused=False)], state)
    assert progress(state, START + 1000).eta_s == 300.0
    assert cycle_elapsed_s(state, START + 1010) == 110.0


def test_a_resumed_cycle_is_as_old_as_all_its_starts_together() -> None:
    resumed = e.Recovered(
        at=START + 9000,
        shards=0,
        adopted_shards=0,
        checkpoints=1,
        swept=0,
        quarantined=0,
        best="",
        cycle=0,
        cycle_seconds=100.0,
    )
    state = fold_all([resumed, step(250, START + 9000)], begun())
    assert progress(state, START + 9000).eta_s == 300.0


def with_memory(mib: Callable[[float], float], limit_mib: float | None = 14_000.0) -> RunState:
    """A reading every 10 s of ten minutes; `mib` of the seconds."""
    points = tuple((START + s, mib(s)) for s in range(0, 601, 10))
    return replace(begun(), memory=points, memory_total_mib=limit_mib)


def test_memory_that_grows_is_full_when_its_pace_says() -> None:
    assert memory_full_s(with_memory(lambda s: 8000 + s)) == pytest.approx(5400.0)
    assert memory_full_s(with_memory(lambda s: 13_400 + s)) == 0.0


def test_memory_that_does_not_go_on_growing_has_no_forecast() -> None:
    assert memory_full_s(with_memory(lambda s: 8000.0)) is None
    assert memory_full_s(with_memory(lambda s: 8000 - s)) is None
    assert memory_full_s(with_memory(lambda s: 12_000 if s > 300 else 8000)) is None, "one step up"
    assert memory_full_s(with_memory(lambda s: 13_000 if s == 600 else 8000)) is None, "a peak"
    assert memory_full_s(with_memory(lambda s: 8000 + 0.01 * s)) is None, "in more than a day"


def test_memory_without_limit_or_history_has_no_forecast() -> None:
    assert memory_full_s(with_memory(lambda s: 8000 + s, limit_mib=None)) is None
    young = with_memory(lambda s: 8000 + s)
    assert memory_full_s(replace(young, memory=young.memory[-20:])) is None
