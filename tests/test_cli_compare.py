"""`matrix0 compare`, and what `matrix0-tui --compare` and `--replay` refuse."""

import asyncio
from pathlib import Path

import pytest

from matrix0 import cli
from tests.backend.test_compare import run_of, stopped, told
from tests.command_line import Run
from tests.recorded_run import record


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, loss in (("a", 2.0), ("b", 1.0)):
        run = run_of(tmp_path / "runs", name, f"search.simulations={8 * loss:.0f}")
        asyncio.run(record(run, stopped(told(30, loss, loss), "2 cycles are done")))
    return tmp_path / "runs"


def test_runs_are_compared_in_plain_text_and_their_curves_written(runs: Path, run: Run) -> None:
    shown = run("compare", "runs/a", "runs/b", "--metric", "value_loss", "--csv", "out.csv")
    assert shown.code == 0, shown.err
    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    assert lines[:2] == ["A a done", "B b done"]
    assert "s / step 2 1 B -50.0%" in lines
    assert "search.simulations 16 8" in lines
    assert "step 30 B stopped: 2 cycles are done" in lines
    assert (runs.parent / "out.csv").read_text().count("value_loss") == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/a"], "two to 6 runs are compared, not 1"),
        (["runs/a", "runs/x"], "runs/x: there is no such run"),
        (["runs/a", "runs/b", "--metric", "elan"], "--metric 'elan': no run has it; there are"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(
    runs: Path, run: Run, words: list[str], said: str
) -> None:
    shown = run("compare", *words)
    assert shown.code == 64
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--compare", "--replay", "runs/a"], "each goes alone"),
        (["--replay", "runs/a", "--no-ui"], "each goes alone"),
        (["--compare", "--run", "runs/a"], "each goes alone"),
        (["runs/a"], "with --list or --compare"),
        (["--list", "runs", "runs"], "--list shows one directory"),
        (["--list", "--preset", "tiny"], "a directory and --json, not with --preset"),
        (["--compare", "--detach-after-start"], "each goes alone"),
        (["--replay", "runs/a", "--refresh", "2"], "not with --refresh"),
        (["--read-only", "--json"], "not with --json"),
        (["--no-ui", "--port", "80"], "not with --port"),
        (["--port", "80"], "--port goes with --serve"),
    ],
)
def test_the_screen_of_past_runs_goes_alone(run: Run, words: list[str], said: str) -> None:
    shown = run(*words, entry=cli.tui_main)
    assert shown.code == 2
    assert said in shown.err


def test_a_run_that_never_was_is_not_shown(
    runs: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    run_of(runs, "empty")
    for words, said in (
        (["--replay", "runs/x"], "there is no such run"),
        (["--replay", "runs/empty"], "no database, so nothing to replay"),
        (["--compare", "runs/a", "runs/x"], "there is no such run"),
        (["--compare", "nowhere"], "there is no such directory of runs"),
        (["--compare", *["runs/a"] * 7], "at most 6 runs"),
    ):
        shown = run(*words, entry=cli.tui_main)
        assert said in shown.err, words
        assert shown.code in (2, 64)
