"""The parts of a training step by name, for whoever watches. Nobody watching costs nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Final

Watch = Callable[[str], AbstractContextManager[object]]
"""Called with the name of a part; its context is entered for as long as the part lasts."""

PARTS: Final = (
    "data",
    "encode",
    "trunk",
    "ssl",
    "heads",
    "backward",
    "replay",
    "optimiser",
    "average",
)
"""In the order of a step. data: drawing and gathering. encode: planes, targets and masks. trunk and
heads: forward, losses included. ssl: the self-supervised heads, there and back. replay: these and
the backward pass in one, where they were recorded. optimiser: clipping too. average: of the
weights."""

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


def part(name: str) -> AbstractContextManager[object]:
    """The context of the part `name`, one of PARTS."""
    watch = _watch.get()
    return nullcontext() if watch is None else watch(name)


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """In its context `watch` is told of every part."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)
