"""The settings of training. Imports no torch, so any process may read them."""

from dataclasses import dataclass, field
from typing import Literal

from backend.ranges import require
from backend.training.curriculum import check_mix


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The optimiser, its schedule and the mix of losses."""

    batch_size: int = 384
    """Positions in one optimiser step."""
    micro_batch: int = 0
    """Positions shown to the network at once; gradients add up, BatchNorm takes the statistics of
    such a part. 0 means as many as device.memory_limit_gib has room for. On a CPU that is half of
    the machine's memory at most."""
    processes: int = 1
    """Processes of the trainer, one for each NVIDIA GPU; every batch is split among them."""
    checkpointing: Literal["none", "selective", "full", "auto"] = "auto"
    """What layers compute twice to save memory: nothing; all but convolutions and matrix products;
    everything. auto: as little as the memory limit allows."""
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Type of the activations. auto: bfloat16 where the device has it (on a CPU, where it is also
    faster), else float16 with a scaled loss on an Apple GPU, else float32."""
    compile: Literal["auto", "on", "off"] = "auto"
    """Whether torch compiles the layers: auto does on an NVIDIA GPU, given a C++ compiler."""
    record: Literal["auto", "off"] = "auto"
    """auto: an NVIDIA GPU plays back a recording of the step's kernels (a CUDA graph), which spares
    launching them one by one."""
    learning_rate: float = 3e-4
    """Peak rate of AdamW."""
    warmup_steps: int = 500
    """Steps over which the rate rises from 0."""
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    """How the rate goes on after the warm-up: falling along a cosine, in steps, or not at all."""
    decay_steps: int = 100_000
    """Length of the cosine; or of one step of the step schedule."""
    decay_factor: float = 0.3
    """By this the step schedule multiplies the rate every decay_steps."""
    final_lr_frac: float = 0.1
    """Share of the peak below which the rate does not fall (0 to 1); the cosine ends there."""
    weight_decay: float = 1e-4
    """Decoupled decay of matrices and kernels; norms and biases have none."""
    clip_norm: float = 1.0
    """Gradients are scaled down to this total L2 norm."""
    average: Literal["ema", "swa"] = "ema"
    """The averaged weights, which play: a moving average of all steps, or of snapshots (SWA)."""
    ema_decay: float = 0.999
    """Decay of the moving average."""
    swa_every_steps: int = 100
    """Steps between two snapshots of swa."""
    swa_snapshots: int = 10
    """Snapshots that swa averages; older ones fade."""
    mirror_frac: float = 0.0
    """Chance that a position without castling rights is shown mirrored left to right (0 to 1)."""
    policy_smoothing: float = 0.0
    """Share of the policy target that is spread evenly over the legal moves (0 to 1)."""
    value_loss: Literal["auto", "cross_entropy", "squared", "huber"] = "auto"
    """auto: cross_entropy of win, draw, loss with a wdl head, squared error of the expected score
    with a scalar one. huber: of the score too, linear beyond an error of 0.5."""
    drop_path: float = 0.0
    """Stochastic depth: chance that the last layer of the tower is left out for a position, in
    training only; that of the others rises to it linearly (0 to 1)."""
    policy_weight: float = 1.0
    """Weight of the policy loss in the total."""
    value_weight: float = 1.0
    """Weight of the value loss in the total."""
    plies_left_weight: float = 0.1
    """Weight of the plies-left loss in the total, where the model has that head."""
    short_value_weight: float = 0.25
    """Weight of the short-term value loss in the total, where the model has that head."""
    reply_weight: float = 0.15
    """Weight of the opponent-reply loss in the total, where the model has that head."""
    anchor_weight: float = 0.0
    """Weight of KL(prior || policy) in the total, in nats; the prior is the network that the run
    started from (matrix0-tui --from). 0: no anchor."""
    anchor_decay_steps: int = 0
    """Steps over which that weight falls to 0, in a straight line; 0: it stays."""
    search_value_frac: float = 0.25
    """Share of the search's root value in the value target; the rest is the game's result."""
    mix: dict[str, float] = field(default_factory=dict)
    """Weights of the sources in a batch, as in [training.mix] selfplay = 3, pgn = 1: selfplay are
    the run's own games, an imported source goes by its kind or name. Empty: a run draws from its
    own games alone, matrix0 train from all that was imported, every position alike."""
    steps_per_cycle: int = 1000
    """Steps between two candidates; each candidate is evaluated and ends a cycle."""
    checkpoint_every_s: float = 300.0
    """Seconds after which the trainer saves what it would lose in a crash; only the newest of these
    checkpoints stays, and none is a candidate. 0 means never."""
    checkpoint_every_steps: int = 500
    """The same, after so many steps."""
    max_rollbacks: int = 2
    """So often in a row training goes back to its last checkpoint, when three of a hundred steps
    were not finite or the loss stays far above what it was; then the run is paused."""
    spike_sigmas: float = 8.0
    """A loss so many standard deviations above the usual one raises an alarm; 0 means none does."""
    metrics_every: int = 10
    """Steps between two reported points of the loss curves."""

    def __post_init__(self) -> None:
        for name in (
            "batch_size",
            "processes",
            "decay_steps",
            "swa_every_steps",
            "swa_snapshots",
            "steps_per_cycle",
            "metrics_every",
        ):
            require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        for name in ("learning_rate", "clip_norm"):
            require(getattr(self, name) > 0, name, getattr(self, name), "must be > 0")
        for name in (
            "micro_batch",
            "warmup_steps",
            "weight_decay",
            "policy_weight",
            "value_weight",
            "plies_left_weight",
            "short_value_weight",
            "reply_weight",
            "anchor_weight",
            "anchor_decay_steps",
            "checkpoint_every_s",
            "checkpoint_every_steps",
            "max_rollbacks",
            "spike_sigmas",
        ):
            require(getattr(self, name) >= 0, name, getattr(self, name), "must not be negative")
        for name in (
            "decay_factor",
            "final_lr_frac",
            "mirror_frac",
            "policy_smoothing",
            "search_value_frac",
        ):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "must be in 0..1")
        most = max(1, self.batch_size // 4)  # Each shows some of its boards masked.
        require(
            self.processes <= most,
            "processes",
            self.processes,
            f"must be at most {most}, a quarter of batch_size",
        )
        alone = self.processes == 1 or self.compile != "on"
        require(alone, "compile", self.compile, "must be auto or off with several processes")
        check_mix(self.mix)
        for name in ("ema_decay", "drop_path"):
            require(
                0 <= getattr(self, name) < 1, name, getattr(self, name), "must be in 0..1, below 1"
            )
