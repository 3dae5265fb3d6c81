"""What a format of exported networks has to be able to do, and which there are."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.export.facts import Facts
from backend.export.parity import Limits

if TYPE_CHECKING:
    from model.net import ChessNet

FormatName = Literal["safetensors", "onnx", "coreml"]

Judge = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""planes float32[B, C, 8, 8] -> policy logits float32[B, 4672], wdl float32[B, 3]."""


class Format(Protocol):
    """Writes a network as a file or folder, and computes one that it has read back."""

    suffix: str
    limits: Limits
    runtime: str
    """Library and version that reads it back."""

    def write(self, net: "ChessNet", facts: Facts, path: Path) -> None:
        """Makes `path`, a file or a folder, which holds the network and the facts."""

    def read(self, path: Path) -> Judge:
        """The network in `path`, computed by the runtime that it is made for."""


def make_format(name: FormatName) -> Format:
    """ConfigError when a library is missing, DeviceError when this machine cannot read it back."""
    match name:
        case "safetensors":
            from backend.export.safetensors_format import SafetensorsFormat

            return SafetensorsFormat()
        case "onnx":
            from backend.export.onnx_format import OnnxFormat

            return OnnxFormat()
        case "coreml":
            from backend.export.coreml_format import CoreMlFormat

            return CoreMlFormat()
