"""Matrix0 speaks to nobody: no telemetry, no update check, no download."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.run_process import RunProcess

GUARD = Path(__file__).parent / "no_network"
ROOT = GUARD.parents[1]


def _guarded(log: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(GUARD), "MATRIX0_NO_NETWORK": str(log)}


@pytest.mark.slow
def test_a_run_opens_no_connection_but_its_own_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "attempts"
    for name, value in _guarded(log).items():
        monkeypatch.setenv(name, value)
    with RunProcess(tmp_path / "run", "--cycles", "1", hear=lambda _: None) as run:
        run.wait_for("CycleFinished")
        assert run.finish() == 0
    seen = (tmp_path / "attempts.seen").read_text()
    for role in ("--no-ui", "selfplay", "trainer", "evaluator"):  # The guard was in each process.
        assert role in seen
    assert not log.exists(), log.read_text()


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket as s; s.socket(s.AF_INET, s.SOCK_DGRAM).sendto(b'', ('1.1.1.1', 9))",
        "import urllib.request as u; u.urlopen('http://localhost:9/')",
    ],
)
def test_the_guard_refuses_what_it_should(code: str, tmp_path: Path) -> None:
    log = tmp_path / "attempts"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **_guarded(log)},
        capture_output=True,
        check=False,
    )
    assert b"no network at run time" in done.stderr
    assert log.exists()
    unix = "import socket; a = socket.socket(socket.AF_UNIX); a.bind(''); print('fine')"
    done = subprocess.run(
        [sys.executable, "-c", unix],
        env={**os.environ, **_guarded(tmp_path / "more")},
        capture_output=True,
        check=False,
    )
    assert (done.stdout, (tmp_path / "more").exists()) == (b"fine\n", False)


def test_no_module_of_ours_speaks_a_network_protocol() -> None:
    forbidden = re.compile(
        r"^\s*(?:import|from) (?:urllib(?!\.parse)|http|requests|httpx|aiohttp)\b"
        r"|^\s*(?:import|from) (?:ftplib|smtplib|xmlrpc|ssl)\b"
        r"|AF_INET|create_connection|open_connection\(|huggingface",
        re.MULTILINE,
    )
    for package in ("backend", "matrix0", "model", "tui"):
        for path in (ROOT / package).rglob("*.py"):
            if path.parent == ROOT / "tui/web":
                continue  # --serve is asked for: it answers on 127.0.0.1 and calls nobody.
            if path == ROOT / "backend/cluster/pool.py":
                continue  # A cluster is asked for by its address: that is knocked at, no other.
            assert not forbidden.search(path.read_text()), path


def test_the_environment_is_never_written_down() -> None:
    """It is passed to children and asked for single variables, by name."""
    whole = re.compile(r"\benviron\b(?!\.get\(|\[|\.setdefault\(|\.pop\()")
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("backend", "matrix0", "model", "tui")
        for path in (ROOT / package).rglob("*.py")
        if whole.search(path.read_text())
    }
    assert found <= ALLOWED, found - ALLOWED


ALLOWED = {
    "backend/alerts.py",  # Of the command that the user's settings name.
    "backend/cluster/relay.py",  # Ray is told by it to be quiet and to use a token.
    "backend/cluster/slot.py",  # Of a worker on a node.
    "backend/evaluation/leash.py",  # A few variables of it for engines.
    "backend/processes.py",  # Of our own children.
    "matrix0/commands/doctor.py",  # Asked for TERM and the like.
    "matrix0/commands/screen.py",  # Whether it came over ssh.
    "model/rules/kernel.py",  # Where compiled kernels are kept.
}
