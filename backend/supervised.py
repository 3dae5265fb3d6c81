"""Training on imported games, in this process: no self-play, no supervisor, no gate.

The network learns the moves that were played and how the games ended. The import holds some games
out for good; how often the averaged network's first choice is the move that was played there is
measured each cycle. All curves are kept in metrics.jsonl, one event a line.
"""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from backend import checkpoints
from backend.appending import Appender
from backend.clock import wall
from backend.commit import commit_file, remove_directory
from backend.config import Config
from backend.device import choose_device
from backend.errors import (
    CheckpointError,
    NonFiniteError,
    NonFiniteStateError,
    ReplayError,
    WorkerError,
)
from backend.events import PhaseBegan, TrainingHalted, TrainingStep
from backend.heldout import Measurement, measure
from backend.inference.front import Inference
from backend.means import MetricMeans
from backend.processes import group_by_torchrun
from backend.replay.imports import HELD_OUT, LEARNED
from backend.replay.mixture import Mixture
from backend.replay.rescored import set_aside
from backend.replay.sampler import Draws, Sampler
from backend.replay.shards import list_shards
from backend.replay.sources import is_mixed, mixture_of, window_of_shards
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.start import PRIOR_HASH, require_same
from backend.store.reading import best_network
from backend.training.curriculum import SELF_PLAY
from backend.training.goal import goal, steps_left
from backend.training.loader import Loader
from backend.training.prior import anchor_of
from backend.training.safeguard import Owner, Safeguard, Trouble
from backend.training.saving import SaveClock
from backend.training.team import Team
from backend.training.trainer import IMPORTED_SAMPLES, Trainer
from backend.wire import decode_event, encode

T = TypeVar("T")

MEASURED_POSITIONS: Final = 8192
"""Held-out positions that one measurement looks at, always the same ones."""
HELD_OUT_SEED: Final = 2
TRAINED_S: Final = "trained_s"
"""In a checkpoint's data position: seconds spent in its steps."""


def _quiet(text: str) -> None:
    pass


class SupervisedTraining:
    """Goes on from a run's newest checkpoint, or makes its first. The caller holds the lock."""

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        say: Callable[[str], None] = _quiet,
        team: Team | None = None,
    ) -> None:
        """`say` is told of sources and phases, where the settings mix them. With a `team` other
        processes train with this one.

        ReplayError when there is not enough to learn from and to hold out.
        """
        self._run = run
        self._config = config
        self._say = say
        unseen, _ = window_of_shards(run.imported, HELD_OUT, config, self._set_aside)
        # Not the run's seed: runs are compared on the same positions.
        rng = np.random.default_rng(HELD_OUT_SEED)
        self._rows = rng.permutation(unseen.num_positions)[:MEASURED_POSITIONS]
        self._unseen = Sampler(unseen, rng, 0.0)
        self._device = choose_device(config.device)
        anchor = anchor_of(run, config)
        self._start = anchor[1] if anchor else None
        self._trainer = Trainer(
            config.model,
            config.ssl,
            config.training,
            self._device,
            seed=config.seed,
            curriculum=config.curriculum,
            prior=anchor[0] if anchor else None,
            team=team,
        )
        self._mixture: Mixture | None = None
        self.num_left_out = 0
        """Older positions, beyond replay.imported_positions; of a mixture `say` is told."""
        draws = self._draws(np.random.default_rng([config.seed, 3]))
        self._loader = Loader(draws, self._trainer, config.training.batch_size)
        self._phase = -1
        self._means = MetricMeans()
        self._imported_samples = 0
        """Of all samples this network has seen, those from imported games."""
        self.trained_s = 0.0
        """Seconds spent in the steps so far, measuring and saving left out."""
        self._clock = SaveClock(config.training)
        self._on_trouble: Callable[[Trouble], None] = lambda _: None
        self._halted = ""
        """Why it does not go on."""
        owner = Owner(
            name="training",
            tell=self._tell,
            set_phase=lambda _phase, _detail: None,
            data_position=self._data_position,
            went_back=self._went_back,
        )
        self._safeguard = Safeguard(run, self._trainer, self._loader, owner)
        self._timed = ""
        """A checkpoint that only resumes; it goes when there is a newer one."""
        self._group = group_by_torchrun()
        self._end = 0
        """The step at which `train` is to end."""
        self._began_with: dict[str, Any] = {}
        """Data position of the checkpoint that it goes on from."""
        self._saved = self._restore()
        self._safeguard.saved(self._saved)
        self._clock.saved(self.step)
        self._curve = _Curve(run.metrics_file, self.step)
        self.num_unseen = unseen.num_positions
        """Positions held out."""

    @property
    def step(self) -> int:
        """Optimiser steps taken so far."""
        return self._trainer.num_steps

    def num_left(self, steps: int) -> int:
        """Steps to take where `steps` were asked for: fewer if torchrun has started us again."""
        return steps_left(self.step, steps, self._began_with, self._group)

    def train(
        self,
        steps: int,
        *,
        on_metrics: Callable[[TrainingStep], None],
        on_measured: Callable[[Measurement], None],
        on_trouble: Callable[[Trouble], None],
        should_stop: Callable[[], bool],
    ) -> Measurement:
        """Take `steps` more steps; measure and save each `steps_per_cycle` and at the end.

        NonFiniteError when numbers were none again and again, also after going back; the newest
        checkpoint is sound then.
        """
        self._on_trouble = on_trouble
        settings = self._config.training
        end = self._end = self.step + steps
        measured = self._measure()
        on_measured(measured)
        is_stopped = False
        while True:
            while self.step < end and not is_stopped:
                is_stopped = should_stop()
                if is_stopped or not self._take_step(on_metrics):
                    continue
                if self.step % settings.steps_per_cycle == 0 or self.step == end:
                    measured = self._measure_and_save(on_measured) or measured
                elif self._clock.is_due(self.step):
                    self._if_finite(lambda: self._commit("timed", {}))
            if measured.step == self.step:
                return measured
            measured = self._measure_and_save(on_measured) or measured

    def _take_step(self, on_metrics: Callable[[TrainingStep], None]) -> bool:
        """Whether it counts."""
        self._announce_phase()
        start_s = time.perf_counter()
        values = self._safeguard.step()
        self.trained_s += time.perf_counter() - start_s
        if values is None:
            self._require_going_on()
            return False
        self._means.add(values)
        own = self._loader.drawn.get(SELF_PLAY, 0)
        self._imported_samples += self._config.training.batch_size - own
        if self.step % self._config.training.metrics_every == 0:
            point = TrainingStep(step=self.step, metrics=self._means.take(), at=wall())
            self._curve.add(point)
            on_metrics(point)
        if self._safeguard.is_diverging(values):
            self._require_going_on()
            return False
        return True

    def _measure_and_save(self, on_measured: Callable[[Measurement], None]) -> Measurement | None:
        """None when the state was not finite: then it is that of the last checkpoint again."""

        def measure_and_save() -> Measurement:
            measured = self._measure()
            if self._saved != checkpoints.checkpoint_name(self.step):
                self._save(measured)
            return measured

        measured = self._if_finite(measure_and_save)
        if measured is not None:
            on_measured(measured)
        return measured

    def _if_finite(self, act: Callable[[], T]) -> T | None:
        """None when the state turned out not to be: then it is that of the last checkpoint."""
        try:
            return act()
        except (NonFiniteError, NonFiniteStateError) as error:
            self._safeguard.cannot_be_saved(error)
        self._require_going_on()
        return None

    def _tell(self, trouble: Trouble) -> None:
        if isinstance(trouble, TrainingHalted):
            self._halted = (
                f"training stopped at step {trouble.step:,}: {trouble.reason}; batch, weights and "
                f"state are in {self._run.quarantine / trouble.evidence}; {self._saved} is sound, "
                "and the next start goes on from it"
            )
        self._on_trouble(trouble)

    def _require_going_on(self) -> None:
        if self._safeguard.is_halted:
            raise NonFiniteError(self._halted)

    def _went_back(self, checkpoint: checkpoints.Checkpoint) -> None:
        position = checkpoint.manifest.data_position
        self._imported_samples = int(position.get(IMPORTED_SAMPLES, 0))
        self._means.take()
        self._curve.forget()
        self._clock.saved(self.step)

    def _draws(self, rng: np.random.Generator) -> Draws:
        """From all that was imported; with a mix from the run's own games, too."""
        run, config = self._run, self._config
        if is_mixed(config):
            own = Window(run.replay, config.replay.window_positions, self._set_aside)
            for path in list_shards(run.replay):
                own.add(path.name)
            self._mixture = mixture_of(run, config, rng, own, self._say, all_alike=True)
            self.num_positions = self._mixture.num_positions
            return self._mixture
        window, self.num_left_out = window_of_shards(run.imported, LEARNED, config, self._set_aside)
        self.num_positions = window.num_positions
        return Sampler(
            window, rng, 0.0, config.training.mirror_frac, looks_ahead=config.model.looks_ahead
        )

    def _set_aside(self, path: Path, error: ReplayError) -> None:
        self._say(set_aside(path, error))

    def _announce_phase(self) -> None:
        if self._mixture is None or (number := self._mixture.phase(self.step)) == self._phase:
            return
        self._phase = number
        phase = self._mixture.describe(number)
        began = PhaseBegan(worker="trainer", step=self.step, **asdict(phase))
        self._say(began.sentence)

    def _restore(self) -> str:
        path, faults = checkpoints.newest_valid(self._run.checkpoints)
        if path is None:
            if faults:
                raise CheckpointError(f"no checkpoint of this run is sound: {faults[0]}")
            return self._trainer.save(self._run.checkpoints).name
        checkpoint = checkpoints.load(path)
        position = self._began_with = checkpoint.manifest.data_position
        if self._start is not None:
            require_same(self._start, position.get(PRIOR_HASH, ""))
        self._trainer.restore(checkpoint)
        if "imported" in position:
            self._loader.restore(position["imported"])
        self._imported_samples = int(position.get(IMPORTED_SAMPLES, 0))
        self.trained_s = float(position.get(TRAINED_S, 0.0))
        if position.get(checkpoints.SAVED_BECAUSE) == "timed":
            self._timed = path.name
        return path.name

    def _save(self, measured: Measurement) -> None:
        """Commit a checkpoint and what was measured; older ones go as in self-play."""
        self._curve.add(TrainingStep(step=self.step, metrics=measured.metrics(), at=wall()))
        self._commit("cycle", measured.metrics())
        best = best_network(self._run.database) if self._run.database.exists() else ""
        checkpoints.prune(
            self._run.checkpoints,
            keep_last=self._config.supervisor.keep_checkpoints,
            keep=(best,),
            keep_every=self._config.supervisor.keep_every * self._config.training.steps_per_cycle,
        )

    def _commit(self, reason: str, metrics: dict[str, float]) -> None:
        """Commit the curve and the checkpoint it leads to; of those that only resume one stays.

        In this order: after a death between the two the start drops the points that lead nowhere.
        """
        self._curve.sync()
        self._saved = self._trainer.save(
            self._run.checkpoints,
            parent=self._saved,
            data_position=self._data_position(reason),
            metrics=metrics,
        ).name
        self._safeguard.saved(self._saved)
        if self._timed:
            remove_directory(self._run.checkpoints / self._timed)
        self._timed = self._saved if reason == "timed" else ""
        self._clock.saved(self.step)
        self._curve.keep()

    def _data_position(self, reason: str) -> dict[str, Any]:
        anchored = {} if self._start is None else {PRIOR_HASH: self._start.sha256}
        own = {
            "imported": self._loader.state(),
            IMPORTED_SAMPLES: self._imported_samples,
            TRAINED_S: self.trained_s,
            checkpoints.SAVED_BECAUSE: reason,
        }
        return own | anchored | goal(self._end, self._group)

    def _measure(self) -> Measurement:
        return measure(
            Inference(self._trainer.ema, self._device), self._unseen, self._rows, self.step
        )


class _Curve:
    """The file of the curves, one event a line; points after the step we go on from are dropped."""

    def __init__(self, path: Path, step: int) -> None:
        self._lines: list[bytes] = []
        lines = path.read_bytes().splitlines(True) if path.exists() else []
        kept = b"".join(line for line in lines if _step_of(line) <= step)
        if lines:
            commit_file(path, kept)
        self._file = Appender(path, len(kept))
        self._kept = len(kept)
        """Its length at the last checkpoint."""

    def add(self, point: TrainingStep) -> None:
        self._lines.append(encode(point))

    def forget(self) -> None:
        """Drops what was added since the last checkpoint, which is gone back to."""
        self._lines.clear()
        self._file.cut(self._kept)

    def sync(self) -> None:
        """Appends what was added, durably."""
        self._file.append(b"".join(self._lines))
        self._lines.clear()

    def keep(self) -> None:
        """A checkpoint holds what was synced."""
        self._kept = self._file.length


def _step_of(line: bytes) -> float:
    """The step of a point; infinity for a line that was cut, so that it is dropped."""
    try:
        event = decode_event(line)
    except WorkerError:
        return math.inf
    return event.step if isinstance(event, TrainingStep) else math.inf
