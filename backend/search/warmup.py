"""Compiling what self-play needs before the first move, with a count that can be shown.

Without this the first step of a new version stands still for half a minute and says nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import event

from backend.config import SearchConfig
from backend.search.evaluator import uniform
from backend.search.lockstep import accept, collect_finished, prepare_root, select_leaves
from backend.search.result import read_root
from backend.search.roots import play_move, start_game
from backend.search.search import Search
from model.encoding.planes import encode_planes, encode_planes_into
from model.rules import black_to_move, start_position

Progress = Callable[[str, int, int], None]
"""Told the name of a kernel that was just compiled, how many are now, and how many there are."""

ENTRY_KERNELS = (
    start_game,
    play_move,
    prepare_root,
    select_leaves,
    accept,
    collect_finished,
    read_root,
    encode_planes_into,
    black_to_move,
)
"""The kernels that self-play calls from Python; all others are called by these."""


def warm_up(progress: Progress) -> None:
    """Compile every kernel of self-play, or load it from disk; returns when the next move is fast.

    `progress` hears only of kernels that had to be compiled.
    """
    with event.install_listener("numba:compile", _Listener(progress, needed_kernels())):
        search = Search(SearchConfig(), num_games=1, max_simulations=2, orientation="mover", seed=0)
        search.start(0, start_position())
        result = search.search(0, 2, uniform, noise=True)
        search.play(0, int(result.moves[result.best]))
        black_to_move(search.position(0))
        encode_planes(np.stack([search.position(0)]), "mover")


def needed_kernels() -> set[Any]:
    """The entry kernels and all that they call, directly or not."""
    found: set[Any] = set()
    waiting: list[Any] = list(ENTRY_KERNELS)
    while waiting:
        kernel = waiting.pop()
        if kernel not in found:
            found.add(kernel)
            function = kernel.py_func
            called = (function.__globals__.get(name) for name in function.__code__.co_names)
            waiting.extend(other for other in called if hasattr(other, "py_func"))
    return found


class _Listener(event.Listener):  # type: ignore[misc]
    """Counts kernels as they are compiled: first what a kernel calls, then the kernel itself."""

    def __init__(self, progress: Progress, needed: set[Any]) -> None:
        self._progress = progress
        self._total = len(needed)
        self._waiting = needed

    def on_start(self, event: Any) -> None:
        """Nothing is compiled yet."""

    def on_end(self, event: Any) -> None:
        kernel = event.data["dispatcher"]
        if kernel in self._waiting:  # Some are compiled twice, for other types.
            self._waiting.remove(kernel)
            self._progress(kernel.py_func.__name__, self._total - len(self._waiting), self._total)
