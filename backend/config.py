"""Every setting of a run as frozen dataclasses; `config.toml` shows the same.

Loading and writing TOML lives in `backend/settings.py`, the presets in `backend/presets.py`.
"""

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from backend.alerts_config import AlertsConfig as AlertsConfig
from backend.cluster.config import ClusterConfig as ClusterConfig
from backend.evaluation.config import AdjudicationConfig
from backend.limits_config import LimitsConfig as LimitsConfig
from backend.ranges import require as _require
from backend.supervisor_config import SupervisorConfig as SupervisorConfig
from backend.training.config import TrainingConfig
from backend.training.curriculum import PhaseConfig, check_phases
from model.config import ModelConfig, SslConfig


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """Where tensors live and how many threads a process may use."""

    kind: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto takes cuda, then mps, then cpu."""
    threads: int = 1
    """CPU threads of torch in each process; 1 is best where several workers share the cores."""
    memory_limit_gib: float = 14.0
    """Ceiling for the tensors of one process on an NVIDIA or Apple GPU, GiB: beyond it the process
    runs out of memory instead of taking from others. Not enforced on the CPU."""

    def __post_init__(self) -> None:
        _require(self.threads >= 1, "threads", self.threads, "must be at least 1")
        _require(
            self.memory_limit_gib > 0, "memory_limit_gib", self.memory_limit_gib, "must be > 0"
        )


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """How networks are computed in play: the fastest way that agrees with torch in float32."""

    backend: Literal["auto", "torch", "openvino"] = "auto"
    """auto measures all that this machine has; openvino is for CPUs."""
    precision: Literal["auto", "float32", "float16", "bfloat16", "int8"] = "auto"
    """auto measures all that this machine has; int8 is calibrated for every network."""
    max_policy_kl: float = 0.005
    """Largest mean KL divergence of the policy from torch float32 that may play, nats."""
    max_top1_flips: float = 0.15
    """Largest share of positions whose most probable move may be another one (0 to 1)."""
    max_value_error: float = 0.03
    """Largest mean absolute error of win - loss that may play (0 to 2)."""
    agreement_positions: int = 1000
    """Positions on which every network is compared before it plays."""
    calibration_positions: int = 256
    """Other positions, on which int8 learns between which values each layer's input lies."""

    def __post_init__(self) -> None:
        for name in ("max_policy_kl", "max_top1_flips", "max_value_error"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        for name in ("agreement_positions", "calibration_positions"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Tree search: which rule chooses at the root, and how much it explores."""

    root: Literal["gumbel", "puct"] = "gumbel"
    """gumbel: sequential halving over sampled moves (Danihelka 2022). puct: AlphaZero."""
    simulations: int = 64
    """Leaf evaluations for one move."""
    gumbel_considered: int = 16
    """Moves sampled at the root by the gumbel rule."""
    gumbel_c_visit: float = 50.0
    """Visit constant of sigma(q); no unit."""
    gumbel_c_scale: float = 1.0
    """Scale of sigma(q), as in the paper; 0.1 belongs to values stretched to 0..1 at each node."""
    c_puct: float = 1.5
    """Weight of the prior in the puct rule; no unit."""
    c_puct_base: float = 19652.0
    """Visits at which c_puct has grown noticeably."""
    c_puct_factor: float = 1.0
    """Growth: c = c_puct + factor * ln((visits + base + 1) / base); 0 keeps c constant."""
    fpu_reduction: float = 0.25
    """Below the root an unvisited move has parent value - reduction * sqrt(visited policy mass)."""
    dirichlet_alpha: float = 0.3
    """Concentration of the root noise of the puct rule, for each move."""
    dirichlet_total: float = 0.0
    """The same for all moves together, in place of dirichlet_alpha; KataGo has 10.83, 0: unused."""
    dirichlet_shaped: bool = False
    """Half of the concentration goes to moves that the network prefers (KataGo)."""
    dirichlet_frac: float = 0.25
    """Share of the root noise in the prior (0 to 1); used in self-play only."""
    forced_playouts: float = 0.0
    """k of noisy puct searches: a tried move gets sqrt(k * prior * visits) visits, untaught.

    KataGo has 2, with 600 simulations; with a few dozen the target becomes sparse. 0: none.
    """
    mate_check: bool = True
    """Look for a mate in one at every expanded node; its value is then exact."""

    def __post_init__(self) -> None:
        _require(self.simulations >= 1, "simulations", self.simulations, "must be at least 1")
        _require(
            self.gumbel_considered >= 1, "gumbel_considered", self.gumbel_considered, "must be >= 1"
        )
        _require(self.c_puct > 0, "c_puct", self.c_puct, "must be > 0")
        _require(self.c_puct_base > 0, "c_puct_base", self.c_puct_base, "must be > 0")
        for name in (
            *("gumbel_c_visit", "c_puct_factor", "fpu_reduction"),
            *("dirichlet_total", "forced_playouts"),
        ):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        scale = self.gumbel_c_scale
        _require(scale > 0, "gumbel_c_scale", scale, "must be > 0")
        _require(self.dirichlet_alpha > 0, "dirichlet_alpha", self.dirichlet_alpha, "must be > 0")
        _require(
            0 <= self.dirichlet_frac <= 1, "dirichlet_frac", self.dirichlet_frac, "must be in 0..1"
        )


@dataclass(frozen=True, kw_only=True)
class SelfPlayConfig:
    """How games are made."""

    workers: int = 0
    """Self-play processes; 0 means one for a GPU, one for each CPU core without a GPU."""
    games: int | Literal["auto"] = "auto"
    """Games in one worker, in lock-step within a group; a batch has one position of each. auto
    measures at the start how many keep the device busy."""
    groups: int = 0
    """Groups of games that take turns: while the network judges one, the others are searched.
    0 means three on a GPU and one on a CPU, where the device is the processor itself."""
    search_threads: int = 0
    """Threads that search beside the network; 0 means one for each group but one."""
    temperature: float = 1.0
    """At the start of a game visited moves are drawn with probability policy^(1/temperature)."""
    temperature_plies: int = 30
    """Plies over which it changes to temperature_end: see temperature_decay."""
    temperature_decay: Literal["step", "linear", "half_life"] = "step"
    """step: all at once after those plies. linear: evenly. half_life: half the way each time."""
    temperature_end: float = 0.0
    """Temperature after the decay; 0 means that the best move is played."""
    full_search_frac: float = 1.0
    """Share of moves with a full search; the others are cheap and teach no policy (0 to 1)."""
    cheap_simulations: int = 16
    """Leaf evaluations of a cheap search; never more than of a full one."""
    simulations_start: int = 0
    """Leaf evaluations with the untrained network, rising to [search] simulations; 0: constant."""
    simulations_grow_steps: int = 20_000
    """Training steps over which they rise, in a straight line."""
    policy_surprise_frac: float = 0.0
    """Share of a game's policy weight dealt out by KL(target || prior); KataGo takes 0.5."""
    soft_resign_value: float = 0.0
    """Once all searches expect this score (0 to 1) for one side, budgets shrink; 0: never."""
    soft_resign_plies: int = 3
    """So many last searches, of both sides, must agree."""
    soft_resign_simulations: int = 8
    """Leaf evaluations for a move of a game that is wholly decided."""
    soft_resign_weight: float = 0.1
    """Weight of its positions in the losses, of 1."""
    resign_false_frac: float = 0.0
    """Resign such that at most this share of those who do would not have lost; 0: nobody does."""
    resign_plies: int = 3
    """So many last searches of a side itself must be hopeless before it resigns."""
    resign_playthrough_frac: float = 0.2
    """Share of games that are played through all the same, to measure how often it was wrong."""
    opening_plies: int = 4
    """Uniformly random plies at the start of a game, drawn anew from 0 to this number."""
    book_frac: float = 0.0
    """Share of games that begin with a line of the book (0 to 1)."""
    book_path: str = ""
    """A file of EPD or FEN lines, or of PGN games, plain or .gz or .zst; empty: no book."""
    book_plies: int = 16
    """Plies of a game in a PGN book that are played from it."""
    network_opening_frac: float = 0.0
    """Share of games whose first plies are drawn from the network's policy alone (0 to 1)."""
    network_opening_plies: int = 12
    """So many plies, drawn anew from 1 to this number."""
    archive_frac: float = 0.0
    """Share of games that go on from a position of an earlier game of this worker (0 to 1)."""
    archive_games: int = 1000
    """Earlier games that are remembered for it."""
    syzygy_path: str = ""
    """Directory of Syzygy tables that end games by adjudication; empty: none."""
    syzygy_men: int = 5
    """Men on the board, kings included, from which on they are asked."""
    max_plies: int = 300
    """A longer game is cut and flagged as truncated: it gets no result."""

    def __post_init__(self) -> None:
        _require(self.workers >= 0, "workers", self.workers, "must not be negative")
        games = math.inf if self.games == "auto" else self.games
        _require(games >= 1, "games", games, "must be at least 1")
        _require(0 <= self.groups <= games, "groups", self.groups, "must be in 0..games")
        _require(
            self.search_threads >= 0, "search_threads", self.search_threads, "must not be negative"
        )
        _require(self.temperature > 0, "temperature", self.temperature, "must be > 0")
        _require(
            self.temperature_plies >= 0, "temperature_plies", self.temperature_plies, "must be >= 0"
        )
        _require(self.temperature_end >= 0, "temperature_end", self.temperature_end, "must be >= 0")
        _require(
            self.cheap_simulations >= 1, "cheap_simulations", self.cheap_simulations, "must be >= 1"
        )
        _require(
            self.simulations_start >= 0, "simulations_start", self.simulations_start, "must be >= 0"
        )
        _require(
            self.simulations_grow_steps >= 1,
            "simulations_grow_steps",
            self.simulations_grow_steps,
            "must be at least 1",
        )
        for name in ("soft_resign_value", "resign_false_frac"):
            _require(
                0 <= getattr(self, name) < 1, name, getattr(self, name), "must be in 0..1, below 1"
            )
        _require(
            0.001 <= self.soft_resign_weight <= 1,
            "soft_resign_weight",
            self.soft_resign_weight,
            "must be in 0.001..1",  # Shards hold it as float16.
        )
        for name in ("soft_resign_plies", "soft_resign_simulations"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        _require(self.resign_plies >= 2, "resign_plies", self.resign_plies, "must be at least 2")
        _require(
            0 < self.resign_playthrough_frac <= 1,
            "resign_playthrough_frac",
            self.resign_playthrough_frac,
            "must be above 0 and at most 1",
        )
        for name in ("full_search_frac", "policy_surprise_frac"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "must be in 0..1")
        _require(self.opening_plies >= 0, "opening_plies", self.opening_plies, "must be >= 0")
        for name in ("book_frac", "network_opening_frac", "archive_frac"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "must be in 0..1")
        shares = self.book_frac + self.network_opening_frac + self.archive_frac
        _require(
            shares <= 1 + 1e-9,
            "book_frac + network_opening_frac + archive_frac",
            shares,
            "must be at most 1",
        )
        _require(
            self.book_frac == 0 or self.book_path != "",
            "book_frac",
            self.book_frac,
            "needs a book_path",
        )
        _require(3 <= self.syzygy_men <= 7, "syzygy_men", self.syzygy_men, "must be in 3..7")
        for name in ("book_plies", "network_opening_plies", "archive_games"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        _require(self.max_plies >= 1, "max_plies", self.max_plies, "must be at least 1")

    @property
    def num_games(self) -> int:
        """`games`, once it is a number."""
        assert self.games != "auto", "the number of games was not measured yet"
        return self.games


@dataclass(frozen=True, kw_only=True)
class ReplayConfig:
    """Which of the recorded positions the trainer draws from."""

    window_positions: int = 1_000_000
    """The most recent positions of the run's own games that are kept for training."""
    imported_positions: int = 5_000_000
    """Of each imported source, the last in order of its files; 400 bytes of memory for each."""
    min_positions: int = 20_000
    """The trainer waits until the window holds this many positions, or is full."""
    samples_per_position: float = 2.0
    """Credits: presentations bought by each admitted position; the trainer waits without. Those
    not used when a position leaves the window expire."""

    def __post_init__(self) -> None:
        _require(
            self.window_positions >= 1, "window_positions", self.window_positions, "must be >= 1"
        )
        _require(
            self.imported_positions >= 1,
            "imported_positions",
            self.imported_positions,
            "must be >= 1",
        )
        _require(self.min_positions >= 1, "min_positions", self.min_positions, "must be >= 1")
        _require(
            0 < self.samples_per_position <= 4,
            "samples_per_position",
            self.samples_per_position,
            "must be above 0 and at most 4 (the hard cap)",
        )


MAX_GATE_ELO: Final = 200
BASELINES: Final = ("random", "greedy")
"""The opponents that need no network, in the order they are played."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Candidate against best, and the ladder that needs no engine."""

    games: int = 400
    """Most games of candidate against best; each opening is played twice with colours swapped."""
    gate: Literal["sprt", "regression", "none"] = "sprt"
    """sprt: promote what is proven stronger. regression: reject only what is proven weaker. none:
    promote all. The two tests end a match as soon as they are decided."""
    gate_elo0: float = 0.0
    """What the test of gate sprt holds the candidate for, unless it proves gate_elo1."""
    gate_elo1: float = 10.0
    """What that test must prove. Gate regression tests -gate_elo1 against -gate_elo0."""
    gate_scale: Literal["normalised", "logistic"] = "normalised"
    """normalised: Elo by standard deviations of a game. logistic: Elo by the score alone."""
    gate_alpha: float = 0.05
    """Share of candidates no better than gate_elo0 that pass for gate_elo1 (0 to 0.5)."""
    gate_beta: float = 0.05
    """Share of candidates as good as gate_elo1 that pass for gate_elo0 (0 to 0.5)."""
    simulations: int = 0
    """Leaf evaluations for one move; 0 means as in [search]."""
    opening_plies: int = 6
    """Random plies of an opening; the same opening is never used for two pairs."""
    book_path: str = ""
    """Openings instead: a file of EPD or FEN, PGN or Polyglot (.bin), also .gz or .zst."""
    book_plies: int = 16
    """Plies of a game in a PGN book, or along a Polyglot book, that are played from it."""
    max_plies: int = 300
    """A longer game is cut: a draw by adjudication, counted apart."""
    gate_score: float = 0.55
    """Gate sprt, not decided within `games`: promote all the same above this score; 1: never."""
    baseline_games: int = 40
    """Games against each of the random and the greedy mover; 0 leaves the ladder out."""
    parallel_games: int = 64
    """Games in lock-step; the batch of the network."""

    def __post_init__(self) -> None:
        _require(
            self.games >= 2 and self.games % 2 == 0, "games", self.games, "must be even, 2 or more"
        )
        _require(self.simulations >= 0, "simulations", self.simulations, "must not be negative")
        for name in ("opening_plies", "book_plies"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        _require(self.max_plies >= 1, "max_plies", self.max_plies, "must be at least 1")
        _require(
            -MAX_GATE_ELO <= self.gate_elo0 < self.gate_elo1 <= MAX_GATE_ELO,
            "gate_elo0, gate_elo1",
            (self.gate_elo0, self.gate_elo1),
            f"must rise and be in -{MAX_GATE_ELO}..{MAX_GATE_ELO}",
        )
        for name in ("gate_alpha", "gate_beta"):
            _require(0 < getattr(self, name) < 0.5, name, getattr(self, name), "must be in 0..0.5")
        _require(0 <= self.gate_score <= 1, "gate_score", self.gate_score, "must be in 0..1")
        _require(
            self.baseline_games >= 0 and self.baseline_games % 2 == 0,
            "baseline_games",
            self.baseline_games,
            "must be even, 0 or more",
        )
        _require(self.parallel_games >= 1, "parallel_games", self.parallel_games, "must be >= 1")


@dataclass(frozen=True, kw_only=True)
class Config:
    """One run, whole."""

    seed: int = 0
    """Seed of every random generator of the run."""
    model: ModelConfig = field(default_factory=ModelConfig)
    ssl: SslConfig = field(default_factory=SslConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    selfplay: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    adjudication: AdjudicationConfig = field(default_factory=AdjudicationConfig)
    supervisor: SupervisorConfig = field(default_factory=SupervisorConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    keys: dict[str, str] = field(default_factory=dict)
    """Keys of your own on the screen: an action and its key, or several with commas between, as in
    pause = "space,f2". docs/keys.md names the actions."""
    curriculum: tuple[PhaseConfig, ...] = ()
    """Phases of training, in their order: each changes what is drawn, up to a step of the run."""

    def __post_init__(self) -> None:
        check_phases(self.curriculum)
        _require(
            self.training.value_loss != "cross_entropy" or self.model.value_head == "wdl",
            "training.value_loss",
            self.training.value_loss,
            "needs model.value_head = 'wdl'",
        )
        _require(self.seed >= 0, "seed", self.seed, "must not be negative")
