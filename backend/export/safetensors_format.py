"""All weights of a network in one safetensors file, with what is needed to build it again."""

import json
from pathlib import Path

import msgspec
import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray

from backend.errors import CheckpointError
from backend.export.facts import FORMAT, Facts
from backend.export.formats import Judge
from backend.export.heads import PlayHeads
from backend.export.parity import FLOAT32
from backend.weights import arrays_of, load_arrays
from model.config import ModelConfig
from model.net import ChessNet


class SafetensorsFormat:
    """Every head, nothing folded: a network that can be trained on."""

    suffix = ".safetensors"
    limits = FLOAT32
    runtime = f"torch {torch.__version__}"

    def write(self, net: ChessNet, facts: Facts, path: Path) -> None:
        path.write_bytes(safetensors.numpy.save(arrays_of(net), metadata=facts))

    def read(self, path: Path) -> Judge:
        return judge_with(read_network(path))


def read_network(path: Path) -> ChessNet:
    """The network in an exported file, in evaluation mode. CheckpointError when it is unfit."""
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            facts = file.metadata() or {}
        arrays = safetensors.numpy.load_file(path)
        if facts.get("format") != FORMAT:
            raise CheckpointError(f"{path}: holds no network of {FORMAT!r}")
        config = msgspec.convert(json.loads(facts["model"]), ModelConfig)
    except (OSError, safetensors.SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path}: not an exported network: {error}") from error
    net = ChessNet(config)
    load_arrays(net, arrays, str(path))
    return net.eval()


def judge_with(net: ChessNet) -> Judge:
    """Judges by torch in float32 on the CPU."""
    heads = PlayHeads(net).eval()

    @torch.inference_mode()
    def judge(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        policy, wdl = heads(torch.from_numpy(planes))
        return policy.numpy(), wdl.numpy()

    return judge
