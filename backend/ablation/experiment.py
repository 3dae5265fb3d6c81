"""Trains every arm of an ablation on the same games in the same order, one after the other.

    OUT/plan.json                     the games and the budget
    OUT/results.jsonl                 what was found
    OUT/<arm>/seed-0/                 a run like any other; its imported/ is a link to the games
    OUT/games/                        the games between the arms

All arms of a repetition come before the next one, so that what is there at any time can be
compared. What was found is not done again; an arm that was interrupted goes on from its checkpoint.
"""

import hashlib
import itertools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from backend.ablation.arms import Arm, require_same_settings
from backend.ablation.results import AnyFinding, HeldOut, Results
from backend.checkpoints import checkpoint_name
from backend.commit import commit_file
from backend.config import Config
from backend.device import choose_device
from backend.errors import ConfigError, ReplayError
from backend.events import TrainingStep
from backend.replay.imports import HELD_OUT, LEARNED
from backend.replay.shards import list_shards
from backend.rundir import RunDirectory
from backend.supervised import SupervisedTraining
from backend.training.precision import choose_precision
from backend.training.safeguard import Trouble

OnProgress = Callable[[str, float, str], None]
"""Told what is at work, how far the whole is (0 to 1), and readings."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What each arm is trained for: steps, or time spent in steps."""

    steps: int | None = None
    minutes: float | None = None

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.minutes:g} minutes"

    def share(self, training: SupervisedTraining) -> float:
        """How much of it is spent; 1 or more: all."""
        if self.steps is not None:
            return training.step / self.steps
        assert self.minutes is not None
        return training.trained_s / (60 * self.minutes)


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What may not change under an ablation; the budget may grow."""

    data: str
    """SHA-256 over the names of the shards, which hold the hashes of what is in them."""
    steps: int | None
    minutes: float | None


class Experiment:
    """An ablation and its directory. The caller holds the directory's lock."""

    def __init__(
        self,
        source: RunDirectory,
        out: Path,
        arms: list[Arm],
        base: Config,
        budget: Budget,
        seeds: int,
    ) -> None:
        """ConfigError when `out` holds an ablation of other games, settings or budget."""
        self.source = source
        self.out = out
        self.arms = arms
        """The first is what the others are compared with."""
        self.base = _with_precision(base)
        self.budget = budget
        self.seeds = seeds
        self._data = _digest(source)
        require_same_settings(arms, self.base, seeds, self.directory)
        self._keep_plan()
        self.results = Results(out / "results.jsonl")

    def config(self, arm: Arm, seed: int) -> Config:
        """The settings of an arm in one repetition."""
        return arm.config(self.base, seed)

    def directory(self, arm: Arm, seed: int) -> RunDirectory:
        """The run of an arm in one repetition."""
        return RunDirectory(self.out / arm.folder / f"seed-{seed}")

    @property
    def calibration(self) -> Path:
        """Shards on which networks are compared before they play."""
        return self.source.imported

    @property
    def spent(self) -> str:
        """The budget in words, as findings name it."""
        return str(self.budget)

    def network(self, arm: Arm, seed: int) -> Path:
        """The checkpoint of a trained arm."""
        trained = self.held_out(arm, seed)
        assert trained is not None, "all arms are trained"
        return self.directory(arm, seed).checkpoints / checkpoint_name(trained.step)

    def found(self) -> list[AnyFinding]:
        """What was found for this budget."""
        return [finding for finding in self.results.findings if finding.budget == self.spent]

    def held_out(self, arm: Arm, seed: int) -> HeldOut | None:
        """What is known of a trained arm; None before it is trained."""
        for finding in self.found():
            if isinstance(finding, HeldOut) and finding.arm == arm.name and finding.seed == seed:
                return finding
        return None

    def train(
        self,
        *,
        on_progress: OnProgress,
        on_trouble: Callable[[str], None],
        should_stop: Callable[[], bool],
    ) -> bool:
        """Trains and measures what is not yet; whether all of it is done.

        `on_trouble` is told, in a sentence, when an arm's numbers went wrong and what was done.
        """
        turns = list(itertools.product(range(self.seeds), self.arms))
        for number, (seed, arm) in enumerate(turns):
            if self.held_out(arm, seed) is not None:
                continue

            def on_share(share: float, readings: str, arm: Arm = arm, number: int = number) -> None:
                on_progress(arm.name, (number + share) / len(turns), readings)

            def on_wrong(trouble: Trouble, arm: Arm = arm, seed: int = seed) -> None:
                on_trouble(f"{arm.name}, seed {seed}: {trouble.sentence}")

            finding = self._train_arm(arm, seed, on_share, on_wrong, should_stop)
            if finding is None:
                return False
            self.results.add(finding)
        return True

    def _train_arm(
        self,
        arm: Arm,
        seed: int,
        on_share: Callable[[float, str], None],
        on_wrong: Callable[[Trouble], None],
        should_stop: Callable[[], bool],
    ) -> HeldOut | None:
        """None when it was stopped before the budget was spent."""
        if _digest(self.source) != self._data:
            raise ReplayError(f"{self.source.imported}: its games changed during the ablation")
        run = self._prepare(arm, seed)
        with run.lock("matrix0 ablate"):
            training = SupervisedTraining(run, run.read_config())

            def on_metrics(point: TrainingStep) -> None:
                loss = point.metrics.get("policy_loss", math.nan)
                on_share(
                    self.budget.share(training),
                    f"seed {seed}, step {point.step:,}, policy_loss {loss:.4g}",
                )

            # A budget of time ends by itself in `should_stop`.
            steps = 1 << 62 if self.budget.steps is None else self.budget.steps - training.step
            measured = training.train(
                steps,
                on_metrics=on_metrics,
                on_measured=lambda _: None,
                on_trouble=on_wrong,
                should_stop=lambda: should_stop() or self.budget.share(training) >= 1,
            )
        if self.budget.share(training) < 1:
            return None
        return HeldOut(
            arm=arm.name,
            seed=seed,
            budget=self.spent,
            step=training.step,
            seconds=training.trained_s,
            positions=measured.positions,
            policy_loss=measured.policy_loss,
            value_loss=measured.value_loss,
            top1=measured.top1,
            top5=measured.top5,
        )

    def _prepare(self, arm: Arm, seed: int) -> RunDirectory:
        run = self.directory(arm, seed)
        run.path.mkdir(parents=True, exist_ok=True)
        if not run.imported.exists():
            # Before `create`, which would make an empty folder.
            run.imported.symlink_to(os.path.abspath(self.source.imported), target_is_directory=True)
        run.create()
        run.settle(self.config(arm, seed))
        return run

    def _keep_plan(self) -> None:
        """Checks the plan of an earlier start, and keeps ours."""
        file = self.out / "plan.json"
        plan = _Plan(data=self._data, steps=self.budget.steps, minutes=self.budget.minutes)
        if file.exists():
            try:
                before = msgspec.json.decode(file.read_bytes(), type=_Plan)
            except msgspec.MsgspecError as error:
                raise ReplayError(f"{file}: damaged: {error}") from error
            if before.data != plan.data:
                raise ConfigError(
                    f"{self.out}: an ablation on other games than {self.source.imported} has now; "
                    "choose another --out"
                )
            if (before.steps is None) != (plan.steps is None) or (
                (before.steps or 0, before.minutes or 0) > (plan.steps or 0, plan.minutes or 0)
            ):
                was = Budget(steps=before.steps, minutes=before.minutes)
                raise ConfigError(
                    f"{self.out}: its arms were trained for {was}, which may only grow; "
                    "choose another --out"
                )
        commit_file(file, msgspec.json.encode(plan) + b"\n")


def _with_precision(base: Config) -> Config:
    """The settings with the type of the activations decided: what is measured anew at the start of
    every run could come out differently for two arms."""
    training = base.training
    precision = choose_precision(training.precision, choose_device(base.device)).precision
    return replace(base, training=replace(training, precision=precision))


def _digest(source: RunDirectory) -> str:
    """Of the games of a run, learned from and held out. ReplayError when either is missing."""
    names = []
    for prefix in (LEARNED, HELD_OUT):
        shards = list_shards(source.imported, prefix)
        if not shards:
            raise ReplayError(
                f"{source.imported}: no shard {prefix}-…; bring in more games: "
                "matrix0 import pgn FILE… --run DIR"
            )
        names += [path.name for path in shards]
    return hashlib.sha256("\n".join(names).encode()).hexdigest()
