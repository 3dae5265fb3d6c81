"""Groups of games that take turns with the network, so that neither waits while the other works.

    network    | A |  B |  A |  B |  A |         the caller's thread, one batch at a time
    threads        | A  |  B |  A |  B |         answers in, games forward, next batch out

A turn of a group is the second half of one step and the first half of the next. Turns run in
threads (the kernels inside hold no lock); batches are judged in strict rotation. So what happens
depends on the groups alone, never on which thread was faster. Without threads a turn runs at once.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.search.evaluator import Evaluate, Request, judge

EndedT_co = TypeVar("EndedT_co", covariant=True)
EndedT = TypeVar("EndedT")


class Group(Protocol[EndedT_co]):
    """Games that wait for the network together; used by one thread at a time."""

    def select(self) -> Request:
        """The positions that wait now; valid until the answer."""

    def answer(self, logits: NDArray[np.float32], wdl: NDArray[np.float32]) -> Sequence[EndedT_co]:
        """Take the answer to the last request; returns what has ended with it."""


class _Turn(NamedTuple, Generic[EndedT]):
    """What a group has to say after its turn."""

    group: Group[EndedT]
    request: Request
    ended: Sequence[EndedT]


class Pipeline(Generic[EndedT]):
    """Drives `groups` with `num_threads` threads; close it, or use it in a `with` block."""

    def __init__(self, groups: Sequence[Group[EndedT]], num_threads: int) -> None:
        self._groups = tuple(groups)
        self._threads = (
            ThreadPoolExecutor(num_threads, thread_name_prefix="search") if num_threads else None
        )
        self._turns = deque(self._submit(_first_turn, group) for group in self._groups)

    def step(self, evaluate: Evaluate) -> Sequence[EndedT]:
        """Judge the batch of the group whose turn it is; returns what ended in its turn before.

        An exception of a turn is raised here; the pipeline is of no use afterwards.
        """
        group, request, ended = self._turns[0].result()
        answer = judge(evaluate, request)
        self._turns.popleft()
        self._turns.append(self._submit(_turn, group, *answer))
        return ended

    def restart(self, change: Callable[[], None]) -> list[EndedT]:
        """Wait for all turns, let `change` alter the groups, and go on; returns what had ended.

        The requests that were waiting are dropped: `change` must leave no search half done.
        """
        ended = [game for turn in self._turns for game in turn.result().ended]
        change()
        self._turns = deque(self._submit(_first_turn, group) for group in self._groups)
        return ended

    def close(self) -> None:
        """Wait for the turns in progress and end the threads."""
        if self._threads is not None:
            self._threads.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _submit(
        self, turn: Callable[..., _Turn[EndedT]], *arguments: object
    ) -> "Future[_Turn[EndedT]]":
        if self._threads is not None:
            return self._threads.submit(turn, *arguments)
        done: Future[_Turn[EndedT]] = Future()
        done.set_result(turn(*arguments))
        return done


def _first_turn(group: Group[EndedT]) -> _Turn[EndedT]:
    return _Turn(group, group.select(), ())


def _turn(
    group: Group[EndedT], logits: NDArray[np.float32], wdl: NDArray[np.float32]
) -> _Turn[EndedT]:
    ended = group.answer(logits, wdl)
    return _Turn(group, group.select(), ended)
