"""The anchor: the policy that learns is held to that of the network which the run started from.

    loss += weight * KL(prior || student)      over the legal moves of every position of the batch

This way round, as where a teacher kick-starts a student (Schmitt et al. 2018) or an old task must
not be forgotten (Li & Hoiem 2016): the gradient of a logit is student - prior, which cannot
explode, and together with the policy loss it is the cross-entropy with a mixture of the search's
policy and the prior. KL(student || prior) would allow to give up a move that the prior knows; and
one without probability is not searched again.

Shapes: R rows, K listed legal moves (padded), M 4672 moves.
"""

from dataclasses import dataclass
from typing import Final, Literal

import torch

from backend.training.terms import Reading, Targets
from model.losses import policy_loss
from model.net import NetOutput

ANCHOR: Final[Literal["anchor"]] = "anchor"
"""Its place among the terms; it reads the policy head."""
PRIOR: Final = "prior_RK"
"""In the targets of the policy: probabilities of the prior; 0 behind the legal moves."""


@dataclass(frozen=True)
class AnchorTerm:
    """KL divergence from the prior; all positions count alike, whatever they teach the policy."""

    weight: float
    decay_steps: int = 0
    """Steps over which the weight falls to 0, in a straight line; 0: it stays."""

    def weight_at(self, step: int) -> float:
        """Its weight in the total loss of the step after `step` steps."""
        if not self.decay_steps:
            return self.weight
        return self.weight * max(0.0, 1 - step / self.decay_steps)

    def read(self, output: NetOutput, targets: Targets) -> Reading:
        """Loss and metrics of these rows; `targets` are the policy's, with PRIOR among them."""
        assert output.policy_logits_BM is not None
        prior_RK = targets[PRIOR]
        found = policy_loss(
            output.policy_logits_BM,
            targets["index_RK"],
            prior_RK,
            targets["num_moves_R"],
            torch.ones_like(prior_RK[:, 0]),
        )
        # The cross-entropy has the gradient; the prior's entropy, which it is more by, has none.
        loss = found.cross_entropy + (found.kl - found.cross_entropy.detach())
        return Reading(loss, {"anchor_kl": found.kl})
