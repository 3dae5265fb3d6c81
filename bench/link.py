"""Bytes that the screen sends to its terminal while a run is at work, by --refresh.

A simulated supervisor says a step of training and a move of self-play four times a second, and
every second how its workers are. `matrix0-tui --read-only` joins it on a pseudo-terminal of 120 by
40, as over ssh. The first seconds, in which everything is drawn once, do not count.
"""

import asyncio
import fcntl
import os
import pty
import random
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

from _table import Row, options, show

from backend.processes import child_environment
from backend.rundir import SUPERVISOR, RunDirectory
from backend.settings import build_config
from tests.tui import scenario
from tests.tui.fake_supervisor import FakeSupervisor

COLUMNS, ROWS = 120, 40
BEGINNING_S = 5.0
HZ = 4
AIM_KIB = 20.0
"""A second, at one drawing a second."""


async def measured(run: RunDirectory, socket: Path, refresh_s: float, seconds: float) -> float:
    """Bytes a second, after the beginning."""
    supervisor = FakeSupervisor(run.path, socket, scenario.rich_state())
    await supervisor.start()
    terminal, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    code = "from matrix0.cli import tui_main; tui_main()"
    words = ["--read-only", "--run", str(run.path), "--refresh", str(refresh_s)]
    environment = child_environment() | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *words),
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment | {"SSH_TTY": "/dev/pts/0"},
        start_new_session=True,
    )
    os.close(inner)
    os.set_blocking(terminal, False)
    sent = 0

    def count() -> None:
        nonlocal sent
        sent += len(os.read(terminal, 1 << 16))

    asyncio.get_running_loop().add_reader(terminal, count)
    talking = asyncio.create_task(talk(supervisor))
    await supervisor.connected.wait()
    await asyncio.sleep(BEGINNING_S)
    before, began = sent, time.monotonic()
    await asyncio.sleep(seconds)
    rate = (sent - before) / (time.monotonic() - began)
    talking.cancel()
    asyncio.get_running_loop().remove_reader(terminal)
    process.kill()
    await process.wait()
    os.close(terminal)
    await supervisor.stop()
    await asyncio.sleep(0.1)  # What it serves notices that the connection is gone.
    return rate


async def talk(supervisor: FakeSupervisor) -> None:
    noise = random.Random(0)
    turn = 0
    while True:
        await asyncio.sleep(1 / HZ)
        at, step = supervisor.state.now + 1 / HZ, 2341 + turn
        supervisor.say(scenario.training_step(step, at, noise))
        supervisor.say(scenario.board_seen(turn % 8, at))
        if turn % HZ == 0:
            supervisor.say(*scenario.heartbeats(at, step, noise))
        turn += 1


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    rows = []
    with tempfile.TemporaryDirectory(prefix="m0-") as folder:
        run = RunDirectory(Path(folder) / "run")
        run.create()
        run.settle(build_config("tiny"), "tiny")
        with run.lock(SUPERVISOR):
            for refresh_s in (0.25, 0.5, 1.0, 2.0):
                sent = asyncio.run(measured(run, Path(folder) / "s", refresh_s, seconds))
                rows.append(
                    Row(
                        what=f"--refresh {refresh_s:g}",
                        value=sent / 1024,
                        unit="KiB/s",
                        baseline=AIM_KIB,
                        against="the aim at one drawing a second",
                    )
                )
    show(f"screen over a link, {COLUMNS}x{ROWS}, {HZ} readings a second", rows, parser)


if __name__ == "__main__":
    main()
