"""A network as an ONNX graph with a free batch, computed by ONNX Runtime when it is read back."""

import logging
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from backend.errors import ConfigError
from backend.export.facts import INPUT, OUTPUTS, Facts
from backend.export.formats import Judge
from backend.export.heads import PlayHeads
from backend.export.parity import FLOAT32
from model.encoding import num_planes
from model.net import ChessNet

OPSET: Final = 18
"""The first with GroupNormalization's parts and reductions as torch writes them; read by every ONNX
Runtime since 1.14."""
_NEEDED: Final = ("onnx", "onnxruntime", "onnxscript")


class OnnxFormat:
    """float32, BatchNorm folded, the two heads of play."""

    suffix = ".onnx"
    limits = FLOAT32

    def __init__(self) -> None:
        """ConfigError when a library is missing."""
        missing = [name for name in _NEEDED if find_spec(name) is None]
        if missing:
            raise ConfigError(
                f"ONNX needs {', '.join(missing)}: pip install -c constraints.txt -e '.[onnx]'"
            )
        self.runtime = f"onnxruntime {version('onnxruntime')}, opset {OPSET}"

    def write(self, net: ChessNet, facts: Facts, path: Path) -> None:
        heads = PlayHeads(net).eval()
        planes = torch.zeros(2, num_planes(knowledge=net.config.knowledge_planes), 8, 8)
        log = logging.getLogger("torch.onnx")
        before = log.level
        log.setLevel(logging.ERROR)  # It warns that torchvision is missing, which nobody needs.
        try:
            with warnings.catch_warnings():
                # Of torch's own code, about torch's own code.
                warnings.simplefilter("ignore", FutureWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                program = torch.onnx.export(
                    heads,
                    (planes,),
                    dynamo=True,
                    opset_version=OPSET,
                    input_names=[INPUT],
                    output_names=list(OUTPUTS),
                    dynamic_shapes={"planes_BC88": {0: torch.export.Dim("batch")}},
                    external_data=False,
                    verbose=False,
                )
        finally:
            log.setLevel(before)
        assert program is not None
        model = program.model_proto
        for key, text in facts.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, text
        path.write_bytes(model.SerializeToString())

    def read(self, path: Path) -> Judge:
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

        def judge(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            policy, wdl = session.run(list(OUTPUTS), {INPUT: planes})
            return policy, wdl

        return judge
