"""What folding events into the state of a run leaves."""

from msgspec.structs import replace

from backend import events as e
from backend.curves import MAX_POINTS
from backend.fold import fold
from backend.state import RunState
from tests.tui.scenario import cycle_end, rich_state


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


def test_a_checkpoint_that_is_announced_again_keeps_its_verdict() -> None:
    saved = e.CheckpointSaved(at=1.0, name="a", step=10, sha256="", size_mib=1.0, reason="stopping")
    verdict = e.GateDecided(
        cycle=1,
        candidate="a",
        best="b",
        verdict="promoted",
        score=0.6,
        elo=70.0,
        elo_low=10.0,
        elo_high=130.0,
        reason="",
    )
    again = e.CheckpointSaved(at=9.0, name="a", step=10, sha256="", size_mib=1.0, reason="asked")
    (view,) = folded(saved, verdict, again).checkpoints
    assert (view.verdict, view.elo, view.versus) == ("promoted", 70.0, "b")
    assert (view.reason, view.saved_at) == ("asked", 9.0)


def test_a_match_against_the_best_rates_its_checkpoint_at_once() -> None:
    state = rich_state()
    played = cycle_end(1, state.now + 1, 61.0, "rejected")[0]
    by_hand = replace(played, match="by-hand", candidate="step-00001000", opponent=state.best)

    def shown(after: RunState) -> tuple[float | None, str]:
        (view,) = (c for c in after.checkpoints if c.name == "step-00001000")
        return view.elo, view.versus

    assert shown(state) == (127.0, "step-00000000")
    assert shown(fold(state, by_hand)) == (61.0, "step-00002000")
    assert shown(fold(state, replace(by_hand, opponent="random"))) == shown(state)
