"""The control centre in a pseudo-terminal of 120x40, on telemetry that is made up here.

    start       from the command to the run's state on screen; on the clock, and of the processor;
                beside it what an application of Textual with one line of text takes
    idle, live  processor time of the screen as a share of one core; live: four times a second a
                step, a board and the signs of life of four workers
    a day       24 hours of that, once a second, as fast as the screen takes it, and what its memory
                grew by
    a flood     10,000 log lines a second for ten seconds: from a key to what it shows, and the same
                when nothing happens

Wall times mean something on an idle machine alone. Charts of long runs are in charts.py.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

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


BARE = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("TRAINING")
Bare().run()
"""


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


@dataclass(frozen=True)
class Start:
    """Of a process: until it has drawn what is wanted, and what it then holds."""

    wall_s: float
    used_s: float
    resident_mib: float


@asynccontextmanager
async def started(*command: str) -> AsyncIterator[tuple[Terminal, psutil.Process, Start]]:
    with Terminal(command) as terminal:
        await asyncio.to_thread(terminal.wait_for, "TRAINING")  # The header has the run's state.
        took_s = time.monotonic() - terminal.began
        process = psutil.Process(terminal.process.pid)
        used_s = processor_s(process)
        await asyncio.sleep(2.0)
        yield terminal, process, Start(took_s, used_s, resident_mib(process))


def start_rows(first: Start, bare: Start) -> list[Row]:
    what, against = "from the command to the run's state", "a bare Textual application"
    figures = (
        (what, "ms", 1000 * first.wall_s, 1000 * bare.wall_s),
        (f"{what}, of the processor", "ms", 1000 * first.used_s, 1000 * bare.used_s),
        ("resident then", "MiB", first.resident_mib, bare.resident_mib),
    )
    return [
        Row(what=name, value=value, unit=unit, baseline=baseline, against=against)
        for name, unit, value, baseline in figures
    ]


def resident_mib(process: psutil.Process) -> float:
    return float(process.memory_info().rss) / 2**20


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


@dataclass
class Keys:
    """Milliseconds from each press of ? to the page of keys; on the clock, and of the processor."""

    wall: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)

    def press(self, terminal: Terminal, process: psutil.Process) -> None:
        seen, pressed, used = len(terminal.written), time.monotonic(), processor_s(process)
        terminal.press("?")
        terminal.wait_for("Everywhere", after=seen)
        self.wall.append(1000 * (time.monotonic() - pressed))
        self.used.append(1000 * (processor_s(process) - used))


async def pour(telemetry: Telemetry) -> None:
    """The flood."""
    began = time.monotonic()
    for i in range(FLOOD_S * 20):
        lines = range(i * LINES_PER_S // 20, (i + 1) * LINES_PER_S // 20)
        await telemetry.send(
            LogLine(at=time.time(), source="flood", level="info", text=f"line {n}") for n in lines
        )
        await asyncio.sleep(max(0.0, began + (i + 1) / 20 - time.monotonic()))
    print(f"{FLOOD_S * LINES_PER_S:,} lines in {time.monotonic() - began:.1f} s", file=sys.stderr)


async def pressed(
    terminal: Terminal, process: psutil.Process, work: Coroutine[Any, Any, None]
) -> Keys:
    """Presses until the work is done."""
    working = asyncio.create_task(work)
    keys = Keys()
    while not working.done():
        await asyncio.to_thread(keys.press, terminal, process)
        terminal.press("\x1b")
        await asyncio.sleep(0.5)
    await working
    return keys


def key_rows(quiet: Keys, flooded: Keys) -> list[Row]:
    what, against = (
        "from a key to what it shows, under 10,000 log lines a second",
        "when it is quiet",
    )
    figures = (
        ("worst", max(flooded.wall), max(quiet.wall)),
        ("median", median(flooded.wall), median(quiet.wall)),
        ("mean, of the processor", mean(flooded.used), mean(quiet.used)),
    )
    return [
        Row(what=f"{what}: {name}", value=value, unit="ms", baseline=baseline, against=against)
        for name, value, baseline in figures
    ]


async def measured(folder: Path, seconds: float, batches: int) -> list[Row]:
    run = RunDirectory(folder / "run")
    run.create()
    run.settle(build_config("tiny", None, []), "tiny")
    state = scenario.rich_state()
    rows = []
    with run.lock(SUPERVISOR):
        async with supervised(run.path, folder / "s", state) as server:
            command = (SCREEN, "--run", str(run.path))
            async with started(sys.executable, "-c", BARE), started(*command):
                pass  # Compiled Python files are on disk from here on.
            async with started(sys.executable, "-c", BARE) as (_, _, bare):
                pass
            async with started(*command) as (terminal, process, first):
                rows += start_rows(first, bare)
                telemetry = Telemetry(server, state.step)
                idle = await share(process, seconds, None)
                rows.append(Row(what="idle", value=idle, unit="% of a core"))
                live = await share(process, seconds, telemetry)
                rows.append(Row(what="live, four times a second", value=live, unit="% of a core"))
                before, began = resident_mib(process), time.monotonic()
                for _ in range(batches):
                    await telemetry.send(telemetry.batch())
                await asyncio.sleep(2.0)
                after, taken_s = resident_mib(process), time.monotonic() - began
                hours = batches / 3600
                what = f"memory after {hours:.1f} hours, fed in {taken_s:.0f} s"
                rows.append(Row(what=f"{what}: grown by", value=after - before, unit="MiB"))
                rows.append(Row(what=f"{what}: resident", value=after, unit="MiB"))
                quiet = await pressed(terminal, process, asyncio.sleep(FLOOD_S))
                rows += key_rows(quiet, await pressed(terminal, process, pour(telemetry)))
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
