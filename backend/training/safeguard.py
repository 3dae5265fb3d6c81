"""Does what the guard decides, for whoever runs a trainer: skip a step, go back, or stop.

The trainer of a run and `matrix0 train` go through the same motions:

    values = safeguard.step()                  # None: the step did not count, and that was answered
    safeguard.is_diverging(values)             # True: the loss stayed far up, and that was answered
    safeguard.cannot_be_saved(error)           # a state with a number that is none
    safeguard.saved("step-00000100")           # from here on things are well
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from backend import checkpoints
from backend.checkpoints import Checkpoint
from backend.errors import NonFiniteError
from backend.events import LossSpiked, NonFinite, RolledBack, TrainingHalted
from backend.rundir import RunDirectory
from backend.training.evidence import keep_evidence
from backend.training.guard import RATE_FACTOR, REFUSED_LIMIT, STAYS, WINDOW, Guard, Verdict
from backend.training.loader import Loader
from backend.training.trainer import Trainer

Trouble = NonFinite | LossSpiked | RolledBack | TrainingHalted

TOO_MANY_REFUSED: Final = f"{REFUSED_LIMIT} of the last {WINDOW} steps were not finite"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whoever runs the trainer, and what it is asked."""

    name: str
    """In events."""
    tell: Callable[[Trouble], None]
    set_phase: Callable[[str, str], None]
    """Told what takes long, and a detail: loading a checkpoint, saving evidence."""
    data_position: Callable[[str], dict[str, Any]]
    """Where it stands in its data, as a checkpoint for that reason would hold it."""
    went_back: Callable[[Checkpoint], None]
    """The trainer has the state of this checkpoint: counts of its own are to be put right."""


class Safeguard:
    """Watches one trainer, from the checkpoint that it begins with."""

    def __init__(self, run: RunDirectory, trainer: Trainer, loader: Loader, owner: Owner) -> None:
        self._run = run
        self._trainer = trainer
        self._loader = loader
        self._owner = owner
        self._guard = Guard(trainer.config)
        self._saved = ""
        self.is_halted = False
        """Going back did not help: a person must look, and call `resumed`."""

    def step(self) -> dict[str, float] | None:
        """Readings of the next step; None when it was not finite and so was not taken."""
        try:
            return self._loader.step()
        except NonFiniteError as error:
            self._loader.leave_out()
            self._report(error.step, error.values)
            self._answer(self._guard.refused(), TOO_MANY_REFUSED, error.values)
            return None

    def is_diverging(self, values: Mapping[str, float]) -> bool:
        """Whether the loss has stayed far above what it was; then that was answered."""
        loss = values.get("policy_loss", 0.0) + values.get("value_loss", 0.0)
        spike = self._guard.took(loss)
        if spike is None:
            return False
        if not spike.stays:
            self._owner.tell(
                LossSpiked(
                    worker=self._owner.name,
                    step=self._trainer.num_steps,
                    loss=spike.loss,
                    usual=spike.usual,
                    sigmas=spike.sigmas,
                )
            )
            return False
        reason = f"{STAYS} losses in a row are far above {spike.usual:.3f}, the last {loss:.3f}"
        self._answer(self._guard.failed(), reason, {})
        return True

    def cannot_be_saved(self, error: Exception) -> None:
        """A number of the present state is none, which this error says."""
        self._report(0, {str(error): math.nan})
        self._answer(self._guard.failed(), str(error), {})

    def saved(self, name: str) -> None:
        """This is the newest checkpoint now."""
        self._saved = name
        self._trainer.rate_factor = 1.0
        self._guard.saved()

    def resumed(self) -> None:
        """A person wants it to be tried again."""
        self.is_halted = False
        self._guard.resumed()

    def _report(self, step: int, values: Mapping[str, float]) -> None:
        texts = {name: str(value) for name, value in values.items()}
        self._owner.tell(NonFinite(worker=self._owner.name, step=step, values=texts))

    def _answer(self, verdict: Verdict, reason: str, values: Mapping[str, float]) -> None:
        match verdict:
            case "skip":
                pass
            case "roll_back":
                self._roll_back(reason)
            case "halt":
                self._halt(reason, values)

    def _roll_back(self, reason: str) -> None:
        """The state of the last checkpoint, with data that comes after what was drawn so far."""
        self._owner.set_phase("loading", self._saved)
        before = self._trainer.num_steps
        checkpoint = checkpoints.load(self._run.checkpoints / self._saved)
        self._trainer.restore(checkpoint)
        self._trainer.rate_factor = RATE_FACTOR
        self._owner.went_back(checkpoint)
        self._owner.tell(
            RolledBack(
                worker=self._owner.name,
                step=before,
                checkpoint=self._saved,
                checkpoint_step=self._trainer.num_steps,
                reason=reason,
                rate_factor=RATE_FACTOR,
            )
        )

    def _halt(self, reason: str, values: Mapping[str, float]) -> None:
        """Keeps the evidence, then the state of the last checkpoint, and waits for a person."""
        self._owner.set_phase("saving", "evidence")
        step = self._trainer.num_steps
        kept = keep_evidence(
            self._run.quarantine,
            self._trainer,
            self._loader.refused,
            reason=reason,
            values=values,
            data_position=self._owner.data_position("halted"),
        )
        self._roll_back(reason)
        self.is_halted = True
        again = f"{reason}, also after going back"
        self._owner.tell(
            TrainingHalted(worker=self._owner.name, step=step, reason=again, evidence=kept.name)
        )
