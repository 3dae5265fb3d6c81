"""A network as a Core ML package, for the Neural Engine and the GPU of a Mac.

coremltools converts anywhere, but only macOS computes what came of it: elsewhere there is nothing
to compare, so nothing is exported.
"""

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from backend.errors import ConfigError, DeviceError
from backend.export.facts import INPUT, OUTPUTS, Facts
from backend.export.formats import Judge
from backend.export.heads import PlayHeads, with_plain_norms
from backend.export.parity import FLOAT16
from model.encoding import num_planes
from model.net import ChessNet

MOST_POSITIONS: Final = 512
"""In a batch: Core ML wants to know."""


class CoreMlFormat:
    """An ML program in float16, BatchNorm folded, the two heads of play; macOS 14 or newer."""

    suffix = ".mlpackage"
    limits = FLOAT16

    def __init__(self) -> None:
        """DeviceError off a Mac, ConfigError when coremltools is missing."""
        if sys.platform != "darwin":
            raise DeviceError(
                "Core ML is computed by macOS only, so what was exported here could not be "
                "compared: export on a Mac, or choose --format onnx"
            )
        if find_spec("coremltools") is None:
            raise ConfigError(
                "Core ML needs coremltools: pip install -c constraints.txt -e '.[coreml]'"
            )
        self.runtime = f"coremltools {version('coremltools')}"

    def write(self, net: ChessNet, facts: Facts, path: Path) -> None:
        convert(net, facts).save(str(path))

    def read(self, path: Path) -> Judge:
        import coremltools

        model = coremltools.models.MLModel(str(path))

        def judge(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            answers = model.predict({INPUT: planes})
            policy, wdl = (np.asarray(answers[name], np.float32) for name in OUTPUTS)
            return policy, wdl

        return judge


def convert(net: ChessNet, facts: Facts) -> Any:
    """The package as coremltools has it; works on every system."""
    import coremltools

    _teach()
    heads = with_plain_norms(PlayHeads(net)).eval()
    planes = torch.zeros(2, num_planes(knowledge=net.config.knowledge_planes), 8, 8)
    batch = torch.export.Dim("batch", min=1, max=MOST_POSITIONS)
    program = torch.export.export(heads, (planes,), dynamic_shapes={"planes_BC88": {0: batch}})
    model = coremltools.convert(
        program.run_decompositions({}),
        outputs=[coremltools.TensorType(name) for name in OUTPUTS],
        convert_to="mlprogram",
        minimum_deployment_target=coremltools.target.macOS14,
        skip_model_load=True,
    )
    model.user_defined_metadata.update(facts)
    return model


def _teach() -> None:
    """Two operations of torch that coremltools does not know."""
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch.ops import _get_inputs
    from coremltools.converters.mil.frontend.torch.torch_op_registry import register_torch_op

    def addcmul(context: Any, node: Any) -> None:
        x, left, right = _get_inputs(context, node)[:3]
        context.add(Builder.add(x=x, y=Builder.mul(x=left, y=right)), node.name)

    def lerp(context: Any, node: Any) -> None:
        start, end, share = _get_inputs(context, node)[:3]
        way = Builder.mul(x=Builder.sub(x=end, y=start), y=share)
        context.add(Builder.add(x=start, y=way), node.name)

    for operation in (addcmul, lerp):
        register_torch_op(operation, override=True)
