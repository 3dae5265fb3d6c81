"""How often the trainer may look at what self-play has made, so that it never over-trains.

Each admitted position buys `samples_per_position` presentations. Without credit the trainer waits,
and says for what. Presentations that were bought by positions which left the window unspent expire:
the others must not be looked at in their place. Counts are of the whole run, and a checkpoint keeps
those that files cannot tell.
"""

import math
from dataclasses import dataclass
from typing import Final

from backend.config import ReplayConfig

EXPIRED_CREDITS: Final = "expired_credits"
"""Key under which a checkpoint's data position keeps `expired`."""
PRICE: Final = "samples_per_position"
"""The same for what a position bought when it was saved."""


@dataclass
class Credits:
    """An account in presentations."""

    config: ReplayConfig
    admitted: int = 0
    """Positions, over the whole run."""
    presented: int = 0
    """Samples, over the whole run."""
    expired: int = 0
    """Presentations that were never made, over the whole run; less what positions have bought at
    a higher price than today's, so it may be negative."""
    in_window: int = 0
    """Positions that can be drawn from now; `window_holds` sets it."""

    @property
    def balance(self) -> float:
        """Presentations that may still be made: no whole one more than the window alone would buy.

        Negative only where positions that had been presented are no longer known to the run.
        """
        bought = self.config.samples_per_position * self.admitted
        return bought - self.presented - self.expired

    def window_holds(self, positions: int) -> None:
        """Positions came in or left; what none of those in the window has bought expires."""
        self.in_window = positions
        excess = self.balance - self.config.samples_per_position * positions
        # Whole ones, so that a restart, which asks this once more, finds nothing left to expire.
        self.expired += max(0, math.floor(excess))

    def reprice(self, config: ReplayConfig) -> None:
        """Another price from now on: what the positions so far have bought stays bought.

        Where the window alone would now buy less than is left, the difference expires.
        """
        more = config.samples_per_position - self.config.samples_per_position
        self.config = config
        self.expired += math.floor(more * self.admitted)
        self.window_holds(self.in_window)

    def waiting_for(self, batch_size: int) -> str:
        """Why the next batch must wait, for a person; empty when it need not."""
        needed = min(self.config.min_positions, self.config.window_positions)
        if self.in_window < needed and self.admitted < needed:
            return f"for positions: {self.in_window:,} of the first {needed:,}"
        if self.in_window < needed:
            return f"for positions: {self.in_window:,} of the {needed:,} needed are left in replay/"
        if self.balance < batch_size:
            missing = (batch_size - self.balance) / self.config.samples_per_position
            return f"for credits: self-play must add {missing:,.0f} positions"
        return ""
