"""The next batch, drawn, gathered and encoded in a thread while the present one is learned from.

Exactly resumable: the state that is saved is that of the batches *learned from*; one that lies
ready is drawn again after a restart.
"""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from backend.errors import NonFiniteError
from backend.replay.sampler import Draws
from backend.training.objective import Examples
from backend.training.trainer import Trainer


@dataclass(frozen=True, slots=True)
class _Ready:
    examples: Examples
    step: int
    """Steps before the one that it was drawn for."""
    drawn: Mapping[str, int]
    """Its positions by source; empty where there is only one."""
    sampler: dict[str, Any]
    """State of the sampler after this batch."""


class Loader:
    """Feeds one trainer from one sampler, which it owns."""

    def __init__(self, sampler: Draws, trainer: Trainer, batch_size: int) -> None:
        self._sampler = sampler
        self._trainer = trainer
        self._batch_size = batch_size
        self._consumed = sampler.state()
        self._next: Future[_Ready] | None = None
        self._refused: _Ready | None = None
        """The batch of the last step that was not finite."""
        self.drawn: Mapping[str, int] = {}
        """Positions of the last batch that was learned from, by source; empty with only one."""
        self._has_checked_batch = False
        """The first batch of a start is held against all that a batch promises."""
        # A thread of its own has its own idea of how many threads torch may use.
        self._thread = ThreadPoolExecutor(
            1, "loader", initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)
        )

    def step(self) -> dict[str, float]:
        """One step of the trainer on the next batch; its metrics, and those of the data.

        data_wait_frac (0 to 1) is the share of the step's time in which the batch was waited for,
        share_<source> that of a source in the batch where there are several. Errors are those of
        the sampler and of the trainer; the batch then counts as not learned from.
        """
        start_s = time.perf_counter()
        step = self._trainer.num_steps
        ready = (self._next or self._order(step)).result()
        if self._sampler.phase(ready.step) != self._sampler.phase(step):
            # A step was refused, or taken back: what lies ready is of another phase.
            self._forget_next()
            ready = self._order(step).result()
        wait_s = time.perf_counter() - start_s
        self._next = self._order(step + 1)
        try:
            metrics = self._trainer.step(ready.examples)
        except NonFiniteError:
            self._refused = ready
            raise
        self._consumed = ready.sampler
        self.drawn = ready.drawn
        total_s = time.perf_counter() - start_s
        metrics["data_wait_frac"] = wait_s / total_s
        metrics["samples_per_s"] = ready.examples.size / total_s
        for source, count in ready.drawn.items():
            metrics[f"share_{source}"] = count / ready.examples.size
        return metrics

    def leave_out(self) -> None:
        """The batch that was refused last is not drawn again, neither now nor after a restart."""
        assert self._refused is not None, "no step was refused"
        self._consumed = self._refused.sampler

    @property
    def refused(self) -> Examples | None:
        """The batch of the last step that was not finite; None before there was one."""
        return self._refused.examples if self._refused else None

    def state(self) -> dict[str, Any]:
        """Of the sampler, after the last batch that was learned from; JSON can hold it."""
        return self._consumed

    def restore(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken."""
        self._consumed = state
        self._forget_next()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """In its context the sampler's window may be changed: nothing is drawn meanwhile.

        A batch that lay ready is drawn again after it, as a run that starts there would draw it.
        """
        self._forget_next()
        yield

    def _forget_next(self) -> None:
        if self._next is not None:
            wait([self._next])
        self._next = None
        self._sampler.restore(self._consumed)

    def _order(self, step: int) -> Future[_Ready]:
        return self._thread.submit(self._draw, step)

    def _draw(self, step: int) -> _Ready:
        batch = self._sampler.sample(self._batch_size, step)
        if not self._has_checked_batch:
            batch.validate()
            self._has_checked_batch = True
        examples = self._trainer.objective.prepare(batch)
        return _Ready(examples, step, batch.drawn or {}, self._sampler.state())
