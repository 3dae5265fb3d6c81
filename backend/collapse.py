"""Signs that a run learns nothing any more although every number is finite. Imports no torch.

A network can collapse without a single error: it calls every position a draw, puts all its policy
on one move, or its searches merely repeat it. Each sign must show for a while, is said once, and
again only after it had gone.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from backend.events import Event, SelfPlayProgress, ShardAdmitted, TrainingStep
from backend.ledger import Ledger
from backend.selfplay.surprise import IDLE_SURPRISE

GAMES: Final = 200
"""The newest games, of which so many must have been decided."""
LEAST_DECISIVE: Final = 0.02
LEAST_SPREAD: Final = 0.01
"""Mean absolute win - loss below which the value head calls everything equal."""
MOST_SPREAD: Final = 0.98
"""The same above which it knows no doubt."""
LEAST_ENTROPY: Final = 0.02
"""Mean entropy of the policy, nats, below which it knows one move only."""
WARM_STEPS: Final = 1000
"""Earlier points of the curves are not judged: a network begins with calling everything equal."""
POINTS: Final = 10
"""Points of the curves in a row."""
REPORTS: Final = 60
"""Reports of self-play in a row, about one a second from each worker."""


@dataclass(frozen=True, slots=True)
class _Sign:
    text: str
    """With {value}."""
    shows: Callable[[float], bool]
    patience: int


_SIGNS: Final = {
    "surprise": _Sign(
        "searches hardly differ from the policy: KL(target || prior) is {value:.4f} nats, so there "
        "is nothing to learn from them; see search.simulations",
        lambda kl: kl < IDLE_SURPRISE,
        REPORTS,
    ),
    "decisive": _Sign(
        f"of the last {GAMES} games {{value:.1%}} were won by anybody: without decided games the "
        "value head learns that everything is a draw",
        lambda share: share < LEAST_DECISIVE,
        1,
    ),
    "equal": _Sign(
        "the value head calls every position equal: its mean absolute score is {value:.4f}",
        lambda spread: spread < LEAST_SPREAD,
        POINTS,
    ),
    "saturated": _Sign(
        "the value head knows no doubt: its mean absolute score is {value:.4f}",
        lambda spread: spread > MOST_SPREAD,
        POINTS,
    ),
    "entropy": _Sign(
        "the policy has collapsed to one move: its mean entropy is {value:.4f} nats",
        lambda entropy: entropy < LEAST_ENTROPY,
        POINTS,
    ),
}


class Collapse:
    """Watches the events of a run."""

    def __init__(self) -> None:
        self._in_a_row = dict.fromkeys(_SIGNS, 0)
        self._games: deque[tuple[int, int]] = deque()
        """(decided, all) of each of the newest shards."""

    def found(self, event: Event) -> list[str]:
        """A sentence for each sign that this event makes certain."""
        match event:
            case SelfPlayProgress() if event.policy_surprise is not None:
                return self._look(surprise=event.policy_surprise)
            case ShardAdmitted():
                share = self._decisive_share(event)
                return [] if share is None else self._look(decisive=share)
            case TrainingStep() if event.step >= WARM_STEPS:
                seen: dict[str, float] = {}
                if (spread := event.metrics.get("value_spread")) is not None:
                    seen |= {"equal": spread, "saturated": spread}
                if (entropy := event.metrics.get("policy_entropy")) is not None:
                    seen["entropy"] = entropy
                return self._look(**seen)
            case _:
                return []

    def _decisive_share(self, shard: ShardAdmitted) -> float | None:
        """Of at least `GAMES` newest games; None before there were so many."""
        self._games.append((shard.white_wins + shard.black_wins, shard.games))
        total = sum(games for _, games in self._games)
        while total - self._games[0][1] >= GAMES:
            total -= self._games.popleft()[1]
        return sum(decided for decided, _ in self._games) / total if total >= GAMES else None

    def _look(self, **seen: float) -> list[str]:
        sentences = []
        for name, value in seen.items():
            sign = _SIGNS[name]
            self._in_a_row[name] = self._in_a_row[name] + 1 if sign.shows(value) else 0
            if self._in_a_row[name] == sign.patience:
                sentences.append(sign.text.format(value=value))
        return sentences


async def watch_for_collapse(ledger: Ledger) -> None:
    """Raises an alert for each sign, until the ledger ends."""
    watch = Collapse()
    listener = ledger.listen()
    try:
        while (happened := await listener.next()) is not None:
            for sentence in watch.found(happened.event):
                ledger.alert("warning", sentence)
    finally:
        ledger.leave(listener)
