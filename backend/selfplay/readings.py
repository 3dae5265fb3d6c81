"""What the self-play workers of a run report, taken together, for whoever shows it."""

from backend.events import SelfPlayProgress
from backend.state import RunState


def policy_surprise(state: RunState) -> float | None:
    """Mean KL(target || prior) of the latest full searches, nats; None before the first."""
    return _mean([p.policy_surprise for p in _reports(state)])


def remarks(state: RunState) -> list[str]:
    """What is not as by default: '25% full searches', '12% resigned, 4% wrongly'.

    The second share is of those who would have resigned, in games that were played through.
    """
    found = []
    full = _mean([p.full_frac for p in _reports(state)])
    if full is not None and full < 1.0:
        found.append(f"{full:.0%} full searches")
    reports = [p for p in _reports(state) if p.resign_threshold is not None]
    resigned = _mean([p.resigned_frac for p in reports])
    wrongly = _mean([p.resign_false_frac for p in reports])
    if resigned is not None and wrongly is not None:
        found.append(f"{resigned:.0%} resigned, {wrongly:.0%} wrongly")
    return found


def _reports(state: RunState) -> list[SelfPlayProgress]:
    return [w.progress for w in state.workers.values() if w.progress and w.state == "running"]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
