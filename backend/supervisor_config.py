"""The settings of the supervisor; `backend/config.py` joins them with the others."""

from dataclasses import dataclass

from backend.ranges import require as _require


@dataclass(frozen=True, kw_only=True)
class SupervisorConfig:
    """How workers are watched, restarted and stopped."""

    heartbeat_s: float = 1.0
    """Seconds between two signs of life of a worker."""
    stall_s: float = 30.0
    """A worker silent for this long, and for ten times its usual step, is killed and restarted."""
    startup_s: float = 300.0
    """The same, while it loads or compiles."""
    memory_limit_gib: float = 0.0
    """A worker with more resident memory ends in order and is started again: what leaks is not
    given back otherwise. 0 means three quarters of the machine's."""
    backoff_s: float = 1.0
    """First delay before a restart; doubles each time, with jitter."""
    backoff_max_s: float = 60.0
    """Longest delay before a restart."""
    max_crashes: int = 5
    """This many abnormal exits within ten minutes and the worker is given up, aloud."""
    stop_grace_s: float = 20.0
    """Seconds between asking a worker to stop and killing it."""
    keep_checkpoints: int = 5
    """The last ones; the first, the best and those saved by hand are always kept."""
    keep_every: int = 20
    """Each n-th cycle's checkpoint is kept too, so that a run can be looked back on; 0: none."""
    backup_every_s: float = 86400.0
    """Seconds between two backups of the run while it works; 0 means none are made."""
    backup_folder: str = ""
    """Where they go, best on another disk; empty: backups/ of the run, whose files they share."""
    keep_backups: int = 3
    """The last ones; at least 3."""
    reserve_mib: int = 512
    """Room that is left free on the run's volume, MiB: below it games and training wait."""

    def __post_init__(self) -> None:
        for name in (
            "heartbeat_s",
            "stall_s",
            "startup_s",
            "backoff_s",
            "backoff_max_s",
            "stop_grace_s",
        ):
            _require(getattr(self, name) > 0, name, getattr(self, name), "must be > 0")
        _require(self.reserve_mib >= 0, "reserve_mib", self.reserve_mib, "must not be negative")
        _require(self.max_crashes >= 1, "max_crashes", self.max_crashes, "must be at least 1")
        _require(
            self.memory_limit_gib >= 0, "memory_limit_gib", self.memory_limit_gib, "must be >= 0"
        )
        _require(self.keep_every >= 0, "keep_every", self.keep_every, "must not be negative")
        _require(self.backup_every_s >= 0, "backup_every_s", self.backup_every_s, "must be >= 0")
        _require(self.keep_backups >= 3, "keep_backups", self.keep_backups, "must be at least 3")
        _require(
            self.keep_checkpoints >= 1, "keep_checkpoints", self.keep_checkpoints, "must be >= 1"
        )
