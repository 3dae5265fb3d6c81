from backend.commands import PlayMatch
from backend.config import EvaluationConfig
from backend.cycle import Action, Decide, Director, Play, PromoteFirst, Skip, undecided
from backend.events import CheckpointSaved, GateDecided, MatchFinished

CONFIG = EvaluationConfig(games=20, baseline_games=4)


def director(
    best: str = "step-0", cycle: int = 0, finished: tuple[MatchFinished, ...] = ()
) -> Director:
    return Director(CONFIG, simulations=32, seed=7, best=best, cycle=cycle, finished=finished)


def saved(step: int, reason: str = "cycle") -> CheckpointSaved:
    return CheckpointSaved(name=f"step-{step}", step=step, sha256="", size_mib=1.0, reason=reason)


def result(order: PlayMatch) -> MatchFinished:
    return MatchFinished(
        match=order.match,
        candidate=order.candidate,
        opponent=order.opponent,
        wins=order.games,
        draws=0,
        losses=0,
        truncated=0,
        pairs=(0, 0, 0, 0, order.games // 2),
        elo=100.0,
        elo_low=50.0,
        elo_high=150.0,
        simulations=order.simulations,
        seconds=1.0,
    )


def decided(candidate: str, cycle: int = 1) -> GateDecided:
    return GateDecided(
        cycle=cycle,
        candidate=candidate,
        best="step-0",
        verdict="rejected",
        score=0.4,
        elo=0.0,
        elo_low=-1.0,
        elo_high=1.0,
        reason="",
    )


def the_order(actions: list[Action]) -> PlayMatch:
    (action,) = actions
    assert isinstance(action, Play)
    return action.order


def play_all(judge: Director, actions: list[Action]) -> tuple[list[str], Decide]:
    opponents = []
    while not isinstance(actions[0], Decide):
        order = the_order(actions)
        opponents.append(order.opponent)
        actions = judge.match_finished(result(order))
    (decision,) = actions
    assert isinstance(decision, Decide)
    return opponents, decision


def test_the_first_checkpoint_becomes_the_best_without_a_match() -> None:
    judge = director(best="")
    assert judge.checkpoint(saved(0, "initial")) == [PromoteFirst("step-0")]
    judge.promoted("step-0")
    assert judge.order() is None


def test_a_candidate_meets_the_best_then_the_ladder_and_is_decided() -> None:
    judge = director()
    opponents, decision = play_all(judge, judge.checkpoint(saved(10)))
    assert opponents == ["step-0", "random", "greedy"]
    assert decision.candidate == "step-10"
    assert decision.against_best.opponent == "step-0"
    assert set(decision.baselines) == {"random", "greedy"}
    assert judge.concluded(1) == []
    assert judge.cycle == 1


def test_without_baseline_games_only_the_best_is_met() -> None:
    config = EvaluationConfig(games=20, baseline_games=0)
    judge = Director(config, simulations=32, seed=7, best="step-0")
    opponents, _ = play_all(judge, judge.checkpoint(saved(10)))
    assert opponents == ["step-0"]


def test_orders_carry_games_simulations_and_different_seeds() -> None:
    judge = director()
    first = the_order(judge.checkpoint(saved(10)))
    second = the_order(judge.match_finished(result(first)))
    assert (first.games, second.games) == (20, 4)
    assert first.simulations == 32
    assert first.seed != second.seed
    assert first == the_order(director().checkpoint(saved(10)))


def test_only_checkpoints_that_end_a_cycle_are_candidates() -> None:
    judge = director()
    assert judge.checkpoint(saved(5, "requested")) == []
    assert judge.checkpoint(saved(6, "stopping")) == []


def test_while_a_match_runs_only_the_newest_candidate_waits() -> None:
    judge = director()
    judge.checkpoint(saved(10))
    assert judge.checkpoint(saved(20)) == []
    assert judge.checkpoint(saved(30)) == [Skip("step-20", "step-30")]
    assert judge.in_use() == {"step-0", "step-10", "step-30"}
    order = judge.order()
    assert order is not None
    play_all(judge, [Play(order)])
    assert the_order(judge.concluded(1)).candidate == "step-30"


def test_the_next_candidate_is_measured_against_the_new_best() -> None:
    judge = director()
    _, decision = play_all(judge, judge.checkpoint(saved(10)))
    judge.checkpoint(saved(20))
    judge.promoted(decision.candidate)
    assert the_order(judge.concluded(1)).opponent == "step-10"


def test_a_promotion_by_hand_does_not_change_the_opponent_of_a_running_match() -> None:
    judge = director()
    order = the_order(judge.checkpoint(saved(10)))
    judge.promoted("step-5")
    _, decision = play_all(judge, judge.match_finished(result(order)))
    assert decision.against_best.opponent == "step-0"


def test_a_restarted_evaluator_gets_the_same_match_again() -> None:
    judge = director()
    order = the_order(judge.checkpoint(saved(10)))
    assert judge.order() == order


def test_a_result_nobody_waits_for_changes_nothing() -> None:
    judge = director()
    order = the_order(judge.checkpoint(saved(10)))
    other = result(
        PlayMatch(match="x", candidate="a", opponent="b", games=2, simulations=8, seed=1)
    )
    assert judge.match_finished(other) == []
    assert judge.order() == order
    assert judge.match_finished(result(order))


def test_after_a_restart_finished_matches_are_not_played_again() -> None:
    judge = director()
    first = the_order(judge.checkpoint(saved(10)))
    second = the_order(judge.match_finished(result(first)))

    resumed = director(finished=(result(first),))
    assert the_order(resumed.checkpoint(saved(10))) == second
    third = the_order(resumed.match_finished(result(second)))

    all_played = director(finished=(result(first), result(second), result(third)))
    (decision,) = all_played.checkpoint(saved(10))
    assert isinstance(decision, Decide)


def test_after_a_restart_with_another_best_the_candidate_meets_that_one() -> None:
    judge = director()
    first = the_order(judge.checkpoint(saved(10)))
    resumed = director(best="step-5", finished=(result(first),))
    assert the_order(resumed.checkpoint(saved(10))).opponent == "step-5"


def test_a_match_by_hand_decides_nothing_and_may_be_repeated() -> None:
    judge = director()
    actions = judge.evaluate("step-9")
    assert isinstance(actions, list)
    order = the_order(actions)
    assert judge.checkpoint(saved(10)) == []
    assert judge.evaluate("step-9") == "step-9 is being measured"
    after = judge.match_finished(result(order))
    assert the_order(after).candidate == "step-10"
    play_all(judge, after)
    judge.concluded(1)
    again = judge.evaluate("step-9")
    assert isinstance(again, list)
    assert the_order(again).match != order.match


def test_a_match_by_hand_is_refused_when_it_makes_no_sense() -> None:
    assert director(best="").evaluate("step-9") == "there is no best network yet"
    assert "best network itself" in str(director().evaluate("step-0"))


def test_the_undecided_candidate_is_the_newest_one_without_a_decision() -> None:
    all_saved = [saved(0, "initial"), saved(10), saved(20), saved(25, "stopping")]
    assert undecided(all_saved, [decided("step-10")], "step-0") == saved(20)
    assert undecided(all_saved, [decided("step-10"), decided("step-20", 2)], "step-0") is None
    assert undecided(all_saved, [decided("step-10")], "step-20") is None
    assert undecided(all_saved[:1], [], "step-0") is None
