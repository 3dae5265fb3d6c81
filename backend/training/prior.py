"""The network that a run started from, frozen: what its policy says of the positions of a batch.

It is in evaluation mode: what the anchor holds to is the network that plays, as it played.
"""

from dataclasses import replace

import torch
from torch import Tensor

from backend.accelerator import Precision
from backend.config import Config
from backend.device import Device
from backend.rundir import RunDirectory
from backend.start import Start, starting_network
from backend.training.anchor import PRIOR
from backend.training.objective import Examples
from backend.weights import load_network
from model.net import ChessNet


class Prior:
    """Owns the frozen network on the device."""

    def __init__(self, net: ChessNet, device: Device) -> None:
        self._net = device.place(net).eval().requires_grad_(False)
        self._device = device

    @property
    def num_bytes(self) -> int:
        """Of its weights."""
        return sum(parameter.nbytes for parameter in self._net.parameters())

    def shown(self, examples: Examples, precision: Precision) -> Examples:
        """The same, on the CPU, with the prior's policy among the targets of the policy."""
        rows = examples.views["open"]
        targets = rows.targets["policy"]
        prior_RK = self._policy(
            rows.planes_RC88, targets["index_RK"], targets["num_moves_R"], precision
        )
        asked = {**rows.targets, "policy": {**targets, PRIOR: prior_RK}}
        return replace(examples, views={**examples.views, "open": replace(rows, targets=asked)})

    @torch.no_grad()
    def _policy(
        self, planes_RC88: Tensor, index_RK: Tensor, num_moves_R: Tensor, precision: Precision
    ) -> Tensor:
        """float32[R, K] on the CPU."""
        device = self._device
        planes = planes_RC88.to(device.torch_device)
        planes = planes.contiguous(memory_format=device.memory_format)
        with device.forward(precision):
            logits_RM = self._net(planes, ("policy",)).policy_logits_BM
        index = index_RK.to(device.torch_device).clamp(0, logits_RM.shape[1] - 1)
        logits_RK = logits_RM.float().gather(1, index).cpu()
        legal_RK = torch.arange(logits_RK.shape[1]) < num_moves_R[:, None]
        prior_RK: Tensor = logits_RK.masked_fill(~legal_RK, -torch.inf).softmax(dim=1)
        return prior_RK


def anchor_of(run: RunDirectory, config: Config) -> tuple[ChessNet, Start] | None:
    """The network that training is held to, and where it lies; None without an anchor.

    CheckpointError where the settings want one and the run has none.
    """
    if not config.training.anchor_weight:
        return None
    start = starting_network(run, config.training.anchor_weight)
    return load_network(start.path), start
