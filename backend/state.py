"""The run as everyone sees it: one immutable value, changed only by `backend/fold.py`."""

import msgspec

from backend import events as e
from backend.views import CheckpointView, MatchView, Totals, WorkerView


class RunState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    run: str = ""
    directory: str = ""
    preset: str = ""
    version: str = ""
    pid: int = 0
    phase: str = "starting"
    """starting, running, paused, stopping, stopped."""
    started_at: float = 0.0
    now: float = 0.0
    """Wall clock of the newest event."""
    cycle: int = 0
    """Finished cycles of the run."""
    cycles: int = 0
    """Stop after this many; 0 means never."""
    cycle_started_at: float = 0.0
    """Wall clock, put later by the time that the run was down or paused since."""
    cycle_start_step: int = 0
    """The step of the candidate that ended the cycle before."""
    steps_per_cycle: int = 0
    evaluation_games: int = 0
    """Games of all matches that decide on one candidate."""
    paused_at: float | None = None
    """Wall clock; None while the run is not paused."""
    samples_per_position: float = 0.0
    min_positions: int = 0
    settings: dict[str, str] = {}
    """Those that can be changed while it is at work, by name, as in config.toml."""
    changes: tuple[e.SettingChanged, ...] = ()
    """Of settings, over the whole run, oldest first."""
    non_finite: tuple[e.NonFinite, ...] = ()
    """Numbers that were none, over the whole run, oldest first."""
    totals: Totals = Totals()
    trainer: e.TrainerProgress | None = None
    phase_of_training: e.PhaseBegan | None = None
    """Of the curriculum; None without one."""
    step: int = 0
    metrics: dict[str, tuple[tuple[float, float], ...]] = {}
    """Curves: name -> (step, value) points, oldest first."""
    metric_stride: dict[str, int] = {}
    """Every how many reports a point is kept, by curve."""
    metric_seen: dict[str, int] = {}
    memory: tuple[tuple[float, float], ...] = ()
    """(wall clock, MiB), of all workers together: what they hold of the device if it can tell
    (`memory_total_mib` is known then), else their resident memory; never one after the other."""
    memory_total_mib: float | None = None
    """What the device has, 0 where it cannot tell; None on the CPU."""
    workers: dict[str, WorkerView] = {}
    cluster: e.ClusterSeen | None = None
    """The machines that self-play runs on; None while it runs on this one alone."""
    stale_on: dict[str, int] = {}
    """Shards refused as stale, by the machine of the cluster that their worker was on."""
    checkpoints: tuple[CheckpointView, ...] = ()
    """Those on disk, oldest first; without the one that is only for resuming."""
    best: str = ""
    match: MatchView | None = None
    """The match being played."""
    matches: tuple[MatchView, ...] = ()
    """Finished ones, oldest first."""
    board: e.BoardSeen | None = None
    """The game that is followed: always the same worker's until it stops."""
    boards: dict[str, e.BoardSeen] = {}
    """A game of each worker, by its name: the newest that it has told of."""
    cycles_done: tuple[e.CycleFinished, ...] = ()
    log: tuple[e.LogLine, ...] = ()
    alerts: tuple[e.Alert, ...] = ()
    stop_reason: str = ""
    exit_code: int | None = None

    @property
    def positions_per_s(self) -> float:
        """Of all self-play workers together."""
        views = self.workers.values()
        return sum(w.progress.positions_per_s for w in views if w.progress and w.state == "running")

    def latest(self, metric: str) -> float | None:
        """Newest value of a curve; None before the first."""
        points = self.metrics.get(metric)
        return points[-1][1] if points else None
