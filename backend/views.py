"""Parts of the state of a run: a worker, a checkpoint, a match, the totals."""

import msgspec

from backend import events as e


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Values only; what changes them is `backend/fold.py`."""


class WorkerView(View, frozen=True, kw_only=True):
    """One row of the worker table."""

    worker: str
    role: e.Role
    state: str = "starting"
    """starting, running, paused, backoff, failed, exited."""
    phase: str = ""
    detail: str = ""
    pid: int = 0
    node: str = ""
    """Name of the machine in a cluster; empty for this one."""
    device: str = ""
    reason: str = ""
    restarts: int = 0
    retry_at: float | None = None
    """Wall clock of the next start while in back-off."""
    beat_at: float = 0.0
    rss_mib: float = 0.0
    device_mib: float | None = None
    device_limit_mib: float | None = None
    device_busy_frac: float | None = None
    device_watts: float | None = None
    progress: e.SelfPlayProgress | None = None
    inference: e.InferenceChosen | None = None
    """How it computes its network; None before the first."""
    held: bool = False
    """A person has paused it alone."""
    stale_shards: int = 0
    """Of its shards: refused because their network was too old."""


class CheckpointView(View, frozen=True, kw_only=True):
    name: str
    step: int
    size_mib: float = 0.0
    saved_at: float = 0.0
    reason: str = ""
    metrics: dict[str, float] = {}
    verdict: str = ""
    """promoted, rejected, inconclusive, or empty before a decision."""
    promotes_anyway: bool = False
    """Inconclusive, and promoted all the same."""
    elo: float | None = None
    elo_low: float | None = None
    elo_high: float | None = None
    versus: str = ""
    """The network that Elo is measured against."""


class MatchView(View, frozen=True, kw_only=True):
    match: str
    candidate: str
    opponent: str
    games: int
    started_at: float = 0.0
    """Wall clock, put later by the pauses since."""
    played: int = 0
    wins: int = 0
    draws: int = 0
    losses: int = 0
    pairs: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    """Those that count: in the order of their openings, up to the first that is not complete."""
    llr: float | None = None
    llr_low: float | None = None
    llr_high: float | None = None
    """Of the test that may end it; None without one."""
    finished: e.MatchFinished | None = None

    @classmethod
    def begun(cls, start: e.MatchStarted) -> "MatchView":
        """Before its first game."""
        return cls(
            match=start.match,
            candidate=start.candidate,
            opponent=start.opponent,
            games=start.games,
            started_at=start.at,
            llr=None if start.llr_low is None else 0.0,
            llr_low=start.llr_low,
            llr_high=start.llr_high,
        )

    def after(self, progress: e.MatchProgress) -> "MatchView":
        """With the games played by then."""
        return msgspec.structs.replace(
            self,
            played=progress.played,
            wins=progress.wins,
            draws=progress.draws,
            losses=progress.losses,
            pairs=progress.pairs,
            llr=progress.llr,
        )

    @property
    def score(self) -> float:
        """Candidate's share of the points so far (0 to 1); 0 before the first game."""
        return (self.wins + self.draws / 2) / self.played if self.played else 0.0


class Totals(View, frozen=True, kw_only=True):
    """Of the whole run, over all starts."""

    shards: int = 0
    games: int = 0
    positions: int = 0
    plies: int = 0
    truncated: int = 0
    white_wins: int = 0
    draws: int = 0
    black_wins: int = 0
    rejected_shards: int = 0
    stale_shards: int = 0
    """Refused because their network was too old."""

    def with_shard(self, shard: e.ShardAdmitted) -> "Totals":
        """And the games of this shard."""
        return msgspec.structs.replace(
            self,
            shards=self.shards + 1,
            games=self.games + shard.games,
            positions=self.positions + shard.positions,
            plies=self.plies + shard.plies,
            truncated=self.truncated + shard.truncated,
            white_wins=self.white_wins + shard.white_wins,
            draws=self.draws + shard.draws,
            black_wins=self.black_wins + shard.black_wins,
        )
