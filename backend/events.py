"""What has happened, said by workers and by the supervisor: a frozen struct for each.

Facts (a shard, a checkpoint, a match) are never dropped; what they tell of is on disk before.
Telemetry (heartbeats, progress, boards, points of curves) may be dropped by a slow reader.
`docs/protocol.md` lists them all; a test compares. Those of self-play are in
`backend/selfplay/events.py`, those of matches and the gate in `backend/evaluation/events.py`, those
of what a person does to a run at work in `backend/control_events.py`, those of what is done against
bad numbers in `backend/guard_events.py`, those of the curriculum in `backend/training/events.py`;
all are named here too.
"""

from typing import Literal, get_args

import msgspec

from backend.cluster.events import ClusterSeen as ClusterSeen
from backend.control_events import NonFinite as NonFinite
from backend.control_events import SettingChanged as SettingChanged
from backend.control_events import WorkerHeld as WorkerHeld
from backend.control_events import WorkerRetired as WorkerRetired
from backend.evaluation.events import GateDecided as GateDecided
from backend.evaluation.events import MatchFinished as MatchFinished
from backend.evaluation.events import MatchProgress as MatchProgress
from backend.evaluation.events import MatchStarted as MatchStarted
from backend.evaluation.events import Promoted as Promoted
from backend.evaluation.events import Verdict as Verdict
from backend.event_base import EventBase as EventBase
from backend.guard_events import LossSpiked as LossSpiked
from backend.guard_events import RolledBack as RolledBack
from backend.guard_events import TrainingHalted as TrainingHalted
from backend.selfplay.events import BoardSeen as BoardSeen
from backend.selfplay.events import GamesTuned as GamesTuned
from backend.selfplay.events import InferenceChosen as InferenceChosen
from backend.selfplay.events import MoveSeen as MoveSeen
from backend.selfplay.events import SelfPlayProgress as SelfPlayProgress
from backend.training.events import PhaseBegan as PhaseBegan

Role = Literal["selfplay", "trainer", "evaluator"]
Level = Literal["debug", "info", "warning", "error"]


# Workers, about themselves ----------------------------------------------------------------------


class WorkerReady(EventBase, frozen=True, kw_only=True):
    """A worker has loaded its libraries and says what it runs on."""

    worker: str
    role: Role
    pid: int
    device: str
    reason: str
    """Why this device and precision were chosen."""


class Heartbeat(EventBase, frozen=True, kw_only=True):
    """A sign of life; sent at least every `heartbeat_s`."""

    worker: str
    phase: str
    """starting, loading, tuning, compiling, playing, training, saving, evaluating, waiting or
    paused."""
    detail: str = ""
    """Why it waits, or what it is at; empty when the phase says it all."""
    rss_mib: float = 0.0
    device_mib: float | None = None
    """Memory of the device that tensors hold; None where the device cannot tell."""
    device_limit_mib: float | None = None
    device_busy_frac: float | None = None
    """Share of the last moments in which its device computed, whoever for, 0 to 1."""
    device_watts: float | None = None
    stuck_s: float = 0.0
    """Seconds since its main thread last got on, once that is longer than it may be; then no beat
    follows until it does."""


class WorkerFailed(EventBase, frozen=True, kw_only=True):
    """A worker says why it is about to exit with an error."""

    worker: str
    error: str
    exit_code: int


class LogLine(EventBase, frozen=True, kw_only=True):
    source: str
    level: Level
    text: str


# Data -------------------------------------------------------------------------------------------


class ShardWritten(EventBase, frozen=True, kw_only=True):
    """A self-play worker has committed a shard of finished games."""

    worker: str
    name: str
    sha256: str
    games: int
    positions: int


class ShardAdmitted(EventBase, frozen=True, kw_only=True):
    """Its hash and every result in it were re-derived; it now counts."""

    name: str
    games: int
    positions: int
    """Positions with a policy and value target."""
    truncated: int
    white_wins: int
    draws: int
    black_wins: int
    plies: int


class ShardUnusable(EventBase, frozen=True, kw_only=True):
    """The trainer cannot read a shard that had been admitted; it goes on without."""

    worker: str
    name: str
    reason: str


class ShardRejected(EventBase, frozen=True, kw_only=True):
    """It was moved to quarantine/: at its admission, or later because the file is damaged."""

    name: str
    reason: str
    is_stale: bool = False
    """It is sound; the network that played it is too old (`cluster.max_staleness`)."""
    worker: str = ""
    """Who played it; empty where that is not known."""


# Training ---------------------------------------------------------------------------------------


class TrainingStep(EventBase, frozen=True, kw_only=True):
    """A point of the curves."""

    step: int
    metrics: dict[str, float]
    """policy_loss, value_loss, piece_loss, grad_norm, learning_rate and the like, as
    `backend.training.trainer.Trainer.step` names them; means since the last point.
    The supervisor adds memory_mib: what all workers hold, as in `RunState.memory`.

    Always finite: a non-finite step is an Alert, not a point."""


class TrainerProgress(EventBase, frozen=True, kw_only=True):
    """What the trainer has and what it waits for."""

    step: int
    window_positions: int
    admitted_positions: int
    """Over the whole run."""
    presented_samples: int
    """Over the whole run."""
    credits: float
    """Presentations it may still make."""
    waiting: str = ""
    """Empty while it trains."""


class CheckpointSaved(EventBase, frozen=True, kw_only=True):
    name: str
    step: int
    sha256: str
    """Of the manifest, which holds the hashes of the other files."""
    size_mib: float
    reason: str
    """initial, cycle, requested, stopping, timed."""
    metrics: dict[str, float] = msgspec.field(default_factory=dict)

    @property
    def only_resumes(self) -> bool:
        """Saved by the clock, to go on from after a crash: not shown, never measured."""
        return self.reason == "timed"


class CheckpointRetired(EventBase, frozen=True, kw_only=True):
    """It was removed from disk: nothing needs it, as newer ones are there or a person said so."""

    name: str
    reason: str
    """Why it had been saved."""
    by: str = ""
    """Who had it deleted: the program and its process; empty: the run itself, for newer ones."""

    @property
    def sentence(self) -> str:
        """For a person."""
        why = f"deleted, asked by {self.by}" if self.by else "removed: newer ones are kept"
        return f"checkpoint {self.name} {why}"


# The supervisor, about workers and the run ------------------------------------------------------


class WorkerStarted(EventBase, frozen=True, kw_only=True):
    worker: str
    role: Role
    pid: int
    node: str = ""
    """Name of the machine in a cluster; empty for this one."""


class WorkerExited(EventBase, frozen=True, kw_only=True):
    worker: str
    code: int
    """Exit status; negative means killed by that signal."""
    expected: bool
    reason: str
    last_words: tuple[str, ...] = ()
    """The last lines of its log, at most 50, of an end that nobody asked for."""
    is_told: bool = False
    """An alert has said it for several workers at once."""


class WorkerBackoff(EventBase, frozen=True, kw_only=True):
    worker: str
    delay_s: float
    crashes: int


class WorkerGivenUp(EventBase, frozen=True, kw_only=True):
    worker: str
    reason: str


class RunStarted(EventBase, frozen=True, kw_only=True):
    run: str
    directory: str
    preset: str
    version: str
    pid: int
    cycles: int
    """Stop after this many cycles of the run; 0 means never."""
    steps_per_cycle: int
    evaluation_games: int
    """Games of all matches that decide on one candidate."""
    samples_per_position: float
    min_positions: int
    settings: dict[str, str] = msgspec.field(default_factory=dict)
    """Those that can be changed while it is at work, by name, as in config.toml."""


class Recovered(EventBase, frozen=True, kw_only=True):
    """What the start found on disk."""

    shards: int
    adopted_shards: int
    """On disk without a row in the database: they count now."""
    checkpoints: int
    swept: int
    """Half-written leftovers that were removed."""
    quarantined: int
    best: str
    cycle: int
    games: int = 0
    positions: int = 0
    cycle_seconds: float = 0.0
    """How long the cycle that goes on now was at work in earlier starts."""


class PauseChanged(EventBase, frozen=True, kw_only=True):
    paused: bool


class CycleFinished(EventBase, frozen=True, kw_only=True):
    cycle: int
    step: int
    games: int
    positions: int
    """Of the run so far."""
    seconds: float
    """How long the run was at work on it: without pauses and the time between two starts."""
    policy_loss: float | None
    """Nats, as of the candidate; these three are None where it has none."""
    value_loss: float | None
    piece_loss: float | None
    verdict: Verdict
    elo: float
    elo_low: float
    elo_high: float
    random_score: float | None = None
    """Share scored against the random mover; None when not played."""
    greedy_score: float | None = None
    promotes_anyway: bool = False
    """As in GateDecided."""


class Alert(EventBase, frozen=True, kw_only=True):
    level: Level
    text: str


class RunStopping(EventBase, frozen=True, kw_only=True):
    reason: str


class RunStopped(EventBase, frozen=True, kw_only=True):
    reason: str
    exit_code: int


Event = (
    WorkerReady
    | Heartbeat
    | SelfPlayProgress
    | InferenceChosen
    | GamesTuned
    | BoardSeen
    | WorkerFailed
    | NonFinite
    | LossSpiked
    | RolledBack
    | TrainingHalted
    | LogLine
    | ShardWritten
    | ShardAdmitted
    | ShardUnusable
    | ShardRejected
    | PhaseBegan
    | TrainingStep
    | TrainerProgress
    | CheckpointSaved
    | CheckpointRetired
    | MatchStarted
    | MatchProgress
    | MatchFinished
    | GateDecided
    | Promoted
    | WorkerStarted
    | WorkerExited
    | WorkerBackoff
    | WorkerGivenUp
    | WorkerHeld
    | WorkerRetired
    | ClusterSeen
    | RunStarted
    | Recovered
    | PauseChanged
    | SettingChanged
    | CycleFinished
    | Alert
    | RunStopping
    | RunStopped
)

EVENT_TYPES: tuple[type[EventBase], ...] = get_args(Event)

TELEMETRY: frozenset[type[EventBase]] = frozenset(
    {
        Heartbeat,
        SelfPlayProgress,
        BoardSeen,
        TrainerProgress,
        MatchProgress,
        TrainingStep,
        ClusterSeen,
    }
)
"""May be dropped (and counted) when a reader is slow; everything else is a fact."""
