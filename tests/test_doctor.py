"""`matrix0 doctor`: what it finds, and what it says where something will not work."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.errors import ExitCode
from matrix0 import cli
from matrix0.commands import doctor


def examine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["matrix0", "doctor", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0), capsys.readouterr().out


def test_everything_is_found_and_tried_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    code, out = examine(monkeypatch, capsys, "--json")
    assert code == ExitCode.DONE
    said: dict[str, Any] = json.loads(out)
    assert said["works"]
    found = {
        title: {one["name"]: one["says"] for one in group}
        for title, group in said["findings"].items()
    }
    assert set(doctor.LIBRARIES) < set(found["software"])
    assert " compiled, in " in found["machine"]["kernel cache"]
    where = found["runs directory"]
    assert where["disk"].endswith(f"free in {tmp_path / 'runs'}")
    assert where["fsync"].startswith("works; a file is durable after ")
    assert (where["flock"], where["database"]) == ("works", "works, with a write-ahead log")
    assert "torch float32" in found["device"]["inference"]
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_place_that_takes_no_files_is_a_fault_with_a_remedy() -> None:
    found = {one.name: one for one in doctor.runs_directory(Path("/proc/self"))}
    assert found["disk"].remedy.startswith("make room")
    assert found["writable"].says.startswith("/proc/self takes no files: ")
    assert "--run" in found["writable"].remedy
    assert "fsync" not in found


def test_what_is_missing_ends_with_1_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", ("no-such-library",))
    code, out = examine(monkeypatch, capsys)
    assert code == ExitCode.NO
    lines = [line.strip() for line in out.splitlines()]
    at = lines.index("WILL NOT WORK: pip install -c constraints.txt -e .")
    assert lines[at - 1].split() == ["no-such-library", "not", "installed"]


def test_engines_are_asked_for_their_names_and_broken_ones_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speaks = "for _ in sys.stdin: print('id name Fish 1.2\\nuciok', flush=True)"
    answers = {
        "stockfish": f"#!{sys.executable}\nimport sys\n{speaks}\n",
        "lc0": "#!/bin/sh\nexit 3\n",
    }
    for name, script in answers.items():
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = {one.name: one for one in doctor.engines()}
    assert found["stockfish"].says == f"Fish 1.2 at {tmp_path / 'stockfish'}"
    assert found["lc0"].says.startswith("it does not answer (")
    assert not any(one.remedy for one in found.values()), "no match needs an engine of others"


def test_the_terminal_is_described_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(**environment: str) -> dict[str, doctor.Finding]:
        return {one.name: one for one in doctor.terminal(environment)}

    assert look(TERM="dumb")["TERM"].remedy == "", "nobody wants a screen in a pipe"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert look(TERM="dumb")["TERM"].remedy.startswith("no screen can be drawn: export TERM=")
    remote = look(TERM="tmux-256color", SSH_TTY="/dev/pts/1", NO_COLOR="1")
    assert (remote["over ssh"].says, remote["inside"].says) == ("yes", "tmux")
    assert remote["colours"].says == "none: NO_COLOR is set"
    assert remote["TERM"].remedy == ""
    assert look(TERM="xterm", COLORTERM="truecolor")["colours"].says == "16 million"
