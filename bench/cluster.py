"""Self-play over a Ray cluster of this machine against the same workers without one.

    python bench/cluster.py                          preset tiny, 4 rounds of 20 s for each arm
    python bench/cluster.py --rounds 8 --seconds 30  on an idle machine

All workers are started, load the same untrained network and rest. Then they play in turns, local
and on Ray, one and two of them, round after round (ABAB), so that what else the machine does falls
on all arms alike; a figure is the median of its rounds. Workers do not know where they run, so the
difference is what the relay, Ray's processes and the way home cost. Needs two cores and [ray].
"""

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import torch
from _table import Row, options, show

from backend import checkpoints
from backend.cluster.pool import RayPool, require_ray
from backend.cluster.slot import name_on_nodes, scratch
from backend.commands import Pause, Resume, Stop, UseNetwork, WorkerCommand
from backend.config import Config
from backend.events import Heartbeat, SelfPlayProgress, ShardWritten
from backend.pool import Exited, Line, LocalPool, Lost, PoolEvent
from backend.roster import worker_spec
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.weights import arrays_of
from backend.wire import decode_event
from model.net import ChessNet

PREPARED_S = 600.0
NUM_WORKERS = 2
AIM_OVERHEAD, AIM_SCALING = 0.95, 1.8


class Team:
    """The workers of one pool; hears them all the time."""

    def __init__(self, name: str, pool: LocalPool | RayPool, run: RunDirectory) -> None:
        self.name = name
        self._pool = pool
        self._run = run
        self.workers = [f"{name}{n}" for n in range(NUM_WORKERS)]
        self._phases: dict[str, str] = {}
        self._changed = asyncio.Condition()
        self.rates: dict[str, list[float]] = {}
        """positions/s that each worker has reported since `play` began."""
        self.shards = 0

    async def prepare(self, network: str) -> None:
        """Starts all, gives them the network, and lets them rest."""
        for worker in self.workers:
            await self._pool.start(worker_spec(self._run, "selfplay", worker))
        await self._in_phase(self.workers, "waiting")
        await self.tell(self.workers, UseNetwork(name=network))
        await self._in_phase(self.workers, "playing")
        await self.tell(self.workers, Pause())
        await self._in_phase(self.workers, "paused")

    async def play(self, number: int, seconds: float) -> float:
        """positions/s of so many of them together."""
        players = self.workers[:number]
        self.rates = {worker: [] for worker in players}
        await self.tell(players, Resume())
        await self._in_phase(players, "playing")
        await asyncio.sleep(seconds)
        rates = self.rates
        await self.tell(players, Pause())
        await self._in_phase(players, "paused")
        silent = [worker for worker, reports in rates.items() if not reports]
        if silent:
            raise SystemExit(
                f"{', '.join(silent)}: no report in {seconds:g} s; give --seconds more"
            )
        return sum(statistics.fmean(reports) for reports in rates.values())

    async def end(self) -> None:
        await self.tell(self.workers, Stop())

    async def tell(self, workers: list[str], command: WorkerCommand) -> None:
        for worker in workers:
            await self._pool.send(worker, command)

    async def listen(self) -> None:
        """For ever."""
        async for happened in self._events():
            if isinstance(happened, Exited | Lost):
                raise SystemExit(f"{happened.worker} ended: {happened}")
            if not isinstance(happened, Line):
                continue
            match decode_event(happened.data):
                case Heartbeat() as beat:
                    async with self._changed:
                        self._phases[happened.worker] = beat.phase
                        self._changed.notify_all()
                case SelfPlayProgress() as progress if happened.worker in self.rates:
                    self.rates[happened.worker].append(progress.positions_per_s)
                case ShardWritten():
                    self.shards += 1
                case _:
                    pass

    def _events(self) -> AsyncIterator[PoolEvent]:
        return self._pool.events()

    async def _in_phase(self, workers: list[str], phase: str) -> None:
        async with asyncio.timeout(PREPARED_S), self._changed:
            await self._changed.wait_for(
                lambda: all(self._phases.get(worker) == phase for worker in workers)
            )


def new_run(path: Path, config: Config) -> RunDirectory:
    """With an untrained network."""
    run = RunDirectory(path)
    run.create()
    run.settle(config)
    torch.manual_seed(0)
    arrays = arrays_of(ChessNet(config.model))
    parts = {"model": arrays, "ema": arrays, "optimizer": {}}
    checkpoints.save(run.checkpoints, step=0, model=config.model, parts=parts)
    return run


async def measure(folder: Path, given: argparse.Namespace) -> list[Row]:
    words = ["device.kind=cpu", "cluster.pool=ray", "supervisor.heartbeat_s=0.5", *given.set]
    config = build_config(given.preset, None, words)
    runs = {name: new_run(folder / name, config) for name in ("local", "ray")}
    found: dict[tuple[str, int], list[float]] = {}
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(LocalPool())
        ray = RayPool(runs["ray"], lambda seen: None, lambda level, text: print(level, text))
        teams = [
            Team("local", local, runs["local"]),
            Team("ray", await stack.enter_async_context(ray), runs["ray"]),
        ]
        listeners = [asyncio.create_task(team.listen()) for team in teams]
        network = checkpoints.checkpoint_name(0)
        await asyncio.gather(*(team.prepare(network) for team in teams))
        began = time.monotonic()
        for _ in range(given.rounds):
            for number in range(1, NUM_WORKERS + 1):
                for team in teams:
                    rate = await team.play(number, given.seconds)
                    found.setdefault((team.name, number), []).append(rate)
        measured_s = time.monotonic() - began
        for listener in listeners:
            listener.cancel()
        for team in teams:
            await team.end()
    rate_of = {arm: statistics.median(rates) for arm, rates in found.items()}
    rows = [
        Row(
            what=f"{given.preset}, {number} on Ray (aim {AIM_OVERHEAD:.2f}x)",
            value=rate_of["ray", number],
            unit="positions/s",
            baseline=rate_of["local", number],
            against=f"{number} without",
        )
        for number in range(1, NUM_WORKERS + 1)
    ]
    rows += [
        Row(
            what=f"{given.preset}, {NUM_WORKERS} workers, {name} (aim {AIM_SCALING}x)",
            value=rate_of[name, NUM_WORKERS],
            unit="positions/s",
            baseline=rate_of[name, 1],
            against="one worker",
        )
        for name in ("local", "ray")
    ]
    spread = max(max(rates) / min(rates) for rates in found.values())
    return [
        *rows,
        Row(what="shards that came home from Ray", value=teams[1].shards, unit="shards"),
        Row(what="most rounds of one arm differed by", value=spread, unit="times"),
        Row(what="load of the machine", value=os.getloadavg()[0], unit="processes"),
        Row(what="measured for", value=measured_s, unit="s"),
    ]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--set", action="append", default=[], help="a setting, name=value")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20.0, help="of one arm in one round")
    given = parser.parse_args()
    require_ray()
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = asyncio.run(measure(Path(folder), given))
        finally:
            place = scratch() / name_on_nodes(RunDirectory(Path(folder) / "ray"))
            if place.exists():
                shutil.rmtree(place)
    show("Self-play on Ray and without", rows, parser)


if __name__ == "__main__":
    main()
