"""What folding events into the state of a run leaves."""

from backend import events as e
from backend.state import MAX_POINTS, RunState, fold


def folded(*events: e.Event, state: RunState | None = None) -> RunState:
    state = state or RunState()
    for event in events:
        state = fold(state, event)
    return state


def point(step: int, **metrics: float) -> e.TrainingStep:
    return e.TrainingStep(step=step, metrics=metrics)


def test_a_trainer_that_went_back_takes_its_curves_with_it() -> None:
    state = folded(*(point(step, policy_loss=3.0, value_loss=1.0) for step in range(10, 60, 10)))
    assert state.step == 50
    state = folded(point(30, policy_loss=2.0), state=state)
    assert state.metrics["policy_loss"] == ((10.0, 3.0), (20.0, 3.0), (30.0, 2.0))
    assert [step for step, _ in state.metrics["value_loss"]] == [10, 20, 30, 40, 50]
    assert state.step == 30


def test_a_thinned_curve_that_went_back_still_runs_forwards() -> None:
    state = folded(*(point(step, policy_loss=3.0) for step in range(MAX_POINTS + 10)))
    state = folded(*(point(step, policy_loss=2.0) for step in range(500, 520)), state=state)
    steps = [step for step, _ in state.metrics["policy_loss"]]
    assert steps == sorted(set(steps))
    assert 500 <= steps[-1] < 520
