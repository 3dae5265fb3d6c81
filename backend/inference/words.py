"""A choice of runtime as one line for people."""

from backend.events import InferenceChosen


def in_words(chosen: InferenceChosen) -> str:
    """What plays, how fast, how far from the reference, and what may not play."""
    text = (
        f"{chosen.network} plays on {chosen.backend} {chosen.precision}, "
        f"{chosen.evaluations_per_s:,.0f} evaluations/s: policy KL {chosen.policy_kl:.1e}, "
        f"top-1 flips {chosen.top1_flips:.1%}, value error {chosen.value_error:.4f}"
    )
    return "; ".join((text, *(f"refused {reason}" for reason in chosen.rejected)))
