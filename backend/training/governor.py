"""How a step fits into memory: in how many micro-batches, and what the layers keep of each.

Planned once from the memory budget. Should the device run out all the same, the governor makes
room in this order: release cached memory, halve the micro-batch, keep less of each layer. Whatever
it does is said aloud.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from backend.device import Device
from backend.events import Level
from backend.training.config import TrainingConfig
from backend.training.footprint import OVERHEAD
from model.checkpointing import Checkpointing

SMALL: Final = 32
"""Positions in a micro-batch below which layers rather keep less: small parts use a device badly
and have poor BatchNorm statistics."""

Say = Callable[[str, Level], None]
"""How people are told."""

MODES: Final[tuple[Checkpointing, ...]] = ("none", "selective", "full")

FRAGMENTED: Final = 0.5
"""Share of the budget that may lie unused in the allocator's cache before it is given back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a batch is worked through."""

    micro_batch: int
    """Positions shown at once."""
    checkpointing: Checkpointing


class Governor:
    """Owns the plan. `say` tells people what is done about memory."""

    def __init__(
        self,
        config: TrainingConfig,
        device: Device,
        say: Say,
    ) -> None:
        self._device = device
        self._say = say
        self._may_checkpoint = config.checkpointing == "auto"
        self._caches_released = False
        self.plan = Plan(
            config.micro_batch or config.batch_size,
            "none" if config.checkpointing == "auto" else config.checkpointing,
        )
        self._must_plan = config.micro_batch == 0 or self._may_checkpoint
        self._is_micro_batch_free = config.micro_batch == 0

    def settle(self, standing: int, bytes_per_position: Callable[[Checkpointing], float]) -> None:
        """Make the plan, once: `standing` bytes are taken whatever the batch.

        `bytes_per_position` rehearses: what a step has alive for one position.
        """
        if not self._must_plan:
            return
        self._must_plan = False
        batch = self.plan.micro_batch
        room = self._device.memory_budget - standing
        modes = MODES if self._may_checkpoint else (self.plan.checkpointing,)
        for mode in modes:
            fitting = int(room / (OVERHEAD * max(1.0, bytes_per_position(mode))))
            if fitting >= min(batch, SMALL):
                break
        micro_batch = max(1, min(batch, fitting)) if self._is_micro_batch_free else batch
        plan = Plan(micro_batch, mode)
        if plan != self.plan:
            budget = self._device.memory_budget / 2**30
            self._say(f"memory budget {budget:.1f} GiB: {_words(plan)}", "info")
        self.plan = plan

    def make_room(self) -> bool:
        """The device ran out: change something, so that the same step can be tried again.

        False when nothing is left to be changed.
        """
        before = self.plan
        if not self._caches_released and self._cached() > 0:
            self._caches_released = True
            self._say(
                f"out of memory: released {self._release():,.0f} MiB of cached memory", "warning"
            )
            return True
        self._device.empty_cache()
        mode = MODES.index(before.checkpointing)
        can_keep_less = self._may_checkpoint and mode + 1 < len(MODES)
        if before.micro_batch > (SMALL if can_keep_less else 1):
            self.plan = replace(before, micro_batch=-(-before.micro_batch // 2))
        elif can_keep_less:
            self.plan = replace(before, checkpointing=MODES[mode + 1])
        else:
            return False
        self._say(f"out of memory with {_words(before)}; now {_words(self.plan)}", "warning")
        return True

    def after_step(self, recorded: int = 0) -> None:
        """A step was taken: give back what the allocator holds without use, if it is much.

        `recorded` bytes of that belong to a recording of the step.
        """
        self._caches_released = False
        if self._cached() - recorded > FRAGMENTED * self._device.memory_budget:
            self._say(f"memory is fragmented: released {self._release():,.0f} MiB of it", "info")

    def _cached(self) -> int:
        memory = self._device.memory()
        if memory.used is None or memory.reserved is None:
            return 0
        return memory.reserved - memory.used

    def _release(self) -> float:
        """MiB that went back to the system."""
        before = self._cached()
        self._device.empty_cache()
        return (before - self._cached()) / 2**20


def _words(plan: Plan) -> str:
    kept = {
        "none": "",
        "selective": ", cheap layers computed twice",
        "full": ", all layers computed twice",
    }[plan.checkpointing]
    return f"micro-batches of {plan.micro_batch}{kept}"
