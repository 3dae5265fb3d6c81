"""`matrix0-tui --serve` as a person starts it: what it refuses, and the page in a real browser."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from backend.events import WorkerReady
from backend.rundir import SUPERVISOR, RunDirectory
from backend.settings import build_config
from matrix0 import cli
from tests.backend.fakes.process import ROOT, SupervisorProcess, prepare
from tests.child_lines import ChildLines
from tests.command_line import Run
from tests.tui.web.chromium import chromium

LIMIT_S = 30.0


def prepared(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "demo")
    run.create()
    run.settle(build_config("tiny"), "tiny")
    return run


def test_only_a_run_at_work_is_served(run: Run, tmp_path: Path) -> None:
    prepared(tmp_path)
    refused = run("--serve", "--run", "demo", entry=cli.tui_main)
    assert refused.code == 64
    assert "no supervisor is at work on this run, and --serve starts none" in refused.err
    for words in (("--no-ui",), ("--preset", "tiny"), ("--cycles", "1")):
        refused = run("--serve", "--run", "demo", *words, entry=cli.tui_main)
        assert (refused.code, refused.err.count("\n")) == (2, 1)


def test_without_the_extra_one_line_says_how_to_get_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textual_serve.app_service", None)
    monkeypatch.delitem(sys.modules, "tui.web.server", raising=False)
    with prepared(tmp_path).lock(SUPERVISOR):
        refused = run("--serve", "--run", "demo", entry=cli.tui_main)
    assert refused.code == 2
    assert refused.err == (
        "matrix0-tui: --serve needs the optional package textual-serve: "
        "pip install 'matrix0[web]' (textual_serve.app_service is missing)\n"
    )


@contextmanager
def at_work(run: Path) -> Iterator[SupervisorProcess]:
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(WorkerReady)
        yield supervisor


@contextmanager
def served(run: Path, *words: str) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """The serving process and the address it has printed."""
    code = "from matrix0.cli import tui_main; tui_main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--serve", "--port", "0", "--run", str(run), *words],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    )
    lines = ChildLines(process)
    try:
        first = lines.next(time.monotonic() + LIMIT_S)
        assert first is not None
        yield process, first.decode().split()[-1]
    finally:
        process.kill()
        process.wait()
        lines.close()


async def children_gone(children: list[psutil.Process]) -> None:
    _, alive = await asyncio.to_thread(psutil.wait_procs, children, LIMIT_S)
    assert alive == []


@pytest.mark.slow
async def test_the_page_shows_the_dashboard_hears_a_key_and_loads_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    run = prepare(tmp_path / "run")
    with at_work(run) as supervisor, served(run, "--read-only") as (process, address):
        root = address.partition("?")[0]
        async with chromium(address) as browser:
            await browser.until(lambda: "policy loss" in browser.drawn, "no dashboard came")
            assert await browser.evaluate("document.body.className.includes('-first-byte')")
            assert "Pause or resume the run" not in browser.drawn
            await browser.press("?")
            await browser.until(lambda: "Pause or resume" in browser.drawn, "no help came")
            assert "only watches" in browser.drawn
            here = (root, root.replace("http", "ws"), "about:", "data:")
            assert [url for url in browser.requested if not url.startswith(here)] == []
            if folder := os.environ.get("MATRIX0_PICTURES"):
                (Path(folder) / "served.png").write_bytes(await browser.picture())
            visitors = psutil.Process(process.pid).children()
            assert len(visitors) == 1
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, LIMIT_S) == 0
            await children_gone(visitors)
            closed = "getComputedStyle(document.querySelector('.ended')).display"
            assert await browser.evaluate(closed) == "block"
        assert supervisor.process.poll() is None, "the run goes on"


@pytest.mark.slow
async def test_a_killed_server_leaves_no_visitor_behind(tmp_path: Path) -> None:
    import aiohttp

    run = prepare(tmp_path / "run")
    with at_work(run), served(run) as (process, address):
        root = address.partition("?")[0]
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            async with session.get(address) as response:
                assert response.status == 200
            async with session.ws_connect(f"{root}ws", origin=root.rstrip("/")) as socket:
                async with asyncio.timeout(LIMIT_S):
                    await socket.receive_bytes()
                visitors = psutil.Process(process.pid).children()
                assert len(visitors) == 1
                process.kill()
                await children_gone(visitors)
