"""What a network is made of, as data. Imports no torch, so any process may read it."""

from dataclasses import dataclass
from typing import Literal

Orientation = Literal["mover", "white"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a ChessNet. Every preset is an instance of this one class."""

    orientation: Orientation = "mover"
    """Whose side the board is seen from: the mover's, or always White's (the earlier program)."""
    knowledge_planes: bool = False
    """Seven more input planes: attackers, checkers, material, en passant, earlier occurrences."""
    channels: int = 320
    """Width of the trunk."""
    blocks: int = 24
    """Residual blocks in the trunk."""
    board_features: bool = True
    """Learned position encoding and two residual convolutions between stem and tower."""
    attention_every: int = 3
    """An attention layer after every n-th block; 0 means none."""
    attention_heads: int = 20
    """Heads of one attention layer; channels must be a multiple."""
    smolgen: bool = False
    """An attention bias made from the whole position, as in lc0, besides the learned one."""
    se_ratio: int = 4
    """Squeeze-excitation bottleneck is channels / se_ratio; 0 means no squeeze-excitation."""
    policy_head: Literal["conv", "lowrank"] = "lowrank"
    """conv: 3x3 convolution, then 1x1 to the 73 move planes. lowrank: the earlier linear pair."""
    policy_rank: int = 128
    """Width of the low-rank policy bottleneck; unused by the conv head."""
    value_head: Literal["wdl", "scalar"] = "wdl"
    """wdl: logits of win, draw, loss for the mover. scalar: tanh, as the earlier program."""
    value_channels: int = 64
    """Channels of the 1x1 convolution in front of the value head."""
    value_hidden: int = 320
    """Width of the value head's first linear layer; the second has half."""
    aux_policy_heads: bool = True
    """The earlier program's from-square and move-type heads (used by its checkpoints)."""
    ssl_piece_head: bool = True
    """13 classes for each square, trained on a board with masked squares."""
    ssl_heads: bool = False
    """The other self-supervised heads: threat, pin, fork and control of every square."""
    plies_left_head: bool = False
    """Foretells how many plies the game will go on; not used in play."""
    short_value_head: bool = False
    """Foretells how the searches of the next plies will judge the game; not used in play."""
    reply_head: bool = False
    """Foretells the opponent's reply, whatever the mover plays; not used in play."""

    @property
    def looks_ahead(self) -> bool:
        """Whether training needs to know what follows a position in its game."""
        return self.plies_left_head or self.short_value_head or self.reply_head

    def __post_init__(self) -> None:
        positive = {
            "channels": self.channels,
            "blocks": self.blocks,
            "policy_rank": self.policy_rank,
            "value_channels": self.value_channels,
            "value_hidden": self.value_hidden,
        }
        for name, number in positive.items():
            if number < 1:
                raise ValueError(f"{name} = {number!r} must be at least 1")
        if self.channels % 16:
            raise ValueError(f"channels = {self.channels!r} must be a multiple of 16 (GroupNorm)")
        if self.attention_every < 0:
            raise ValueError(f"attention_every = {self.attention_every!r} must not be negative")
        if self.attention_every and self.channels % self.attention_heads:
            raise ValueError(
                f"channels = {self.channels!r} must be a multiple of "
                f"attention_heads = {self.attention_heads!r}"
            )
        if self.smolgen and not self.attention_every:
            raise ValueError("smolgen = True needs attention layers (attention_every)")
        if self.se_ratio < 0:
            raise ValueError(f"se_ratio = {self.se_ratio!r} must not be negative")


@dataclass(frozen=True, kw_only=True)
class SslConfig:
    """The self-supervised tasks: what they weigh in the total loss, and how they are shown."""

    enabled: bool = True
    """Train the SSL heads at all."""
    piece_weight: float = 0.1
    """Weight of the masked-piece loss in the total; 0 leaves a task out."""
    threat_weight: float = 0.1
    """Weight of the threat loss: pieces that static exchange loses."""
    pin_weight: float = 0.1
    """Weight of the pin loss: pieces pinned to their king or to another piece."""
    fork_weight: float = 0.1
    """Weight of the fork loss: pieces that attack two others worth taking."""
    control_weight: float = 0.1
    """Weight of the control loss: which side attacks a square with more pieces."""
    mask_frac: float = 0.15
    """Share of the 64 squares that are hidden in the masked-piece task (0 to 1)."""
    balance: float = 0.5
    """A rare yes among many no weighs (no / yes) to this power: 0 counts squares alike, 1 gives
    both answers the same total weight."""
    warmup_steps: int = 0
    """Steps over which the weights of all tasks rise from 0."""
    decay_steps: int = 0
    """Steps over which they fall along a line after the warm-up; 0 means never."""
    final_frac: float = 0.1
    """The weights after the decay, as a share of the full ones (0 to 1)."""
    chunk_boards: int = 0
    """Boards whose SSL heads are computed at once; fewer take less memory. 0 means 32 on a
    CPU, 1024 on a GPU."""
    dead_after_steps: int = 500
    """From this step on a task that does no better than guessing raises an alert; 0 means never."""

    def __post_init__(self) -> None:
        for name in (
            "piece_weight",
            "threat_weight",
            "pin_weight",
            "fork_weight",
            "control_weight",
            "warmup_steps",
            "decay_steps",
            "dead_after_steps",
            "chunk_boards",
        ):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)!r} must not be negative")
        if not 0 < self.mask_frac < 1:
            raise ValueError(f"mask_frac = {self.mask_frac!r} must lie between 0 and 1")
        for name in ("balance", "final_frac"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} = {getattr(self, name)!r} must be in 0..1")

    def scale(self, step: int) -> float:
        """What all weights are multiplied by in the step after `step` steps (0 to 1)."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if not self.decay_steps:
            return 1.0
        progress = min(1.0, (step - self.warmup_steps) / self.decay_steps)
        return 1.0 - (1.0 - self.final_frac) * progress
