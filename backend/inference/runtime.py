"""What `Inference` asks of a library that computes networks."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Runtime(Protocol):
    """One network made ready by one library in one precision. Not for use by two threads.

    A batch is two calls: fill what `planes` gives, then `run`. So planes are encoded straight into
    the library's own memory.

    Shapes: N positions, K move slots.
    """

    def planes(self, count: int) -> NDArray[np.float32]:
        """float32[count, 19, 8, 8], row-major, of any content, to be filled before `run`."""

    def run(
        self,
        move_index_NK: NDArray[np.int16],
        num_moves_N: NDArray[np.int16],
        logits_NK: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Judges the planes: fills in the logits of the listed moves and returns wdl float32[N, 3].

        Logits beyond `num_moves_N` are left alone. DeviceError when the device has no memory for
        the batch.
        """
