"""What the sampler hands to the trainer. Plain numpy, so that nobody who fills one needs torch.

Shapes: B positions, K the most legal moves of any position in the batch (or more).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.replay.future import Future

_Parts = TypeVar("_Parts", "Batch", Future)


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Positions with their targets. All values are for the side to move."""

    positions: NDArray[np.uint64]
    """[B, 8]"""
    policy_index: NDArray[np.int64]
    """[B, K]: policy indices of *all* legal moves, in the network's orientation; then padding."""
    policy_prob: NDArray[np.float32]
    """[B, K]: the target, summing to 1 over the legal moves; zeros are allowed."""
    num_moves: NDArray[np.int64]
    """[B]: legal moves, at least 1."""
    wdl_target: NDArray[np.float32]
    """[B, 3]: probabilities of win, draw, loss."""
    policy_weight: NDArray[np.float32]
    """[B]: importance in the policy loss; only ratios matter. 0, even everywhere, is allowed."""
    value_weight: NDArray[np.float32]
    """[B]: importance in the value loss, at least 0; only ratios matter."""
    future: Future | None = None
    """What follows in the games, for networks that look ahead; None where none was asked for."""
    drawn: Mapping[str, int] | None = None
    """Positions by the source they are from; None where there is only one."""

    def __len__(self) -> int:
        return len(self.positions)

    def with_drawn(self, drawn: Mapping[str, int]) -> "Batch":
        """The same, saying where its positions are from."""
        return replace(self, drawn=drawn)

    def validate(self) -> None:
        """ReplayError when shapes, dtypes or numbers are not what this class says."""
        size, width = self.policy_index.shape
        expected: dict[str, tuple[tuple[int, ...], type]] = {
            "positions": ((size, 8), np.uint64),
            "policy_index": ((size, width), np.int64),
            "policy_prob": ((size, width), np.float32),
            "num_moves": ((size,), np.int64),
            "wdl_target": ((size, 3), np.float32),
            "policy_weight": ((size,), np.float32),
            "value_weight": ((size,), np.float32),
        }
        for name, (shape, dtype) in expected.items():
            array = getattr(self, name)
            if array.shape != shape or array.dtype != dtype:
                raise ReplayError(
                    f"batch.{name} is {array.dtype}{list(array.shape)}, "
                    f"expected {np.dtype(dtype)}{list(shape)}"
                )
        if size == 0:
            raise ReplayError("a batch must hold at least one position")
        if not ((self.num_moves >= 1) & (self.num_moves <= width)).all():
            raise ReplayError(f"batch.num_moves must lie in 1..{width}")
        legal = np.arange(width) < self.num_moves[:, None]
        mass = np.where(legal, self.policy_prob, 0).sum(axis=1)
        for name, bad in (
            ("policy_index", legal & ((self.policy_index < 0) | (self.policy_index >= 4672))),
            ("policy_prob", legal & ~(self.policy_prob >= 0)),
            ("policy_prob (sum)", ~(abs(mass - 1) < 1e-3)),
            ("wdl_target (sum)", ~(abs(self.wdl_target.sum(axis=1) - 1) < 1e-3)),
            ("wdl_target", ~(self.wdl_target >= 0)),
            ("policy_weight", ~((self.policy_weight >= 0) & np.isfinite(self.policy_weight))),
            ("value_weight", ~((self.value_weight >= 0) & np.isfinite(self.value_weight))),
        ):
            if bad.any():
                row = int(np.argwhere(bad)[0][0])
                raise ReplayError(f"batch.{name} is out of range at position {row}")
        if not self.value_weight.sum() > 0:
            raise ReplayError("batch.value_weight is zero everywhere")
        if self.future is not None:
            self.future.validate(size)


def joined(batches: Sequence[Batch], order: NDArray[np.int64]) -> Batch:
    """All their positions, in this order of the whole; lists of moves as wide as the widest."""
    futures = [batch.future for batch in batches if batch.future is not None]
    whole = Batch(**_columns(batches, order))
    return replace(whole, future=Future(**_columns(futures, order)) if futures else None)


def _columns(parts: Sequence[_Parts], order: NDArray[np.int64]) -> dict[str, Any]:
    found = {}
    for field in fields(parts[0]):
        arrays = [getattr(part, field.name) for part in parts]
        if not isinstance(arrays[0], np.ndarray):
            continue
        if arrays[0].ndim == 2:
            width = max(array.shape[1] for array in arrays)
            # Only lists of moves differ in width; what is behind their end means nothing.
            arrays = [np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in arrays]
        found[field.name] = np.concatenate(arrays)[order]
    return found
