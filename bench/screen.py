"""The control centre in a pseudo-terminal of 120x40, on telemetry that is made up here.

    start       from the command to the run's state on screen; on the clock, and of the processor
    idle, live  processor time of the screen as a share of one core; live: four times a second a
                step, a board and the signs of life of four workers
    a day       24 hours of that, once a second, as fast as the screen takes it, and what its memory
                grew by
    a flood     10,000 log lines a second for ten seconds: from a key to what it shows

Wall times mean something on an idle machine alone. Charts of long runs are in charts.py.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
from _table import Row, options, show

from backend.events import Event, LogLine
from backend.rundir import SUPERVISOR, RunDirectory
from backend.settings import build_config
from backend.wire import Happened, encode
from tests.tui import scenario
from tests.tui.fake_supervisor import FakeSupervisor, supervised
from tests.tui.terminal import Terminal

DAY_BATCHES = 24 * 3600
LINES_PER_S, FLOOD_S = 10_000, 10
SCREEN = str(Path(sys.executable).with_name("matrix0-tui"))


class Telemetry:
    """What a run at work says four times a second."""

    def __init__(self, server: FakeSupervisor, step: int) -> None:
        self._server = server
        self._step = step
        self._noise = random.Random(0)

    def batch(self) -> list[Event]:
        self._step += 1
        at = scenario.START + 10_000 + self._step / 4
        ply = 1 + self._step % len(scenario.OPERA.split())
        return [
            scenario.training_step(self._step, at, self._noise),
            *scenario.heartbeats(at, self._step, self._noise),
            scenario.board_seen(ply, at),
        ]

    async def send(self, events: Iterable[Event]) -> None:
        """Waits for the screen to take them."""
        for event in events:
            self._server.seq += 1
            self._server.raw(encode(Happened(seq=self._server.seq, event=event)))
        await self._server.drained()


@asynccontextmanager
async def screen(run: RunDirectory) -> AsyncIterator[tuple[Terminal, list[Row]]]:
    with Terminal([SCREEN, "--run", str(run.path)]) as terminal:
        await asyncio.to_thread(terminal.wait_for, "TRAINING")  # The header has the run's state.
        took_s = time.monotonic() - terminal.began
        used_s = processor_s(psutil.Process(terminal.process.pid))
        what = "from the command to the run's state"
        yield (
            terminal,
            [
                Row(what=what, value=1000 * took_s, unit="ms"),
                Row(what=f"{what}, of the processor", value=1000 * used_s, unit="ms"),
            ],
        )


def processor_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def share(process: psutil.Process, seconds: float, telemetry: Telemetry | None) -> float:
    """Processor time over wall time, in per cent."""
    before, began = processor_s(process), time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        if telemetry is not None:
            await telemetry.send(telemetry.batch())
        await asyncio.sleep(0.25)
    return 100 * (processor_s(process) - before) / passed


async def flood(terminal: Terminal, telemetry: Telemetry) -> list[float]:
    """Milliseconds from each press of ? to the page of keys."""

    async def pour() -> None:
        for i in range(FLOOD_S * 20):
            due = began + (i + 1) / 20
            lines = range(i * LINES_PER_S // 20, (i + 1) * LINES_PER_S // 20)
            await telemetry.send(
                LogLine(at=time.time(), source="flood", level="info", text=f"line {n}")
                for n in lines
            )
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    def press() -> float:
        seen, pressed = len(terminal.written), time.monotonic()
        terminal.press("?")
        terminal.wait_for("Everywhere", after=seen)
        return 1000 * (time.monotonic() - pressed)

    began = time.monotonic()
    pouring = asyncio.create_task(pour())
    taken = []
    while not pouring.done():
        taken.append(await asyncio.to_thread(press))
        terminal.press("\x1b")
        await asyncio.sleep(0.5)
    await pouring
    print(f"{FLOOD_S * LINES_PER_S:,} lines in {time.monotonic() - began:.1f} s", file=sys.stderr)
    return taken


async def measured(folder: Path, seconds: float, batches: int) -> list[Row]:
    run = RunDirectory(folder / "run")
    run.create()
    run.settle(build_config("tiny", None, []), "tiny")
    state = scenario.rich_state()
    rows = []
    with run.lock(SUPERVISOR):
        async with supervised(run.path, folder / "s", state) as server:
            async with screen(run):
                pass  # Compiled Python files are on disk from here on.
            async with screen(run) as (terminal, first):
                rows += first
                process = psutil.Process(terminal.process.pid)
                telemetry = Telemetry(server, state.step)
                await asyncio.sleep(2.0)
                idle = await share(process, seconds, None)
                rows.append(Row(what="idle", value=idle, unit="% of a core"))
                live = await share(process, seconds, telemetry)
                rows.append(Row(what="live, four times a second", value=live, unit="% of a core"))
                before, began = process.memory_info().rss, time.monotonic()
                for _ in range(batches):
                    await telemetry.send(telemetry.batch())
                await asyncio.sleep(2.0)
                after, taken_s = process.memory_info().rss, time.monotonic() - began
                hours = batches / 3600
                what = f"memory after {hours:.1f} hours, fed in {taken_s:.0f} s"
                grown = (after - before) / 2**20
                rows.append(Row(what=f"{what}: grown by", value=grown, unit="MiB"))
                rows.append(Row(what=f"{what}: resident", value=after / 2**20, unit="MiB"))
                keys = await flood(terminal, telemetry)
                what = "from a key to what it shows, under 10,000 log lines a second"
                rows.append(Row(what=f"{what}: worst", value=max(keys), unit="ms"))
                rows.append(
                    Row(what=f"{what}: median", value=sorted(keys)[len(keys) // 2], unit="ms")
                )
        await asyncio.sleep(0.1)  # Its connections close.
    return rows


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of idle and of live each")
    parser.add_argument("--batches", type=int, default=DAY_BATCHES, help="of the day")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="m0-", dir="/tmp") as folder:
        rows = asyncio.run(measured(Path(folder), arguments.seconds, arguments.batches))
    show("The control centre", rows, parser)


if __name__ == "__main__":
    main()
