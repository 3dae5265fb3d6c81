"""Engines that mean harm: a move or a verdict in time, nothing left behind, the match goes on."""

import gc
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import chess
import chess.engine
import psutil
import pytest

from backend.config import LimitsConfig
from backend.errors import ConfigError
from backend.evaluation import engine_process
from backend.evaluation.engines import EngineSpec, parse_engine
from backend.evaluation.external import ExternalPlayer
from backend.evaluation.leash import CappedLog, Leash, environment
from backend.evaluation.players import Forfeit

BAD_ENGINE = Path(__file__).with_name("bad_engine.py")
LIMIT_S = 0.2
GRACE_S = 2.0
MAX_GROWTH_MIB = 64
SMALL = LimitsConfig(engine_memory_gib=0.25, engine_log_kib=4)
LATE = chess.Board("rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 9")
"""In which the bad engine drops its mask from its third move on."""


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """An engine that cannot be started leaves python-chess's object for it to the collector."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _spec(mode: str) -> EngineSpec:
    return EngineSpec(
        word=f"bad-{mode}",
        command=(sys.executable, str(BAD_ENGINE), mode),
        protocol="uci",
        limit=chess.engine.Limit(time=LIMIT_S),
        options={},
    )


SLOW = pytest.mark.slow
"""The same faults at greater length than in `test_external`: with a clock and on a scale."""


@pytest.mark.parametrize(
    ("mode", "reasons"),
    [
        pytest.param("hang", {engine_process.OVERTIME}, marks=SLOW),
        pytest.param("silent", {engine_process.OVERTIME}, marks=SLOW),
        pytest.param("flood", {engine_process.FLOOD, engine_process.OVERTIME}, marks=SLOW),
        pytest.param("endless", {engine_process.FLOOD, engine_process.OVERTIME}, marks=SLOW),
        pytest.param("stderr", {engine_process.FLOOD, engine_process.OVERTIME}, marks=SLOW),
        pytest.param("illegal", {engine_process.NO_MOVE}, marks=SLOW),
        pytest.param("nonsense", {engine_process.NO_MOVE}, marks=SLOW),
        pytest.param("crash", {engine_process.CRASH}, marks=SLOW),
        ("escape", {engine_process.OVERTIME}),
    ],
)
def test_a_verdict_comes_in_time_and_nothing_is_left(
    mode: str, reasons: set[str], tmp_path: Path
) -> None:
    us = psutil.Process()
    before = us.memory_info().rss
    began = time.monotonic()
    player = ExternalPlayer(_spec(mode), processes=1, leash=Leash(limits=SMALL, logs=tmp_path))
    starting_s = max(1.0, 3 * (time.monotonic() - began))
    """For the process that replaces a bad one; on a busy machine it takes as the first one did."""
    try:
        player.start(0, LATE)
        answers, slowest = [], 0.0
        for _ in range(5):
            began = time.monotonic()
            answers += player.think([0], [LATE])
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < LIMIT_S + GRACE_S + starting_s
        assert [type(answer) for answer in answers[:2]] == [chess.Move, chess.Move]
        forfeit = answers[2]
        assert isinstance(forfeit, Forfeit)
        assert forfeit.reason in reasons
        assert isinstance(answers[3], chess.Move)  # It goes on with a new process.
    finally:
        player.close()
    assert (us.memory_info().rss - before) / 2**20 < MAX_GROWTH_MIB
    assert not _left_behind()
    written = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert written < 3 * 5 * 1024  # Of three starts at most.


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of engines is limited on Linux")
def test_an_engine_that_takes_all_memory_runs_into_its_limit(tmp_path: Path) -> None:
    spec = replace(_spec("memory"), limit=chess.engine.Limit(nodes=10))
    leash = Leash(limits=SMALL, logs=tmp_path)
    player = ExternalPlayer(spec, processes=1, hang_s=60, leash=leash)
    player.start(0, LATE)
    answers = [player.think([0], [LATE])[0] for _ in range(3)]
    player.close()
    assert answers[2] == Forfeit(engine_process.CRASH)
    assert "MemoryError" in (tmp_path / "engine-bad-memory.log").read_text()


def test_stderr_is_kept_cleaned_and_secrets_are_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    assert "AWS_SECRET_ACCESS_KEY" not in environment()
    leash = Leash(logs=tmp_path)
    player = ExternalPlayer(_spec("wide"), processes=1, leash=leash)
    player.start(0, LATE)
    player.think([0], [LATE])
    player.close()
    (log,) = tmp_path.iterdir()
    text = log.read_text()
    assert log.name == "engine-bad-wide.log"
    assert "PATH" in text
    assert "SECRET" not in text
    assert "owned" in text
    assert all(c == "\n" or c.isprintable() or c == "\ufffd" for c in text)


# python-chess closes its loop before it has seen the end of what it could not start.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_xboard_engine_that_stammers_is_ended_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\necho 'feature option=\"A -spin 1 x\x1b[2J'\nsleep 1000\n")
    engine.chmod(0o755)
    began = time.monotonic()
    with pytest.raises(ConfigError, match="engine"):
        ExternalPlayer(parse_engine(f"{engine}:nodes=5,protocol=xboard"), processes=1)
    assert time.monotonic() - began < engine_process.START_S
    assert capfd.readouterr().err == ""
    assert not _left_behind()


def test_a_log_is_cut_and_follows_no_link(tmp_path: Path) -> None:
    log = CappedLog(tmp_path / "log", 100)
    for _ in range(50):
        log.add(b"0123456789\n")
    assert 90 < (tmp_path / "log").stat().st_size < 140
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0
    (tmp_path / "link").symlink_to(tmp_path / "victim")
    CappedLog(tmp_path / "link", 100).add(b"x")
    assert not (tmp_path / "victim").exists()


def test_an_engine_is_known_by_its_absolute_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = tmp_path / "my-engine"
    engine.write_text("#!/bin/sh\n")
    engine.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert parse_engine("./my-engine").command == (str(engine),)


def test_what_an_engine_calls_itself_is_cleaned() -> None:
    spec = replace(_spec("garbage"), word="\x1b]0;x\x07")
    player = ExternalPlayer(spec, processes=1)
    player.close()
    assert player.name.isprintable()


def _left_behind() -> list[list[str]]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if str(BAD_ENGINE) in line or line == ["sleep", "1000"]:
            found.append(line)
    return found
