"""A network as an evaluator: positions in, logits of legal moves and WDL out.

Shapes: N positions, K move slots.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.config import DeviceConfig
from backend.device import Device, choose_device
from backend.errors import DeviceError, NonFiniteError
from backend.inference.runtime import Runtime
from backend.inference.torch_runtime import TorchRuntime
from backend.weights import load_network
from model.net import ChessNet


class Inference:
    """Evaluates positions with a private copy of a network. Not for use by two threads."""

    def __init__(self, net: ChessNet, device: Device, runtime: Runtime | None = None) -> None:
        """`runtime` computes `net`; None means torch in the device's own precision."""
        self.device = device
        self.orientation = net.config.orientation
        self._runtime = runtime or TorchRuntime(net, device, device.inference_precision)
        self.evaluations = 0
        """Positions evaluated so far."""
        self.batches = 0
        self.max_batch: int | None = None
        """Positions the device has memory for at once; None while it had enough for every batch."""
        self.network_s = 0.0
        """Seconds spent waiting for the network, transfers included."""

    @classmethod
    def load(cls, checkpoint: Path, config: DeviceConfig) -> "Inference":
        """The averaged network of a verified checkpoint, on the device `config` asks for."""
        return cls(load_network(checkpoint), choose_device(config))

    def __call__(
        self,
        positions: NDArray[np.uint64],
        move_index: NDArray[np.int16],
        num_moves: NDArray[np.int16],
        /,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits float32[N, K] of the listed moves and wdl float32[N, 3] for the mover.

        Logits beyond `num_moves` are 0. NonFiniteError when the network answers NaN or infinity,
        DeviceError when the device has no memory even for one position.
        """
        num_positions = len(positions)
        logits = np.zeros(move_index.shape, np.float32)
        if num_positions == 0:
            return logits, np.zeros((0, 3), np.float32)
        wdl = self._judge(positions, move_index, num_moves, logits)
        self.evaluations += num_positions
        self.batches += 1

        finite = np.isfinite(logits).all(axis=1) & np.isfinite(wdl).all(axis=1)
        if not finite.all():
            raise NonFiniteError(
                f"the network's answer is not finite for {int((~finite).sum())} of "
                f"{num_positions} positions"
            )
        return logits, wdl

    def _judge(
        self,
        positions: NDArray[np.uint64],
        move_index: NDArray[np.int16],
        num_moves: NDArray[np.int16],
        logits: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Fills in `logits`; in halves, quarters, … from the first time that memory runs out on."""
        wdl: list[NDArray[np.float32]] = []
        first = 0
        while first < len(positions):
            part = slice(first, first + (self.max_batch or len(positions)))
            size = len(positions[part])
            self._runtime.load(positions[part])
            start_s = time.perf_counter()
            try:
                wdl.append(self._runtime.run(move_index[part], num_moves[part], logits[part]))
            except DeviceError:
                if size == 1:
                    raise
                self.device.empty_cache()
                self.max_batch = -(-size // 2)
                continue
            finally:
                self.network_s += time.perf_counter() - start_s
            first += size
        return wdl[0] if len(wdl) == 1 else np.concatenate(wdl)
