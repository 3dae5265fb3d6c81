"""What any WorkerPool promises, asked of the local one, of Ray's, and of the tests' own.

The first two run real processes. The fake one is asked what does not need any, so that what the
tests of the supervisor build on is no other thing than what the supervisor has.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from backend.cluster.pool import RayPool
from backend.commands import Pause, Stop
from backend.errors import WorkerError
from backend.pool import LINE_LIMIT, Exited, Line, LocalPool, Lost, PoolEvent, WorkerSpec
from tests.backend.cluster_head import RayHead
from tests.backend.fakes.pool import FakePool
from tests.limits import PATIENCE_S

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"
COUNTS = "for n in range(2000): print(n)\nraise SystemExit(7)"
ENDS = "pass"

Pool = LocalPool | RayPool | FakePool
RAY = pytest.param(
    "ray",
    marks=[
        pytest.mark.slow,
        pytest.mark.skipif(find_spec("ray") is None, reason="the extra [ray] is not here"),
    ],
)
ANY = pytest.mark.parametrize("pool", ["local", "fake", RAY], indirect=True)
WITH_PROCESSES = pytest.mark.parametrize("pool", ["local", RAY], indirect=True)


def fake_pool() -> FakePool:
    """A pool that knows what the programs above do."""

    def count(pool: FakePool, worker: str) -> None:
        for n in range(2000):
            pool.say(worker, b"%d" % n)
        pool.end(worker, 7)

    return FakePool(
        programs={
            COUNTS: count,
            ECHO: lambda pool, worker: pool.echoes.add(worker),
            ENDS: lambda pool, worker: pool.end(worker, 0),
        },
        dies_of=frozenset({signal.SIGKILL, signal.SIGTERM}),
    )


@pytest.fixture
async def pool(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pool]:
    if request.param == "fake":
        yield fake_pool()
        return
    if request.param == "local":
        async with LocalPool() as local:
            yield local
        return
    head: RayHead = request.getfixturevalue("ray_head")
    run = head.prepared_run(tmp_path / "run")
    async with RayPool(run, lambda seen: None, lambda level, text: None) as fleet:
        yield fleet


def spec(tmp_path: Path, code: str, worker: str = "w") -> WorkerSpec:
    return WorkerSpec(
        worker=worker,
        role="selfplay",
        argv=(sys.executable, "-c", code),
        environment=dict(os.environ),
        log=tmp_path / f"{worker}.log",
    )


async def until_exit(pool: Pool, exits: int = 1) -> list[PoolEvent]:
    found: list[PoolEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in pool.events():
            found.append(event)
            exits -= isinstance(event, Exited)
            if exits == 0:
                return found
    raise AssertionError


@ANY
async def test_lines_come_in_order_and_the_exit_comes_last_and_once(
    pool: Pool, tmp_path: Path
) -> None:
    await pool.start(spec(tmp_path, COUNTS))
    events = await until_exit(pool)
    assert events == [*(Line("w", b"%d" % n) for n in range(2000)), Exited("w", 7)]
    assert pool.running() == frozenset()


@ANY
async def test_orders_arrive_and_the_end_of_stdin_ends_an_echo(pool: Pool, tmp_path: Path) -> None:
    await pool.start(spec(tmp_path, ECHO))
    await pool.send("w", Pause())
    line = await anext(aiter(pool.events()))
    assert line == Line("w", b'{"type":"Pause"}')
    pool.signal("w", signal.SIGTERM)
    assert await until_exit(pool) == [Exited("w", -signal.SIGTERM)]


@ANY
async def test_orders_to_the_dead_are_refused(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="not running"):
        await pool.send("w", Stop())
    await pool.start(spec(tmp_path, ENDS))
    await until_exit(pool)
    with pytest.raises(WorkerError, match="not running"):
        await pool.send("w", Stop())
    pool.signal("w", signal.SIGKILL)


@ANY
async def test_a_name_runs_once_at_a_time_and_may_be_used_again(pool: Pool, tmp_path: Path) -> None:
    first = await pool.start(spec(tmp_path, ECHO))
    with pytest.raises(WorkerError, match="already running"):
        await pool.start(spec(tmp_path, ECHO))
    pool.signal("w", signal.SIGKILL)
    await until_exit(pool)
    assert await pool.start(spec(tmp_path, ECHO)) != first


@ANY
async def test_a_program_that_is_not_there_is_refused(pool: Pool, tmp_path: Path) -> None:
    bad = WorkerSpec(
        worker="w", role="trainer", argv=("/no/such",), environment={}, log=tmp_path / "w.log"
    )
    with pytest.raises(WorkerError, match="cannot be started"):
        await pool.start(bad)


@WITH_PROCESSES
async def test_an_endless_line_is_skipped_and_the_next_one_is_read(
    pool: Pool, tmp_path: Path
) -> None:
    code = f"print('x' * {3 * LINE_LIMIT}); print('after')"
    await pool.start(spec(tmp_path, code))
    events = await until_exit(pool)
    assert events[-2:] == [Line("w", b"after"), Exited("w", 0)]
    assert all(len(e.data) < LINE_LIMIT + 1 for e in events if isinstance(e, Line))


@WITH_PROCESSES
async def test_stderr_goes_to_the_log_and_a_long_log_is_set_aside(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.pool.MAX_LOG_BYTES", 3)
    for word in ("first", "second"):
        await pool.start(spec(tmp_path, f"import sys; sys.stderr.write({word!r})"))
        await until_exit(pool)
    assert (tmp_path / "w.log").read_text() == "second"
    assert (tmp_path / "w.log.1").read_text() == "first"


@WITH_PROCESSES
async def test_children_of_a_worker_die_with_its_group(pool: Pool, tmp_path: Path) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'],\n"
        "    stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "import time; time.sleep(600)\n"
    )
    await pool.start(spec(tmp_path, code))
    line = await anext(aiter(pool.events()))
    assert isinstance(line, Line)
    child = psutil.Process(int(line.data))
    pool.signal("w", signal.SIGKILL)
    await until_exit(pool)
    _gone, alive = psutil.wait_procs([child], timeout=5)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive)


async def test_a_worker_whose_machine_is_gone_is_lost_once_and_takes_no_orders(
    tmp_path: Path,
) -> None:
    """Of Ray's: `test_a_worker_on_a_node_without_power_is_lost_and_not_ended`."""
    pool = fake_pool()
    await pool.start(spec(tmp_path, ECHO))
    pool.lose("w", "no power")
    pool.lose("w", "no power")
    pool.signal("w", signal.SIGKILL)
    await pool.start(spec(tmp_path, ENDS))
    events = aiter(pool.events())
    assert [await anext(events), await anext(events)] == [Lost("w", "no power"), Exited("w", 0)]
    with pytest.raises(WorkerError, match="not running"):
        await pool.send("w", Stop())


async def test_leaving_the_pool_leaves_no_process(tmp_path: Path) -> None:
    async with LocalPool() as pool:
        pids = [(await pool.start(spec(tmp_path, ECHO, f"w{n}"))).pid for n in range(3)]
    assert not [pid for pid in pids if psutil.pid_exists(pid)]
