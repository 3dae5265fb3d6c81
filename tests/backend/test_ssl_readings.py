"""Self-supervised tasks in words, and heads that learn nothing."""

from backend.ssl_readings import PATIENCE, DeadHeads, in_words

DEAD = {"pin_loss": 0.199, "pin_guess": 0.2, "fork_loss": 0.1, "fork_guess": 0.2}


def test_losses_and_f1_of_the_tasks_that_report_are_in_the_line() -> None:
    readings = {"piece_loss": 0.951, "piece_f1": 0.412, "pin_loss": 0.02, "pin_f1": 0.0}
    assert in_words(readings.get) == "ssl loss/F1 piece 0.95/41% pin 0.02/0%"
    assert in_words({"policy_loss": 1.0}.get) == ""


def test_a_head_that_only_guesses_is_named_once_and_again_after_it_lived() -> None:
    watch = DeadHeads(after_steps=500)
    found = [watch.found(500 + 10 * n, DEAD) for n in range(3 * PATIENCE)]
    assert [bool(sentences) for sentences in found].index(True) == PATIENCE - 1
    assert [s for sentences in found for s in sentences] == [
        "the pin head has learned nothing by step 540: its loss is 0.1990, guessing how frequent "
        "each answer is costs 0.2000; see ssl.pin_weight"
    ]
    assert watch.found(700, {**DEAD, "pin_loss": 0.15}) == []
    again = [watch.found(800 + n, DEAD) for n in range(PATIENCE)]
    assert [len(sentences) for sentences in again] == [0] * (PATIENCE - 1) + [1]


def test_early_steps_and_tasks_without_a_single_yes_are_not_judged() -> None:
    watch = DeadHeads(after_steps=500)
    assert not any(watch.found(step, DEAD) for step in range(0, 500, 10))
    silent = {"fork_loss": 0.01, "fork_guess": 0.0}
    assert not any(watch.found(500 + n, silent) for n in range(2 * PATIENCE))


def test_zero_steps_switch_the_detector_off() -> None:
    watch = DeadHeads(after_steps=0)
    assert not any(watch.found(10_000 + n, DEAD) for n in range(2 * PATIENCE))
