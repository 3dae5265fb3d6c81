"""How often the trainer may look at what self-play has made, so that it never over-trains.

Each admitted position buys `samples_per_position` presentations. Without credit the trainer waits,
and says for what. Counts are of the whole run, so a restart or a pruned shard changes nothing.
"""

from dataclasses import dataclass

from backend.config import ReplayConfig


@dataclass
class Credits:
    """An account in presentations."""

    config: ReplayConfig
    admitted: int = 0
    """Positions, over the whole run."""
    presented: int = 0
    """Samples, over the whole run."""

    @property
    def balance(self) -> float:
        """Presentations that may still be made; negative never by more than one batch."""
        return self.config.samples_per_position * self.admitted - self.presented

    def waiting_for(self, batch_size: int) -> str:
        """Why the next batch must wait, for a person; empty when it need not."""
        if self.admitted < self.config.min_positions:
            return f"for positions: {self.admitted:,} of the first {self.config.min_positions:,}"
        if self.balance < batch_size:
            missing = (batch_size - self.balance) / self.config.samples_per_position
            return f"for credits: self-play must add {missing:,.0f} positions"
        return ""
