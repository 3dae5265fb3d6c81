"""What self-play has done so far, in numbers that only grow; differences are rates."""

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(kw_only=True, slots=True)
class Tally:
    """Counts since this process started."""

    positions: int = 0
    """Searched positions, cheap ones included."""
    full_searches: int = 0
    judged_searches: int = 0
    """Of the full ones, those whose root the network was asked about."""
    surprise: float = 0.0
    """Sum of KL(target || prior) over these, nats."""
    games: int = 0
    """Games that have ended, truncated ones included."""
    resigned: int = 0
    """Of these, those that a side gave up."""

    def full_frac(self, before: "Tally") -> float | None:
        """Share of full searches since `before` (0 to 1); None without any search."""
        searches = self.positions - before.positions
        return (self.full_searches - before.full_searches) / searches if searches else None

    def mean_surprise(self, before: "Tally") -> float | None:
        """Mean KL(target || prior) of the full searches since `before`; None without any."""
        searches = self.judged_searches - before.judged_searches
        return (self.surprise - before.surprise) / searches if searches else None


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum, count by count."""
    summed = Tally()
    for tally in tallies:
        for each in fields(Tally):
            setattr(summed, each.name, getattr(summed, each.name) + getattr(tally, each.name))
    return summed
