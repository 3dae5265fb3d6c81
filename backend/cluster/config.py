"""The settings of a cluster; `backend/config.py` joins them with the others."""

from dataclasses import dataclass
from typing import Literal

from backend.ranges import require as _require

PoolKind = Literal["local", "ray"]


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """Where self-play and matches run. Trainer, gate and database stay on this machine."""

    pool: PoolKind = "local"
    """local: on this machine; ray: on a Ray cluster, which needs the extra [ray]."""
    address: str = ""
    """host:port of a Ray cluster's head; empty starts one on this machine, for itself alone."""
    num_selfplay: int = 0
    """Self-play workers on the cluster; 0 means as many as on this machine alone."""
    num_evaluation: int = 0
    """Processes on the cluster that play matches, beside one here; 0: all matches are played here.
    Needs `address`."""
    cpus_per_worker: float = 1.0
    """Cores that Ray sets aside for each of them."""
    gpus_per_worker: float = 0.0
    """GPUs, or parts of one, that Ray sets aside for each of them."""
    max_shards_waiting: int = 16
    """Shards of one worker that may wait for this machine to take them in; it rests meanwhile."""
    max_staleness: int = 0
    """Promotions after which the games of a network are refused; 0 means never."""

    def __post_init__(self) -> None:
        _require(self.pool in ("local", "ray"), "pool", self.pool, "must be local or ray")
        for name in ("num_selfplay", "num_evaluation", "gpus_per_worker", "max_staleness"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        _require(
            self.num_evaluation == 0 or (self.pool == "ray" and self.address != ""),
            "num_evaluation",
            self.num_evaluation,
            "needs pool = 'ray' and the address of a cluster",
        )
        _require(
            self.cpus_per_worker > 0, "cpus_per_worker", self.cpus_per_worker, "must be above 0"
        )
        _require(
            self.max_shards_waiting >= 1,
            "max_shards_waiting",
            self.max_shards_waiting,
            "must be at least 1",
        )
