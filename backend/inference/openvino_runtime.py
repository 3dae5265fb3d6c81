"""Networks computed by OpenVINO on a CPU.

Each graph has a fixed batch, for which it is twice as fast as with a free one. Other batches run in
the smallest of a ladder of graphs (…, a quarter, half, the batch, twice the batch, …) that holds
them; each is compiled when it is first needed. Where graphs come from is not known here, nor torch.

Shapes: N positions, K move slots, F numbers of the policy output of one position.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, Literal

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from backend.errors import DeviceError
from model.config import ModelConfig
from model.encoding import NUM_MOVES, encode_planes
from model.rules.kernel import kernel

FloatType = Literal["float32", "bfloat16", "float16"]

_MOVE_PLANES: Final = NUM_MOVES // 64
_HINTS: Final = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_CAPABILITIES: Final[dict[str, FloatType]] = {"BF16": "bfloat16", "FP16": "float16"}


@cache
def _core() -> ov.Core:
    return ov.Core()


def half_type() -> FloatType | None:
    """The 16-bit type this processor computes in; None when it has none."""
    able = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return next((half for name, half in _CAPABILITIES.items() if name in able), None)


class OpenVinoRuntime:
    """A network, compiled; see `backend.inference.runtime.Runtime`."""

    def __init__(
        self,
        graph: Callable[[int], ov.Model],
        config: ModelConfig,
        *,
        batch: int,
        floats: FloatType,
        threads: int = 1,
        sizes: Sequence[int] = (),
    ) -> None:
        """`graph` makes the network of `config` for a batch size; what it does not have in int8 is
        computed in `floats`. Where there are graphs of certain sizes only, `sizes` are those."""
        self._graph = graph
        self._config = config
        self._batch = batch
        self._sizes = sorted(sizes)
        self._settings = {
            "INFERENCE_PRECISION_HINT": _HINTS[floats],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            # Pinned threads of several workers would all take the same core.
            "ENABLE_CPU_PINNING": False,
        }
        self._requests: dict[int, ov.InferRequest] = {}
        self._request = self._ready(batch)
        self._place_M = _places(config)

    def load(self, positions_N8: NDArray[np.uint64]) -> None:
        count = len(positions_N8)
        self._request = self._ready(self._size_for(count))
        planes: NDArray[np.float32] = self._request.get_input_tensor(0).data
        config = self._config
        encode_planes(
            positions_N8, config.orientation, planes[:count], knowledge=config.knowledge_planes
        )

    def run(
        self,
        move_index_NK: NDArray[np.int16],
        num_moves_N: NDArray[np.int16],
        logits_NK: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        self._request.infer()
        policy = self._request.get_output_tensor(0).data
        gather_logits(
            policy.reshape(len(policy), NUM_MOVES),
            self._place_M,
            move_index_NK,
            num_moves_N,
            logits_NK,
        )
        value: NDArray[np.float32] = self._request.get_output_tensor(1).data[: len(num_moves_N)]
        if value.shape[1] == 3:
            return value.copy()
        win = (1 + value) / 2
        return np.concatenate((win, np.zeros_like(win), 1 - win), axis=1)

    def _size_for(self, count: int) -> int:
        """The smallest batch of the ladder that holds `count` positions."""
        if self._sizes:
            return next(size for size in self._sizes if size >= count)
        size = self._batch
        while size >= 2 * count:
            size = (size + 1) // 2
        while size < count:
            size *= 2
        return size

    def _ready(self, size: int) -> ov.InferRequest:
        """The request for batches of `size`, compiled when it is asked for the first time."""
        request = self._requests.get(size)
        if request is None:
            graph = self._graph(size)
            try:
                compiled = _core().compile_model(graph, "CPU", self._settings)
            except RuntimeError as error:
                raise DeviceError(f"OpenVINO cannot compile this network: {error}") from error
            request = self._requests[size] = compiled.create_infer_request()
            request.get_input_tensor(0).data[:] = 0
        return request


@kernel
def gather_logits(
    policy_NF: NDArray[np.float32],
    place_M: NDArray[np.int32],
    move_index_NK: NDArray[np.int16],
    num_moves_N: NDArray[np.int16],
    logits_NK: NDArray[np.float32],
) -> None:
    """Fill in the logits of the listed moves; `place_M` says where in a row a move's logit lies."""
    for n in range(len(num_moves_N)):
        for k in range(num_moves_N[n]):
            logits_NK[n, k] = policy_NF[n, place_M[move_index_NK[n, k]]]


def _places(config: ModelConfig) -> NDArray[np.int32]:
    """int32[4672]: where in the policy output each move's logit lies.

    The conv head's rows are left as they are, with rank 8 in row 0: turning them over would cost a
    pass over all 4672 numbers of each position.
    """
    move = np.arange(NUM_MOVES, dtype=np.int32)
    if config.policy_head == "lowrank":
        return move
    square, plane = np.divmod(move, np.int32(_MOVE_PLANES))
    return (square ^ np.int32(56)) * np.int32(_MOVE_PLANES) + plane
