"""Networks computed by torch, on every device.

What makes it fast, measured on one core (AVX2): channels-last convolutions (1.7 times the default
layout), folded BatchNorm, only the heads of play. On a GPU positions travel as rows of 64 bytes out
of pinned memory, and only legal moves' logits come back. torch.jit gained nothing over this.

Shapes: N positions, K move slots, W the most moves of a position in the batch.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from backend.accelerator import Precision
from backend.device import Device
from backend.errors import DeviceError
from backend.inference.folding import fold_batch_norm
from model.encoding import encode_planes, num_planes
from model.encoding.unpack import ROW_BYTES, rows_of, unpack_planes
from model.net import ChessNet


class TorchRuntime:
    """A private, folded copy of a network; see `backend.inference.runtime.Runtime`."""

    def __init__(
        self, net: ChessNet, device: Device, precision: Precision, *, unpacks: bool | None = None
    ) -> None:
        """`unpacks`: planes are made by the device itself; None means on all but a CPU.

        Knowledge planes are made by our kernels only, so a network with them never unpacks.
        """
        self._device = device
        self._precision = precision
        self._net = device.place(fold_batch_norm(net))
        self._orientation = net.config.orientation
        self._knowledge = net.config.knowledge_planes
        self._unpacks = device.kind != "cpu" and not self._knowledge if unpacks is None else unpacks
        self._input = torch.empty(0)
        """Rows of bytes, in memory a GPU may read by itself, where it unpacks them; else planes."""

    def load(self, positions_N8: NDArray[np.uint64]) -> None:
        count = len(positions_N8)
        if self._unpacks:
            if len(self._input) != count:
                pinned = self._device.kind == "cuda"
                self._input = torch.empty(count, ROW_BYTES, dtype=torch.uint8, pin_memory=pinned)
            self._input.numpy()[:] = rows_of(positions_N8)
            return
        if len(self._input) != count:
            self._input = torch.empty(count, num_planes(knowledge=self._knowledge), 8, 8)
        encode_planes(
            positions_N8, self._orientation, self._input.numpy(), knowledge=self._knowledge
        )

    def run(
        self,
        move_index_NK: NDArray[np.int16],
        num_moves_N: NDArray[np.int16],
        logits_NK: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        width = int(num_moves_N.max())
        listed = np.arange(width) < num_moves_N[:, None]
        index = np.where(listed, move_index_NK[:, :width], 0).astype(np.int64)
        try:
            legal_NW, wdl_N3 = self._forward(torch.from_numpy(index))
        except RuntimeError as error:
            if not self._device.is_out_of_memory(error):
                raise
            raise DeviceError(
                f"{self._device.kind}: no memory for a batch of {len(index)}: {error}"
            ) from error
        np.copyto(logits_NK[:, :width], legal_NW, where=listed)
        return wdl_N3

    @torch.inference_mode()
    def _forward(self, index_NW: torch.Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        target = self._device.torch_device
        planes = self._input.to(target, non_blocking=True)
        if self._unpacks:
            planes = unpack_planes(planes, self._orientation)
        with self._device.forward(self._precision):
            output = self._net(planes.contiguous(memory_format=self._device.memory_format))
        logits_NW = output.policy_logits_BM.gather(1, index_NW.to(target)).float()
        if output.wdl_logits_B3 is not None:
            wdl_N3 = output.wdl_logits_B3.float().softmax(dim=1)
        else:
            win = (1 + output.value_B.float()) / 2
            wdl_N3 = torch.stack((win, torch.zeros_like(win), 1 - win), dim=1)
        return logits_NW.cpu().numpy(), wdl_N3.cpu().numpy()
