"""How well a network foretells games that it has not learned from."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from backend.inference.front import Inference
from backend.replay.sampler import Sampler

MEASURE_BATCH: Final = 512


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The averaged network on held-out positions."""

    step: int
    positions: int
    top1: float
    """Share of positions where its first choice is the move that was played (0 to 1)."""
    top5: float
    """Share of positions where the move that was played is among its first five (0 to 1)."""
    policy_loss: float
    """Cross-entropy of the played move over legal moves, nats."""
    value_loss: float
    """Cross-entropy of the target over win, draw and loss, nats; of positions where one of these
    has more than half of it: games with a result, and the labels of a teacher that are as clear."""

    def metrics(self) -> dict[str, float]:
        """The readings by name, for curves and checkpoints."""
        return {
            "held_out_top1": self.top1,
            "held_out_top5": self.top5,
            "held_out_policy_loss": self.policy_loss,
            "held_out_value_loss": self.value_loss,
        }


def measure(network: Inference, sampler: Sampler, rows: np.ndarray, step: int) -> Measurement:
    """How well `network` foretells moves and results of the positions `rows` of the window."""
    hits = close = policy_loss = value_loss = 0.0
    judged = 0
    for first in range(0, len(rows), MEASURE_BATCH):
        batch = sampler.gather(rows[first : first + MEASURE_BATCH])
        logits, wdl = network(
            batch.positions, batch.policy_index.astype(np.int16), batch.num_moves.astype(np.int16)
        )
        listed = np.arange(logits.shape[1]) < batch.num_moves[:, None]
        logits = np.where(listed, logits, -np.inf)
        peak = logits.max(axis=1, keepdims=True)
        total = peak + np.log(np.exp(logits - peak).sum(axis=1, keepdims=True))
        played = np.take_along_axis(logits, batch.policy_prob.argmax(axis=1)[:, None], axis=1)
        num_better = (logits > played).sum(axis=1)
        hits += float((num_better < 1).sum())
        close += float((num_better < 5).sum())
        surprise = np.where(batch.policy_prob > 0, total - logits, 0.0)
        policy_loss += float((batch.policy_prob * surprise).sum())
        known = batch.wdl_target.max(axis=1) > 0.5
        value_loss -= float((batch.wdl_target * np.log(np.maximum(wdl, 1e-12)))[known].sum())
        judged += int(known.sum())
    return Measurement(
        step=step,
        positions=len(rows),
        top1=hits / len(rows),
        top5=close / len(rows),
        policy_loss=policy_loss / len(rows),
        value_loss=value_loss / max(1, judged),
    )
