"""`matrix0 import pgn` and `matrix0 train` as processes: interrupted, piped, on a terminal."""

import os
import pty
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from backend.checkpoints import list_checkpoints
from backend.processes import child_command, child_environment
from backend.replay.imports import import_pgn
from backend.rundir import SUPERVISOR, RunDirectory
from tests.limits import PATIENCE_S

GAMES = Path(__file__).resolve().parent / "data" / "games" / "games_ci.pgn"
SMALL = ("--set", "model.channels=16", "--set", "model.blocks=1", "--set", "training.batch_size=16")


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "human")
    run.create()
    return run


def _call(*words: str, text: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        child_command(*words),
        input=text,
        capture_output=True,
        env=child_environment(),
        timeout=PATIENCE_S,
        check=False,
    )


def test_ctrl_c_saves_what_was_learned_and_exits_0(run: RunDirectory) -> None:
    import_pgn([str(GAMES)], run.imported, "mover")
    words = ("train", "--run", str(run.path), "--preset", "tiny", "--steps", "1000000", *SMALL)
    child = subprocess.Popen(
        child_command(*words),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=child_environment(),
    )
    with child:
        assert child.stdout is not None
        lines = []
        while not lines or "held out: top-1" not in lines[-1]:
            lines.append(child.stdout.readline().decode())
            assert lines[-1], lines
        child.send_signal(signal.SIGINT)
        rest = child.stdout.read().decode().splitlines()
        assert child.wait(timeout=PATIENCE_S) == 0
    saved = list_checkpoints(run.checkpoints)[-1]
    step = int(saved.removeprefix("step-"))
    assert rest[-1].startswith(f"step {step:,}: the first choice is the move that was played in ")


def test_games_come_by_standard_input(run: RunDirectory) -> None:
    done = _call("import", "pgn", "-", "--run", str(run.path), text=b"1. e4 e5 *\n\n1. d4 Nf7 *\n")
    assert done.returncode == 0
    assert done.stdout.decode().splitlines() == [
        "1 games with 2 positions imported, 0 of them held out; 0 were there already",
        f"1 refused, the reasons are in {run.imported / 'rejects.tsv'}",
    ]
    assert "Nf7" in (run.imported / "rejects.tsv").read_text()


def test_a_run_that_is_at_work_takes_in_no_games(run: RunDirectory) -> None:
    with run.lock(SUPERVISOR):
        refused = _call("import", "pgn", str(GAMES), "--run", str(run.path))
    assert refused.returncode == 73
    assert refused.stdout == b""
    assert f"in use by process {os.getpid()}" in refused.stderr.decode()
    assert list(run.imported.iterdir()) == []


def test_a_terminal_shows_a_bar_beside_the_output(run: RunDirectory) -> None:
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # Linux says so when the other end was closed.
            while part := os.read(ours, 1 << 16):
                shown.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run(
        child_command("import", "pgn", str(GAMES), "--run", str(run.path)),
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=child_environment() | {"TERM": "xterm-256color", "COLUMNS": "120"},
        timeout=PATIENCE_S,
        check=True,
    )
    os.close(theirs)
    reader.join(PATIENCE_S)
    os.close(ours)
    text = b"".join(shown).decode()
    assert "games_ci.pgn" in text
    assert "60 games" in text
    assert done.stdout.decode().startswith("60 games with ")
    assert b"\x1b" not in done.stdout
