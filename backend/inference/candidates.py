"""Which runtimes can compute a network on a device, and how each is made."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from backend.config import InferenceConfig
from backend.device import Device
from backend.errors import DeviceError
from backend.inference.folding import fold_batch_norm
from backend.inference.runtime import Runtime
from backend.inference.torch_runtime import TorchRuntime
from model.encoding import encode_planes
from model.net import ChessNet

Backend = Literal["torch", "openvino"]


@dataclass(frozen=True)
class Candidate:
    """A library and the type in which it computes most of a network."""

    backend: Backend
    precision: Literal["float32", "float16", "bfloat16", "int8"]

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


REFERENCE: Final = Candidate("torch", "float32")
"""What all others are compared with, and what is left when none of them agrees."""


def has_openvino() -> bool:
    return find_spec("openvino") is not None


def list_candidates(device: Device, config: InferenceConfig) -> list[Candidate]:
    """What `config` allows and this machine offers. DeviceError when that is nothing."""
    found = [
        candidate
        for candidate in (*_torch_candidates(device), *_openvino_candidates(device))
        if config.backend in ("auto", candidate.backend)
        and config.precision in ("auto", candidate.precision)
    ]
    if not found:
        missing = "" if has_openvino() else " (OpenVINO is not installed)"
        raise DeviceError(
            f"[inference] backend = {config.backend!r}, precision = {config.precision!r}: "
            f"not possible on {device.kind} here{missing}; use 'auto'"
        )
    return found


def _torch_candidates(device: Device) -> list[Candidate]:
    found = [REFERENCE]
    if device.inference_precision != "float32":
        found.append(Candidate("torch", device.inference_precision))
    elif device.kind == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16"):
        # Without matrix instructions for it, bfloat16 was ten times slower than float32.
        found.append(Candidate("torch", "bfloat16"))
    return found


def _openvino_candidates(device: Device) -> list[Candidate]:
    if device.kind != "cpu" or not has_openvino():
        return []
    from backend.inference.openvino_runtime import half_type

    half = half_type()
    halves = [Candidate("openvino", half)] if half else []
    return [Candidate("openvino", "float32"), *halves, Candidate("openvino", "int8")]


class Workshop:
    """Makes runtimes of one network; what several of them need is made once."""

    def __init__(
        self, net: ChessNet, device: Device, *, batch: int, calibration: NDArray[np.uint64]
    ) -> None:
        """`calibration`: positions uint64[N, 8] on which int8 learns its ranges."""
        self.net = net
        self.device = device
        self.batch = batch
        self._calibration = calibration

    def make(self, candidate: Candidate) -> Runtime:
        """A new runtime. DeviceError when the library refuses the network."""
        if candidate.backend == "torch":
            assert candidate.precision != "int8"
            return TorchRuntime(self.net, self.device, candidate.precision)
        from backend.inference.calibration import observe_ranges
        from backend.inference.openvino_graph import build_graph
        from backend.inference.openvino_runtime import OpenVinoRuntime, half_type

        ranges = None
        floats = candidate.precision
        if floats == "int8":
            config = self.net.config
            planes = encode_planes(
                self._calibration, config.orientation, knowledge=config.knowledge_planes
            )
            ranges = observe_ranges(self._folded, torch.from_numpy(planes))
            floats = half_type() or "float32"
        return OpenVinoRuntime(
            lambda size: build_graph(self._folded, size, ranges),
            self.net.config,
            batch=self.batch,
            floats=floats,
            threads=torch.get_num_threads(),
        )

    @cached_property
    def _folded(self) -> ChessNet:
        return fold_batch_norm(self.net)
