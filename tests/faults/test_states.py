"""Random walks through what a run can be told and how it can end; `make faults` goes further."""

import pytest

from backend.commands import StopRun
from tests.faults.states import RunMachine, walk


def test_a_result_and_a_checkpoint_that_are_told_twice_count_once() -> None:
    machine = RunMachine()
    try:
        machine.begin(seed=1)
        machine.save_checkpoint(reason="cycle", dies=False)
        machine.finish_matches(won=False, num=3)
        for which in range(5):
            machine.say_something_again(which)
            machine.all_say_the_same()
        machine.kill_a_worker("evaluator")
        machine.all_say_the_same()
        assert not machine._run.ask(StopRun(), settle=False)
    finally:
        machine.teardown()


@pytest.mark.slow
def test_whatever_happens_in_whatever_order_all_say_the_same() -> None:
    walk(4, 20, seed=1)
