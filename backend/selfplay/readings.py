"""What the self-play workers of a run report, taken together, for whoever shows it."""

from backend.events import SelfPlayProgress
from backend.state import RunState


def policy_surprise(state: RunState) -> float | None:
    """Mean KL(target || prior) of the latest full searches, nats; None before the first."""
    seen = [p.policy_surprise for p in _reports(state) if p.policy_surprise is not None]
    return sum(seen) / len(seen) if seen else None


def _reports(state: RunState) -> list[SelfPlayProgress]:
    return [w.progress for w in state.workers.values() if w.progress and w.state == "running"]
