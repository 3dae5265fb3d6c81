"""What `Inference` asks of a library that computes networks."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """One network made ready by one library in one precision. Not for use by two threads.

    A batch is two calls, `load` and `run`. On a CPU planes are encoded straight into the library's
    own memory; to a GPU the 64 bytes of each position travel, and planes are made there.

    Shapes: N positions, K move slots.
    """

    def load(self, positions_N8: NDArray[np.uint64]) -> None:
        """Takes in what the next `run` is about."""

    def run(
        self,
        move_index_NK: NDArray[np.int16],
        num_moves_N: NDArray[np.int16],
        logits_NK: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Judges the positions: fills in the listed moves' logits and returns wdl float32[N, 3].

        Logits beyond `num_moves_N` are left alone. DeviceError when the device has no memory for
        the batch.
        """
