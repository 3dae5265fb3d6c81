"""However a screen ends, the run goes on; the next screen shows it at once."""

import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from backend.events import TrainingStep
from backend.rundir import RunDirectory
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.limits import PATIENCE_S
from tests.tui.terminal import Terminal


def command(run: Path, *flags: str) -> list[str]:
    return [str(Path(sys.executable).with_name("matrix0-tui")), "--run", str(run), *flags]


def quit_it(screen: Terminal) -> None:
    screen.press("q")
    assert screen.process.wait(PATIENCE_S) == 0
    screen.wait_for("Training goes on")


def kill_it(screen: Terminal) -> None:
    screen.process.send_signal(signal.SIGKILL)
    assert screen.process.wait(PATIENCE_S) == -signal.SIGKILL


def hang_up(screen: Terminal) -> None:
    screen.hang_up()
    screen.process.wait(PATIENCE_S)


def step_shown(screen: Terminal, at_least: int) -> int:
    """The step in its status line, once that is so high."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if steps := re.findall(rb"step ([\d,]+)", screen.written):
            newest = int(steps[-1].replace(b",", b""))
            if newest >= at_least:
                return newest
        screen.wait_for_more()
    raise AssertionError(f"no step from {at_least} on; last: {screen.written[-2000:]!r}")


@pytest.mark.slow
@pytest.mark.parametrize("leave", [quit_it, kill_it, hang_up], ids=lambda way: way.__name__)
def test_training_goes_on_however_a_screen_ends(
    tmp_path: Path, leave: Callable[[Terminal], None]
) -> None:
    run = prepare(tmp_path / "run")
    with SupervisorProcess(run) as supervisor:
        first = supervisor.wait_for(TrainingStep)
        with Terminal(command(run)) as screen, Terminal(command(run, "--read-only")) as watcher:
            assert step_shown(screen, first.step)
            seen = step_shown(watcher, first.step)
            leave(screen)
            supervisor.wait_for(TrainingStep, lambda event: event.step > seen)
            assert step_shown(watcher, seen + 1), "the other screen does not notice"
        with Terminal(command(run)) as again:
            assert step_shown(again, seen + 1) > seen
            assert supervisor.process.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("leave", [quit_it, kill_it, hang_up], ids=lambda way: way.__name__)
def test_a_supervisor_that_a_screen_has_started_outlives_it(
    tmp_path: Path, leave: Callable[[Terminal], None]
) -> None:
    run = RunDirectory(tmp_path / "run")
    with Terminal(command(run.path, "--preset", "tiny")) as screen:
        # Its charts are drawn at once; a worker only when the supervisor was heard.
        screen.wait_for("sp0")
        holder = run.holder()
        assert holder is not None
        supervisor = psutil.Process(holder.pid)
        try:
            leave(screen)
            with Terminal(command(run.path, "--read-only")) as again:
                again.wait_for("sp0")
                assert "DISCONNECTED" not in again.written.decode(errors="replace")
            assert supervisor.is_running()
            assert run.holder() == holder
        finally:
            if supervisor.is_running():
                family = [supervisor, *supervisor.children(recursive=True)]
                for process in family:
                    process.kill()
                psutil.wait_procs(family, PATIENCE_S)
