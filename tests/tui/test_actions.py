"""When an action is possible, and what it orders."""

import pytest
from msgspec.structs import replace

from backend import commands as c
from backend import events as e
from backend.fold import fold
from backend.state import RunState
from tests.tui import scenario
from tui.action import PLACES, Context
from tui.actions import ACTIONS, BY_ID, PANES
from tui.client import LinkView

UP = LinkView("connected", "")
DOWN = LinkView("lost", "the supervisor closed the connection")
ORDERS = [a for a in ACTIONS if a.command is not None]


@pytest.fixture(scope="module")
def rich() -> RunState:
    return scenario.rich_state()


def refusal(id: str, state: RunState, link: LinkView = UP, checkpoint: str = "") -> str:
    return BY_ID[id].refused(Context(state, link, checkpoint))


def test_ids_and_keys_are_given_once() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for place in PLACES:
        keys = [a.key for a in ACTIONS if a.works_in(place)]
        assert len(set(keys)) == len(keys), place
    assert all(f"pane-{id}" in BY_ID for id, _ in PANES)


def test_pause_becomes_resume_while_paused(rich: RunState) -> None:
    pause = BY_ID["pause"].command
    assert pause is not None
    assert pause(Context(rich, UP)) == c.PauseRun()
    paused = fold(rich, e.PauseChanged(paused=True))
    assert pause(Context(paused, UP)) == c.ResumeRun()


@pytest.mark.parametrize("action", ORDERS, ids=lambda a: a.id)
def test_no_order_is_given_without_a_supervisor(rich: RunState, action: object) -> None:
    id = next(a.id for a in ORDERS if a is action)
    assert refusal(id, rich, DOWN) == "not connected to the supervisor"
    stopped = fold(rich, e.RunStopped(reason="done", exit_code=0))
    assert refusal(id, stopped) == "the run has ended"
    stopping = fold(rich, e.RunStopping(reason="asked"))
    assert refusal(id, stopping) == "the run is stopping"


def test_evaluation_needs_a_checkpoint_that_is_not_the_best(rich: RunState) -> None:
    assert refusal("evaluate", rich) == "2,000 is the best network itself"
    newer = fold(rich, scenario.checkpoint(2300, rich.now))
    assert refusal("evaluate", newer) == ""
    assert refusal("evaluate", newer, checkpoint="step-00001000") == ""
    itself = "2,000 is the best network itself"
    assert refusal("evaluate", newer, checkpoint=rich.best) == itself
    command = BY_ID["evaluate"].command
    assert command is not None
    wanted = c.EvaluateNow(name="step-00001000")
    assert command(Context(newer, UP, "step-00001000")) == wanted
    none = scenario.fold_all(scenario.beginning())
    assert refusal("evaluate", none) == "there is no checkpoint yet"


def test_no_match_begins_while_the_run_is_paused(rich: RunState) -> None:
    newer = fold(rich, scenario.checkpoint(2300, rich.now))
    paused = fold(newer, e.PauseChanged(paused=True))
    assert refusal("evaluate", paused) == "the run is paused: resume it first"
    assert refusal("evaluate", fold(paused, e.PauseChanged(paused=False))) == ""


def test_one_match_at_a_time(rich: RunState) -> None:
    match = e.MatchStarted(match="m", candidate="a", opponent="b", games=40, simulations=64)
    playing = scenario.fold_all(
        [match, e.MatchProgress(match="m", played=7, wins=4, draws=2, losses=1)], rich
    )
    assert refusal("evaluate", playing) == "a match is being played already (7/40 games)"


def test_a_checkpoint_needs_a_trainer(rich: RunState) -> None:
    assert refusal("checkpoint", rich) == ""
    gone = fold(rich, e.WorkerGivenUp(worker="trainer", reason="crashed five times"))
    assert refusal("checkpoint", gone) == "no trainer is running"


def test_promotion_takes_the_selected_checkpoint_and_asks_with_its_rating(rich: RunState) -> None:
    assert refusal("promote", rich) == "there is no checkpoint to promote"
    assert refusal("promote", rich, checkpoint=rich.best) == "2,000 is the best network already"
    context = Context(rich, UP, "step-00001000")
    promote = BY_ID["promote"]
    assert promote.refused(context) == ""
    assert promote.command is not None
    assert promote.confirm is not None
    assert promote.command(context) == c.Promote(name="step-00001000", reason="promoted by hand")
    question = promote.confirm(context)
    assert "1,000" in question
    assert "instead of 2,000" in question
    assert "+127 ±21 Elo against 0" in question
    unrated = Context(replace(rich, checkpoints=()), UP, "step-00001000")
    assert "not been measured" in promote.confirm(unrated)


def test_what_is_hard_to_undo_asks_first() -> None:
    assert {a.id for a in ACTIONS if a.confirm is not None} == {
        "delete",
        "promote",
        "rollback",
        "stop",
        "worker-restart",
    }


def test_a_rollback_needs_a_best_network_and_names_it(rich: RunState) -> None:
    assert refusal("rollback", replace(rich, best="")) == "there is no best network yet"
    rollback = BY_ID["rollback"]
    context = Context(rich, UP)
    assert rollback.refused(context) == ""
    assert rollback.command is not None
    assert rollback.confirm is not None
    assert rollback.command(context) == c.Rollback(reason="")
    assert "before 2,000" in rollback.confirm(context)


def test_there_is_a_table_of_cycles_only_after_the_first(rich: RunState) -> None:
    assert refusal("cycles", RunState()) == "no cycle is finished yet"
    assert refusal("cycles", rich) == ""
