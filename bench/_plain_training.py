"""The training step as it is written first: one pass, float32, eager, parameter by parameter.

Same network, the losses of policy, value and all self-supervised tasks (those that look ahead are
left out); no micro-batches, no chunks, no lower precision, no memory format, no fused optimiser.
"""

import copy

import torch
from torch import Tensor

from backend.config import Config
from backend.replay.batch import Batch
from backend.training.objective import MASKED_BATCH_FRAC
from model.encoding import encode_planes
from model.net import ChessNet
from model.ssl.losses import answer_weights, square_loss
from model.ssl.masking import blank, choose_masked
from model.ssl.targets import make_labels
from model.ssl.tasks import TASKS


class PlainTrainer:
    """Owns what `backend.training.trainer.Trainer` owns."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._net = ChessNet(config.model, torch.Generator().manual_seed(config.seed)).train()
        self._ema = copy.deepcopy(self._net).eval().requires_grad_(False)
        self._generator = torch.Generator().manual_seed(config.seed + 1)
        self._optimizer = torch.optim.AdamW(
            self._net.parameters(),
            lr=config.training.learning_rate,
            weight_decay=config.training.weight_decay,
            foreach=False,
            fused=False,
        )

    def step(self, batch: Batch) -> float:
        """One step; the loss."""
        training, ssl = self._config.training, self._config.ssl
        open_planes = torch.from_numpy(
            encode_planes(batch.positions, self._config.model.orientation)
        )
        shown = open_planes[: round(len(batch) * MASKED_BATCH_FRAC)]
        mask = choose_masked(len(shown), ssl.mask_frac, self._generator)
        trunk = self._net.trunk(torch.cat((open_planes, blank(shown, mask))))
        out = self._net.read(trunk[: len(batch)], ("policy", "value"))
        assert out.policy_logits_BM is not None
        assert out.wdl_logits_B3 is not None
        loss = (
            training.policy_weight * _policy_loss(out.policy_logits_BM, batch)
            + training.value_weight
            * -(torch.from_numpy(batch.wdl_target) * out.wdl_logits_B3.log_softmax(1)).sum(1).mean()
        )
        labels = torch.from_numpy(make_labels(batch.positions, self._config.model.orientation))
        for task in TASKS:
            rows = trunk[len(batch) :] if task.sees_masked else trunk[: len(batch)]
            own = labels[: len(rows), task.span]
            weight = answer_weights(task, own, ssl.balance).expand(len(own), -1, -1)
            logits = self._net.square_logits(task.name, rows)
            asked = mask if task.sees_masked else None
            task_loss = square_loss(task, logits, own, weight, asked).loss
            loss = loss + getattr(ssl, f"{task.name}_weight") * task_loss
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._net.parameters(), training.clip_norm, foreach=False)
        self._optimizer.step()
        with torch.no_grad():
            pairs = zip(self._ema.parameters(), self._net.parameters(), strict=True)
            for averaged, parameter in pairs:
                averaged.mul_(training.ema_decay).add_(parameter, alpha=1 - training.ema_decay)
        return loss.item()


def _policy_loss(logits_BM: Tensor, batch: Batch) -> Tensor:
    """Over legal moves, by a mask as wide as the policy."""
    target = torch.zeros_like(logits_BM)
    legal = torch.zeros_like(logits_BM, dtype=torch.bool)
    for row, count in enumerate(batch.num_moves):
        index = torch.from_numpy(batch.policy_index[row, :count])
        target[row, index] = torch.from_numpy(batch.policy_prob[row, :count])
        legal[row, index] = True
    log_prob = logits_BM.masked_fill(~legal, -1e9).log_softmax(1)
    return -(target * log_prob).sum(1).mean()
