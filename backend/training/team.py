"""Several processes that train one network together, as the trainer sees them.

Each has a part of every batch. The first one, the leader, draws the batch, decides all there is to
decide, and hands out the parts; the others follow. What they have found is added up over all of
them, and then each takes the same optimiser step. So a checkpoint does not depend on their number.

Knows nothing of how they speak to each other; that is `backend/training/torch_team.py`, which is
loaded only where there are several.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec
from torch import Tensor, nn

from backend.accelerator import Precision
from backend.checkpoints import Arrays, Part
from backend.training.objective import Examples
from model.checkpointing import Checkpointing


class StepOrder(msgspec.Struct, frozen=True, kw_only=True):
    """All that a step depends on but weights, moments and examples."""

    step: int
    """Steps taken before it."""
    rate: float
    clip_norm: float
    precision: Precision
    checkpointing: Checkpointing
    loss_scale: float
    good_steps: int


class Team(Protocol):
    """One process's end of it."""

    @property
    def size(self) -> int:
        """Processes; 2 at least."""

    def synchronise(self, net: nn.Module) -> None:
        """From now on BatchNorm takes its statistics over all processes, within `together`."""

    def hand_state(self, step: int, parts: Mapping[Part, Arrays]) -> None:
        """The leader's whole state, for the others."""

    def hand_out(self, order: StepOrder, parts: Sequence[Examples]) -> list[Examples]:
        """Gives the others their parts of a batch, which was cut in a multiple of `size`.

        Returns the leader's. Parts that lie beside each other are shown at the same time.
        """

    def together(self) -> AbstractContextManager[None]:
        """The context in which all processes do the same; WorkerError when one is gone."""

    def add_up(
        self, parameters: Sequence[nn.Parameter], metrics: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Sums over all processes: gradients where they lie, metrics as a new dictionary."""


Split = Callable[[], Sequence[Examples]]
"""The micro-batches of a step for this process, as the present plan has them."""
