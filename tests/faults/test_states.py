"""Random walks through what a run can be told and how it can end; `make faults` goes further."""

from pathlib import Path

import pytest

from backend.commands import StopRun
from backend.errors import ConfigError
from tests.faults.run_in_process import RunInProcess
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


def test_a_run_does_not_start_with_settings_of_another_network(tmp_path: Path) -> None:
    run = RunInProcess(tmp_path)
    try:
        run.say("trainer", run.write_checkpoint(0, "initial"))
        run.settle()
        run.stop(StopRun())
        path, blocks = run.run.config_file, run.config.model.blocks
        text = path.read_text("utf-8")
        path.write_text(text.replace(f"\nblocks = {blocks}\n", "\nblocks = 3\n"), "utf-8")
        with pytest.raises(ConfigError, match=f"with model.blocks = {blocks}, not 3; put that"):
            run.start()
    finally:
        run.close()


@pytest.mark.slow
def test_whatever_happens_in_whatever_order_all_say_the_same() -> None:
    walk(4, 20, seed=1)
