"""The list of all runs: read from files, whatever state they are in."""

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from backend.commands import Promote
from backend.config import Config
from backend.errand import carry_out
from backend.errors import RunDirectoryError
from backend.rundir import SUPERVISOR, RunDirectory
from backend.runs import list_runs, runs_table
from matrix0 import cli
from tests.backend.starting import started, write_checkpoint


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A run with a best network, one that never ran, one with a damaged database, and no run."""
    ran, fresh, damaged = (RunDirectory(tmp_path / n) for n in ("ran", "fresh", "damaged"))
    for run in (ran, fresh, damaged):
        run.create()
        run.settle(Config(), "tiny")
    for step in (0, 10):
        write_checkpoint(ran, step)
    async with started(ran):
        pass
    order = Promote(name="step-00000010", reason="")
    await asyncio.to_thread(carry_out, ran, order, "matrix0 promote")
    damaged.database.write_bytes(b"not a database, but longer than a header of one" * 100)
    (tmp_path / "notes").mkdir()
    (tmp_path / "file").write_text("")
    return tmp_path


def test_every_run_is_listed_with_what_its_files_say(folder: Path) -> None:
    on_disk = sum(f.stat().st_blocks * 512 for f in (folder / "ran").rglob("*") if f.is_file())
    runs = {run.name: run for run in list_runs(folder)}
    assert set(runs) == {"ran", "fresh", "damaged"}
    ran = runs["ran"]
    assert (ran.state, ran.pid, ran.preset) == ("stopped", 0, "tiny")
    assert (ran.best, ran.step, ran.cycle, ran.elo) == ("step-00000010", 10, 0, None)
    assert ran.size_bytes == on_disk
    assert ran.active_at == pytest.approx((folder / "ran" / "journal.jsonl").stat().st_mtime, abs=5)
    assert (runs["fresh"].state, runs["fresh"].best, runs["fresh"].problem) == ("stopped", "", "")
    assert runs["damaged"].state == "damaged"
    assert "not a database" in runs["damaged"].problem


def test_who_is_at_work_on_a_run_is_named(folder: Path) -> None:
    with RunDirectory(folder / "ran").lock(SUPERVISOR):
        runs = {run.name: run for run in list_runs(folder)}
        assert (runs["ran"].state, runs["ran"].pid) == ("running", os.getpid())
        (line,) = (row for row in runs_table(list(runs.values()), 0.0) if row.startswith("ran"))
        assert f"running ({os.getpid()})" in line
    with RunDirectory(folder / "fresh").lock("matrix0 train"):
        runs = {run.name: run for run in list_runs(folder)}
        assert runs["fresh"].state == "matrix0 train"


def test_a_hostile_name_or_text_cannot_speak_to_the_terminal(folder: Path) -> None:
    (folder / "fresh").rename(folder / "\x1b[31mred")
    (folder / "\x1b[31mred" / "preset").write_text("\x1b]0;x\x07")
    assert all(line.isprintable() for line in runs_table(list_runs(folder), 0.0))


def test_the_command_lists_runs_without_a_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["matrix0-tui", *words])
        with pytest.raises(SystemExit) as ended:
            cli.tui_main()
        return (int(ended.value.code or 0), *capsys.readouterr())

    code, out, _ = call("--list", str(folder))
    assert code == 0
    heading, *rows = out.splitlines()
    assert heading.split()[:4] == ["run", "state", "cycle", "step"]
    assert len(rows) == 4, "three runs, and what is wrong with one of them"
    listed = json.loads(call("--list", str(folder), "--json")[1])
    assert listed == msgspec.to_builtins(list_runs(folder))
    monkeypatch.chdir(folder / "notes")
    code, _, err = call("--list")
    assert (code, err) == (64, "matrix0-tui: runs: cannot be listed: No such file or directory\n")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, _, err = call("--read-only", "--run", str(folder / "ran"))
    assert code == 64
    assert "and --read-only starts none" in err
    code, _, err = call("--read-only", "--run", str(folder / "ran"), "--preset", "tiny")
    assert code == 2
    assert "goes with --run alone" in err


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="Not a directory"):
        list_runs(tmp_path / "file")
