"""Trainer worker: spends credits on optimiser steps, reports the curves, saves candidates.

It reads which shards count from the run's database, and later hears of new ones. A checkpoint holds
all that the next step depends on, the sampler's generator and the samples presented included.
"""

import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, assert_never

from backend import checkpoints
from backend.commands import (
    SAVED_ALREADY,
    AddShard,
    Pause,
    PlayMatch,
    Resume,
    SaveCheckpoint,
    Stop,
    UseNetwork,
    UseSetting,
    WorkerCommand,
)
from backend.commit import sha256_of
from backend.config import Config
from backend.device import Device, choose_device
from backend.disk import Reserve
from backend.errors import (
    CheckpointError,
    NonFiniteStateError,
    ReplayError,
    WorkerError,
)
from backend.events import (
    CheckpointSaved,
    PhaseBegan,
    ShardUnusable,
    TrainerProgress,
    TrainingStep,
)
from backend.means import MetricMeans
from backend.replay.credits import EXPIRED_CREDITS, PRICE, Credits
from backend.replay.rescored import FOLDER, set_aside
from backend.replay.suspects import ReadingNote
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.settings import changed
from backend.start import PRIOR_HASH, require_same
from backend.store.reading import admitted
from backend.text import clean
from backend.training.feed import Feed
from backend.training.loader import Loader
from backend.training.prior import anchor_of
from backend.training.ranks import team_of
from backend.training.safeguard import Owner, Safeguard
from backend.training.saving import SaveClock
from backend.training.team import Team
from backend.training.trainer import IMPORTED_SAMPLES, Trainer
from backend.workers.base import WorkerIO

PROGRESS_S: Final = 1.0
"""Seconds between two reports of credits and window."""


def main(io: WorkerIO, run: RunDirectory, config: Config) -> None:
    """Train until told to stop."""
    io.set_phase("loading")
    device = choose_device(config.device)
    io.ready(device)
    with team_of(run, config) as team:
        _TrainerWorker(io, run, config, device, team).run()


class _TrainerWorker:
    def __init__(
        self, io: WorkerIO, run: RunDirectory, config: Config, device: Device, team: Team | None
    ) -> None:
        self._io = io
        self._run = run
        self._config = config
        anchor = anchor_of(run, config)
        self._start = anchor[1] if anchor else None
        """What training is anchored to; None where it is not."""
        self._trainer = Trainer(
            config.model,
            config.ssl,
            config.training,
            device,
            seed=config.seed,
            curriculum=config.curriculum,
            prior=anchor[0] if anchor else None,
            team=team,
            say=io.log,
            before_risk=self._save_before_risk,
        )
        self._credits = Credits(config.replay)
        self._window = Window(run.replay, config.replay.window_positions, self._set_aside)
        self._note = ReadingNote(run.reading_file)
        self._feed = Feed(run, config, self._window, io.log)
        self._loader = Loader(self._feed.draws, self._trainer, config.training.batch_size)
        self._imported_samples = 0
        """Samples seen in games of others, before self-play or beside it; they cost no credits."""
        self._saved = ""
        """Name of the newest checkpoint."""
        self._saved_because = ""
        self._clock = SaveClock(config.training)
        owner = Owner(
            name=io.worker,
            tell=io.emit,
            set_phase=io.set_phase,
            data_position=self._data_position,
            went_back=self._went_back,
        )
        self._safeguard = Safeguard(run, self._trainer, self._loader, owner)
        self._means = MetricMeans()
        self._metrics: dict[str, float] = {}
        self._reserve = Reserve(run.checkpoints, config.supervisor.reserve_mib)
        self._paused = False
        self._stopping = False
        self._reported_at = 0.0

    def run(self) -> None:
        self._restore()
        self._fill_window()
        while True:
            for command in self._io.poll():
                self._obey(command)
            if self._stopping:
                break
            self._announce_phase()
            waiting = self._reserve.lacking() or self._missing()
            self._report(waiting)
            if self._paused or self._safeguard.is_halted or waiting:
                self._wait(waiting)
            else:
                if self._trainer.is_settled:
                    self._io.set_phase("training")
                else:
                    self._io.set_phase("tuning")
                self._step()
        if self._trainer.num_steps and self._saved != self._name:
            self._save("stopping")

    def _missing(self) -> str:
        """Why the next batch must wait for self-play; empty when it need not."""
        needed = self._feed.needed(self._trainer.num_steps)
        return self._credits.waiting_for(needed) if needed else ""

    def _announce_phase(self) -> None:
        step = self._trainer.num_steps
        if (phase := self._feed.new_phase(step)) is not None:
            self._io.emit(PhaseBegan(worker=self._io.worker, step=step, **asdict(phase)))

    @property
    def _name(self) -> str:
        return checkpoints.checkpoint_name(self._trainer.num_steps)

    def _restore(self) -> None:
        """Go on from the newest sound checkpoint, or make the first one."""
        self._io.set_phase("loading", "checkpoint")
        path, faults = checkpoints.newest_valid(self._run.checkpoints)
        for fault in faults:
            self._io.log(str(fault), "error")
        if path is None:
            if faults:
                raise CheckpointError("no checkpoint of this run is sound")
            self._save("initial")
            return
        checkpoint = checkpoints.load(path)
        if self._start is not None:
            require_same(self._start, checkpoint.manifest.data_position.get(PRIOR_HASH, ""))
        self._trainer.restore(checkpoint)
        if "sampler" in checkpoint.manifest.data_position:
            self._loader.restore(checkpoint.manifest.data_position["sampler"])
        self._imported_samples = int(checkpoint.manifest.data_position.get(IMPORTED_SAMPLES, 0))
        self._credits.presented = self._trainer.num_samples - self._imported_samples
        self._credits.expired = int(checkpoint.manifest.data_position.get(EXPIRED_CREDITS, 0))
        price = float(checkpoint.manifest.data_position.get(PRICE, 0.0))
        if price:
            # What was bought at the price of then stays bought; see `_fill_window`.
            self._credits.config = replace(self._credits.config, samples_per_position=price)
        self._metrics = dict(checkpoint.manifest.metrics)
        self._saved = path.name
        self._safeguard.saved(self._saved)
        self._clock.saved(self._trainer.num_steps)
        self._saved_because = checkpoints.saved_because(
            checkpoint.manifest, self._config.training.steps_per_cycle
        )
        self._io.log(f"goes on from {path.name}")

    def _fill_window(self) -> None:
        """Load the newest admitted shards, enough to fill the window, oldest first."""
        self._io.set_phase("loading", "replay window")
        found = admitted(self._run.database)
        self._credits.admitted = found.positions
        for done, name in enumerate(found.shards):
            self._take_in(name)
            if done % 64 == 0:
                self._io.progress()
        self._credits.window_holds(self._window.num_positions)
        self._credits.reprice(self._config.replay)

    def _take_in(self, name: str) -> int:
        """Positions that a shard adds to the window; none if it is unfit, which is reported."""
        try:
            with self._note.reading(name):
                return self._window.add(name)
        except ReplayError as error:
            self._tell_unusable(name, str(error))
            return 0

    def _set_aside(self, path: Path, error: ReplayError) -> None:
        self._tell_unusable(f"{FOLDER}/{path.name}", set_aside(path, error))

    def _tell_unusable(self, name: str, reason: str) -> None:
        self._io.emit(ShardUnusable(worker=self._io.worker, name=name, reason=clean(reason)))

    def _wait(self, waiting: str) -> None:
        if self._paused or self._safeguard.is_halted:
            self._io.set_phase(
                "paused", "halted: see the alerts" if self._safeguard.is_halted else ""
            )
        else:
            self._io.set_phase("waiting", waiting)
        command = self._io.wait(0.25)
        if command is not None:
            self._obey(command)

    def _obey(self, command: WorkerCommand) -> None:
        match command:
            case AddShard():
                with self._loader.changing():
                    self._credits.admitted += self._take_in(command.name)
                self._credits.window_holds(self._window.num_positions)
            case SaveCheckpoint():
                self._save(command.reason)
            case UseSetting():
                self._config = changed(self._config, command.name, command.value)
                self._trainer.config = self._config.training
                self._credits.reprice(self._config.replay)
            case Pause():
                self._paused = True
            case Resume():
                self._paused = False
                self._safeguard.resumed()
            case Stop():
                self._stopping = True
            case UseNetwork() | PlayMatch():
                raise WorkerError(f"the trainer cannot obey {type(command).__name__}")
            case _:
                assert_never(command)

    def _step(self) -> None:
        training = self._config.training
        values = self._safeguard.step()
        if values is None:
            return
        self._imported_samples += self._feed.imported(self._loader.drawn)
        self._credits.presented = self._trainer.num_samples - self._imported_samples
        self._means.add(values)
        step = self._trainer.num_steps
        if step % training.metrics_every == 0:
            self._metrics = self._means.take()
            self._io.emit(TrainingStep(step=step, metrics=self._metrics))
        if self._safeguard.is_diverging(values):
            return
        if step % training.steps_per_cycle == 0:
            self._save("cycle")
        elif self._clock.is_due(step):
            self._save("timed")

    def _went_back(self, checkpoint: checkpoints.Checkpoint) -> None:
        position = checkpoint.manifest.data_position
        self._imported_samples = int(position.get(IMPORTED_SAMPLES, 0))
        self._credits.presented = self._trainer.num_samples - self._imported_samples
        self._metrics = dict(checkpoint.manifest.metrics)
        self._means.take()
        self._clock.saved(self._trainer.num_steps)

    # Checkpoints ----------------------------------------------------------------------------------

    def _save_before_risk(self) -> None:
        """The device ran out of memory: keep what there is before the step is tried again."""
        if self._saved != self._name:
            try:
                self._commit("timed")
            except NonFiniteStateError as error:
                # We are within a step: whether to go back is decided when it has ended.
                self._io.log(str(error), "error")
        self._io.set_phase("training")

    def _save(self, reason: str) -> None:
        """Commit the state of this step and announce it; a step is saved once.

        A state with a number that is none is not saved: that is answered as a step that failed.
        """
        if self._saved == self._name:
            if reason == "requested" and self._saved_because in ("timed", "stopping"):
                # A person wants to keep what would have gone with time.
                self._announce(reason)
            else:
                self._io.log(f"{self._saved} {SAVED_ALREADY}")
            return
        self._io.set_phase("saving", self._name)
        try:
            self._commit(reason)
        except NonFiniteStateError as error:
            if not self._saved:
                raise  # Not even the first one: there is nothing to go back to.
            self._safeguard.cannot_be_saved(error)

    def _commit(self, reason: str) -> None:
        """NonFiniteStateError, with nothing written, when a number of the state is none."""
        position = self._data_position(reason)
        self._io.until_there_is_room(
            self._run.checkpoints / self._name,
            lambda: self._trainer.save(
                self._run.checkpoints,
                parent=self._saved,
                data_position=position,
                metrics=self._metrics,
            ),
        )
        self._saved = self._name
        self._safeguard.saved(self._saved)
        self._announce(reason)

    def _data_position(self, reason: str) -> dict[str, Any]:
        anchored = {} if self._start is None else {PRIOR_HASH: self._start.sha256}
        return anchored | {
            "sampler": self._loader.state(),
            IMPORTED_SAMPLES: self._imported_samples,
            EXPIRED_CREDITS: self._credits.expired,
            PRICE: self._credits.config.samples_per_position,
            checkpoints.SAVED_BECAUSE: reason,
        }

    def _announce(self, reason: str) -> None:
        self._saved_because = reason
        self._clock.saved(self._trainer.num_steps)
        path = self._run.checkpoints / self._saved
        size = sum(file.stat().st_size for file in path.iterdir())
        self._io.emit(
            CheckpointSaved(
                name=self._saved,
                step=self._trainer.num_steps,
                sha256=sha256_of(path / checkpoints.MANIFEST),
                size_mib=size / 2**20,
                reason=reason,
                metrics=self._metrics,
            )
        )

    def _report(self, waiting: str) -> None:
        now = time.monotonic()
        if now - self._reported_at < PROGRESS_S:
            return
        self._reported_at = now
        self._io.emit(
            TrainerProgress(
                step=self._trainer.num_steps,
                window_positions=self._window.num_positions,
                admitted_positions=self._credits.admitted,
                presented_samples=self._credits.presented,
                credits=self._credits.balance,
                waiting="paused" if self._paused else waiting,
            )
        )
