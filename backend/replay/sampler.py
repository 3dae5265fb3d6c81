"""Draws batches from the window, every position alike, and mixes the value target.

Weights of positions are weights in the losses, never chances of being drawn: a presentation costs
one credit whatever it teaches, results of games stay as frequent as they were, and a resumed run
draws the same rows whatever their weights are.
"""

from typing import Any, Protocol

import numpy as np

from backend.replay.augment import mirror_some
from backend.replay.batch import Batch
from backend.replay.future import look_ahead
from backend.replay.window import Window


class Draws(Protocol):
    """Where batches come from."""

    def sample(self, size: int, step: int, /) -> Batch:
        """`size` positions for the step after `step` steps. ReplayError when there are none."""

    def phase(self, step: int, /) -> int:
        """The phase of that step: within one, a batch does not depend on the step."""

    def state(self) -> dict[str, Any]:
        """What the next batch depends on, window and phase apart; JSON can hold it."""

    def restore(self, state: dict[str, Any]) -> None:
        """Draw on where `state` was taken."""


class Sampler:
    """Draws with replacement from `window`; the generator's state can be saved as JSON."""

    def __init__(
        self,
        window: Window,
        rng: np.random.Generator,
        search_value_frac: float,
        mirror_frac: float = 0.0,
        *,
        looks_ahead: bool = False,
    ) -> None:
        """`search_value_frac` is the share of the search's value in the value target (0 to 1).

        `mirror_frac`: chance that a position without castling is drawn mirrored left to right. With
        `looks_ahead` batches hold what follows in the games as well.
        """
        self._window = window
        self._rng = rng
        self._search_value_frac = search_value_frac
        self._mirror_frac = mirror_frac
        self._looks_ahead = looks_ahead

    def sample(self, size: int, step: int = 0) -> Batch:
        """`size` positions, in every step alike. ReplayError when the window is empty."""
        rows = self._rng.integers(max(1, self._window.num_positions), size=size)
        batch = self.gather(rows)
        if self._mirror_frac:
            batch = mirror_some(batch, self._mirror_frac, self._rng)
        return batch

    def phase(self, step: int) -> int:
        """All steps are alike."""
        return 0

    def gather(self, rows: np.ndarray) -> Batch:
        """The batch of these positions of the window.

        Value target: the game's result mixed with the search's value. Where the game has no
        result it is the search's value alone; where nothing was searched, the result alone; where
        there is neither, the weight of the value is 0. A target that a teacher or a pass over the
        shards has decided takes the place of all that.
        """
        index, prob, num_moves = self._window.policies(rows)
        result = self._window.column("result_wdl")[rows]
        root = self._window.column("root_wdl")[rows]
        has_result = self._window.column("has_result")[rows].astype(bool)
        searched = np.isfinite(root).all(axis=1)
        share = np.where(searched, np.where(has_result, self._search_value_frac, 1.0), 0.0)
        share = share.astype(np.float32)[:, None]
        wdl = (1 - share) * result + share * np.where(searched[:, None], root, 0.0)
        decided = self._window.column("value_wdl")[rows]
        is_decided = np.isfinite(decided).all(axis=1)
        wdl = np.where(is_decided[:, None], decided, wdl)
        judged = has_result | searched | is_decided
        wdl[~judged] = 1 / 3
        return Batch(
            positions=self._window.column("positions")[rows],
            policy_index=index,
            policy_prob=prob,
            num_moves=num_moves,
            wdl_target=(wdl / wdl.sum(axis=1, keepdims=True)).astype(np.float32),
            policy_weight=self._window.column("policy_weight")[rows].astype(np.float32),
            value_weight=np.where(judged, self._window.column("value_weight")[rows], 0.0).astype(
                np.float32
            ),
            future=look_ahead(self._window, rows) if self._looks_ahead else None,
        )

    def state(self) -> dict[str, Any]:
        """The generator's state; JSON can hold it."""
        return dict(self._rng.bit_generator.state)

    def restore(self, state: dict[str, Any]) -> None:
        """Draw on where `state` was taken."""
        self._rng.bit_generator.state = state
