"""How much memory a run takes, before it is started.

Counted, not measured: tensors of a step are made on torch's `meta` device, which has none.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import torch

from backend.config import Config
from backend.device import CPU_MEMORY_FRAC
from backend.selfplay.groups import UNTUNED_GAMES
from backend.selfplay.tuning import game_bytes
from backend.training.footprint import OVERHEAD, peak_bytes, standing_bytes
from model.config import ModelConfig
from model.encoding import num_planes
from model.net import PLAY_HEADS, ChessNet

PROCESS_GIB: Final = 0.45
"""What a process holds that has loaded torch, Numba and the kernels, whatever it does."""
_ROWS: Final = 16
_GIB: Final = 1 << 30


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """GiB of the machine and its device together."""

    trainer: float
    worker: float
    """One self-play process."""
    evaluator: float

    def total(self, workers: int) -> float:
        """With the supervisor, which is small."""
        return self.trainer + workers * self.worker + self.evaluator


def memory_need(config: Config, machine_gib: float, *, games: int | None = None) -> MemoryNeed:
    """Of a run with these settings on a CPU of a machine with so much memory.

    A step that does not fit the limit of tensors is worked through in parts, so it never takes
    more. `games`: of one worker, where they are not in the settings.
    """
    limit = min(config.device.memory_limit_gib, CPU_MEMORY_FRAC * machine_gib)
    weights_gib, standing_gib, one_gib = _counted(config.model)
    tensors = standing_gib + config.training.batch_size * one_gib
    chosen = config.selfplay.games if games is None else games
    num_games = UNTUNED_GAMES if chosen == "auto" else chosen
    tree_gib = game_bytes(config.search) / _GIB
    playing = 2 * weights_gib + PROCESS_GIB
    return MemoryNeed(
        trainer=PROCESS_GIB + max(standing_gib, min(limit, tensors)),
        worker=playing + num_games * tree_gib,
        evaluator=playing + weights_gib + 2 * config.evaluation.parallel_games * tree_gib,
    )


@cache
def _counted(model: ModelConfig) -> tuple[float, float, float]:
    """GiB of the weights, of all that training keeps of them, and of a step for each position."""
    with torch.device("meta"):
        net = ChessNet(model)
        planes = torch.zeros(_ROWS, num_planes(knowledge=model.knowledge_planes), 8, 8)

    def step() -> None:
        output = net(planes, PLAY_HEADS)
        answers = (output.policy_logits_BM, output.wdl_logits_B3, output.value_B)
        sums = [answer.sum() for answer in answers if answer is not None]
        torch.autograd.backward(sums)

    weights = sum(parameter.nbytes for parameter in net.parameters())
    one = OVERHEAD * peak_bytes(net, step) / _ROWS
    return weights / _GIB, standing_bytes(net) / _GIB, one / _GIB
