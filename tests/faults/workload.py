"""A small run without workers: real shards, checkpoints, matches, promotions, journal, database.

What was acknowledged is told at once, in the words of a run's events, so that `run_witness.py` can
compare it with the disk from outside.
"""

import hashlib
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from backend import checkpoints
from backend.commands import PlayMatch, WorkerCommand
from backend.commit import commit_file
from backend.config import Config, EvaluationConfig
from backend.errors import Matrix0Error
from backend.events import Role
from backend.filesystem import OS, FileSystem
from backend.gating import Gating
from backend.recovery import Findings, open_ledger, read_checkpoint, recover
from backend.replay.shards import write_shard
from backend.rundir import RunDirectory
from backend.training.config import TrainingConfig
from backend.wire import encode
from tests.backend.fakes import worker as fake
from tests.backend.test_cycle import result
from tests.run_witness import Witness, faults, half_written

CONFIG: Final = Config(
    training=TrainingConfig(steps_per_cycle=1),
    evaluation=EvaluationConfig(games=4, baseline_games=0),
)
MAX_PLIES: Final = 10
SHARDS_A_CHECKPOINT: Final = 3

Event = dict[str, Any]
Tell = Callable[[Event], None]


class Workload:
    """One start of the small run, from recovery on."""

    def __init__(self, directory: Path, tell: Tell, *, seed: int, fs: FileSystem = OS) -> None:
        """`tell` hears each fact once it is acknowledged."""
        self._run = RunDirectory(directory)
        self._tell = tell
        self._rng = random.Random(seed)
        self._fs = fs
        self._seq = 0

    async def run(self, rounds: int, *, ready: Callable[[], None] = lambda: None) -> None:
        """Recovers, then writes for so many rounds; `ready` is called in between."""
        fake.MAX_PLIES = MAX_PLIES
        began = time.monotonic()
        run, fs = self._run, self._fs
        run.create(fs=fs)
        run.settle(CONFIG, fs=fs)
        self._tell({"type": "Settled", "sha256": _sha256(run.config_file)})
        self._ledger, journal, remarks = await open_ledger(run, fs=fs)
        try:
            findings = await recover(run, CONFIG, self._ledger, remarks, fs=fs)
            self._listener = self._ledger.listen()
            self._ledger.publish(findings.event)
            for remark in remarks:
                self._ledger.alert("error", remark)  # Nothing was damaged: none is expected.
            await self._hear()
            self._tell({"type": "Took", "seconds": time.monotonic() - began})
            ready()
            await self._work(findings, rounds)
        finally:
            await self._ledger.store.close()
            journal.close()

    async def _work(self, findings: Findings, rounds: int) -> None:
        self._orders: list[PlayMatch] = []
        self._gating = Gating(
            self._run,
            CONFIG,
            self._ledger,
            findings.director,
            order=self._order,
            on_cycle=lambda cycle: None,
            fs=self._fs,
        )
        await self._gating.resume(findings)
        await self._play()
        step = findings.checkpoints[-1].step + 1 if findings.checkpoints else 0
        for number in range(rounds):
            if number % SHARDS_A_CHECKPOINT == 0:
                await self._save(step)
                await self._play()
                step += 1
            await self._write_shard(findings)
            preset = f"preset {step} {number}\n".encode()
            self._tell({"type": "Presetting", "text": preset.decode()})
            commit_file(self._run.preset_file, preset, fs=self._fs)
            self._tell({"type": "Preset", "text": preset.decode()})

    async def _write_shard(self, findings: Findings) -> None:
        written = write_shard(
            self._run.replay,
            f"sp-{self._rng.getrandbits(32):08x}",
            self._seq,
            [fake.random_game(self._rng)],
            producer="sp0",
            network="n",
            orientation="white",
            fs=self._fs,
        )
        self._seq += 1
        self._tell(
            {"type": "ShardWritten", "name": written.name, "sha256": written.sha256, "games": 1}
        )
        await findings.intake.admit(written.name, written.sha256)
        await self._hear()

    async def _save(self, step: int) -> None:
        arrays = {"weights": np.full(300, step, np.float32)}
        path = checkpoints.save(
            self._run.checkpoints,
            step=step,
            model=CONFIG.model,
            parts={"model": arrays, "ema": arrays, "optimizer": arrays},
            fs=self._fs,
        )
        saved = read_checkpoint(path, CONFIG)
        self._tell(json.loads(encode(saved)))
        await self._gating.checkpoint_saved(saved)
        await self._hear()

    async def _order(self, role: Role, command: WorkerCommand) -> None:
        if isinstance(command, PlayMatch):
            self._orders.append(command)

    async def _play(self) -> None:
        while self._orders:
            await self._gating.match_finished(result(self._orders.pop(0)))
            await self._hear()

    async def _hear(self) -> None:
        """Tells what the ledger has published since."""
        self._ledger.end()
        while (happened := await self._listener.next()) is not None:
            event = json.loads(encode(happened.event))
            if event["type"] != "CheckpointSaved":  # It was told when it was on disk.
                self._tell(event)


class Acknowledged:
    """All that was ever told, over all starts of one small run."""

    def __init__(self) -> None:
        self.witness = Witness()
        self.seconds: list[float] = []
        """What the recoveries took."""
        self._settings = ""
        self._presets = {"\n"}
        """What the file may hold: what was acknowledged, and what is being written."""

    def hear(self, event: Event) -> None:
        match event["type"]:
            case "Settled":
                self._settings = event["sha256"]
            case "Presetting":
                self._presets.add(event["text"])
            case "Preset":
                self._presets = {event["text"]}
            case "Took":
                self.seconds.append(event["seconds"])
            case _:
                self.witness.hear(event)

    def violations(self, directory: Path) -> list[str]:
        """Where a directory that has been recovered breaks it."""
        found = []
        config, preset = directory / "config.toml", directory / "preset"
        if self._settings and _sha256(config) != self._settings:
            found.append("config.toml is not what was acknowledged")
            if preset.read_text() not in self._presets:
                found.append("the preset is not what was acknowledged")
        found += faults(directory, self.witness)
        self.witness.complaints.clear()
        return found + [f"{path} was not swept" for path in half_written(directory)]


async def recovered(directory: Path, tell: Tell, *, fs: FileSystem = OS) -> None:
    """The real recovery of what lies in a directory."""
    try:
        await Workload(directory, tell, seed=0, fs=fs).run(0)
    except Matrix0Error as error:
        tell({"type": "WorkerFailed", "error": str(error)})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
