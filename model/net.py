"""ChessNet: planes of a board in, policy, value and self-supervised logits out.

One class for every preset; `ModelConfig` says which parts exist. Only the heads that are asked for
are computed. Knows nothing of devices, files or training.

Shapes: B batch, C channels, M 4672 moves, S 64 squares in plane row order (row 0 is rank 8).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.blocks import Attention, BoardFeatures, ResidualBlock, linear, norm_silu
from model.checkpointing import Checkpointing, run_layer
from model.config import ModelConfig
from model.encoding import NUM_MOVES, num_planes
from model.heads import (
    AUX_CHANNELS,
    MOVE_PLANES,
    NUM_MOVE_TYPES,
    NUM_PIECE_CLASSES,
    PLIES_UNIT,
    POLICY_CHANNELS,
    ConvPolicyHead,
    board_head,
    lowrank_policy,
    policy_trunk,
    reply_logits,
    square_classifier,
    value_trunk,
)
from model.ssl.tasks import OPEN_TASKS, TaskName

Head = Literal[
    "policy",
    "value",
    "piece",
    "threat",
    "pin",
    "fork",
    "control",
    "from_square",
    "move_type",
    "plies_left",
    "short_value",
    "reply",
]

PLAY_HEADS: tuple[Head, ...] = ("policy", "value")
"""What search needs; inference pays for nothing else."""

_HEAD_MODULES: dict[str, Head] = {
    "policy_head": "policy",
    "policy_fc1": "policy",
    "policy_fc2": "policy",
    "policy_fc_norm": "policy",
    "value_head": "value",
    "value_fc1": "value",
    "value_fc2": "value",
    "value_fc3": "value",
    "ssl_piece_head": "piece",
    "aux_from_square": "from_square",
    "aux_move_type": "move_type",
    "plies_left_head": "plies_left",
    "short_value_head": "short_value",
    "reply_head": "reply",
}
"""Attributes of ChessNet that belong to one head; all others are the trunk's."""

INITIAL_LOGIT_SCALE = 0.1
"""Standard deviation, roughly, of the untrained logits of most heads. At 1 the masked policy
would keep about 85 % of the uniform entropy, and self-play would begin by learning noise."""


RARE_LOGIT = -3.0
"""Of an untrained answer to a question that is mostly answered with no (as in RetinaNet): else the
heads would spend their first hundreds of steps on learning just that."""


@dataclass(frozen=True, slots=True)
class NetOutput:
    """Logits of the heads that were asked for; the others are None."""

    policy_logits_BM: Tensor | None = None
    """All 4672 moves, legal or not."""
    wdl_logits_B3: Tensor | None = None
    """Win, draw, loss for the mover (value_head = wdl)."""
    value_B: Tensor | None = None
    """-1 to 1 for the mover (value_head = scalar)."""
    piece_logits_B13S: Tensor | None = None
    threat_logits_B2S: Tensor | None = None
    pin_logits_B4S: Tensor | None = None
    fork_logits_B2S: Tensor | None = None
    control_logits_B3S: Tensor | None = None
    from_square_logits_B64S: Tensor | None = None
    move_type_logits_B12S: Tensor | None = None
    plies_left_B: Tensor | None = None
    """Expected plies to the end of the game, above 0."""
    short_wdl_logits_B3: Tensor | None = None
    """Win, draw, loss for the mover, as the searches of the next plies will see them."""
    reply_logits_BM: Tensor | None = None
    """All 4672 moves of the opponent, as they are numbered in the next position."""


class ChessNet(nn.Module):
    """A residual convolutional trunk, optionally with attention layers, and its heads."""

    def __init__(self, config: ModelConfig, generator: torch.Generator | None = None) -> None:
        """Weights come from `generator`; None means a fresh one with seed 0."""
        super().__init__()
        self.config = config
        self.checkpointing: Checkpointing = "none"
        """What the layers of the tower keep for a backward pass; no part of the network itself."""
        channels = config.channels
        planes = num_planes(knowledge=config.knowledge_planes)
        self.stem = nn.Sequential(*norm_silu(planes, channels, 3))
        self.chess_features = BoardFeatures(channels) if config.board_features else None
        self.tower = nn.ModuleList(_tower(config))

        self.ssl_piece_head: nn.Sequential | None = None
        if config.ssl_piece_head:
            self.ssl_piece_head = square_classifier(channels, channels // 2, NUM_PIECE_CLASSES)

        self.policy_head: nn.Module
        if config.policy_head == "conv":
            self.policy_head = ConvPolicyHead(channels)
        else:
            self.policy_head = policy_trunk(channels)
            self.policy_fc1 = linear(POLICY_CHANNELS * 64, config.policy_rank)
            self.policy_fc2 = linear(config.policy_rank, NUM_MOVES)
            self.policy_fc_norm = nn.LayerNorm(NUM_MOVES)

        self.aux_from_square: nn.Sequential | None = None
        self.aux_move_type: nn.Sequential | None = None
        if config.aux_policy_heads:
            self.aux_from_square = square_classifier(channels, AUX_CHANNELS, 64)
            self.aux_move_type = square_classifier(channels, AUX_CHANNELS, NUM_MOVE_TYPES)

        self.value_head = value_trunk(channels, config.value_channels)
        self.value_fc1 = linear(config.value_channels * 64, config.value_hidden)
        self.value_fc2 = linear(config.value_hidden, max(1, config.value_hidden // 2))
        self.value_fc3 = linear(self.value_fc2.out_features, 3 if config.value_head == "wdl" else 1)

        self.plies_left_head: nn.Sequential | None = None
        if config.plies_left_head:
            self.plies_left_head = board_head(channels, 1)
        self.short_value_head: nn.Sequential | None = None
        if config.short_value_head:
            self.short_value_head = board_head(channels, 3)
        self.reply_head: nn.Sequential | None = None
        if config.reply_head:
            self.reply_head = square_classifier(channels, POLICY_CHANNELS, MOVE_PLANES)

        self.ssl_heads = nn.ModuleDict()
        if config.ssl_heads:
            for task in OPEN_TASKS:
                head = square_classifier(channels, channels // 2, task.num_logits, bias=True)
                self.ssl_heads[task.name] = head

        if generator is None:
            generator = torch.Generator().manual_seed(0)
        initialise(self, generator)

    def forward(self, planes_BC88: Tensor, heads: tuple[Head, ...] = PLAY_HEADS) -> NetOutput:
        """The logits of `heads`. ValueError when this network lacks one of them."""
        return self.read(self.trunk(planes_BC88), heads)

    def trunk(self, planes_BC88: Tensor, scale_BL: Tensor | None = None) -> Tensor:
        """Float[B, C, 8, 8]: what every head reads.

        `scale_BL` multiplies the branches of the tower's L layers (see `model.drop_path`).
        """
        x: Tensor = self.stem(planes_BC88)
        if self.chess_features is not None:
            x = self.chess_features(x)
        for number, layer in enumerate(self.tower):
            scale_B = None if scale_BL is None else scale_BL[:, number]
            x = run_layer(self.checkpointing, layer, x, scale_B)
        return x

    def read(self, trunk_BC88: Tensor, heads: tuple[Head, ...]) -> NetOutput:
        """The logits of `heads` from a trunk that was computed before."""
        outputs: dict[str, Tensor] = {}
        for head in heads:
            outputs.update(self._head(head, trunk_BC88))
        return NetOutput(**outputs)

    def head_of(self, parameter: str) -> Head | None:
        """The head that a parameter belongs to, by its state-dict name; None for the trunk."""
        module, _, rest = parameter.partition(".")
        if module == "ssl_heads":
            return next(task.name for task in OPEN_TASKS if rest.startswith(f"{task.name}."))
        return _HEAD_MODULES.get(module)

    def square_logits(self, task: TaskName, trunk_BC88: Tensor) -> Tensor:
        """Float[B, K, S] of a self-supervised task. ValueError when this network lacks its head."""
        heads = {"piece": self.ssl_piece_head, **dict(self.ssl_heads.items())}
        head = heads.get(task)
        if head is None:
            raise ValueError(f"this network has no head {task!r}; see its ModelConfig")
        logits: Tensor = head(trunk_BC88)
        return logits.flatten(2)

    def policy(self, trunk_BC88: Tensor) -> Tensor:
        """logits_BM from the trunk."""
        hidden: Tensor = self.policy_head(trunk_BC88)
        if self.config.policy_head == "conv":
            return hidden
        return lowrank_policy(hidden, self.policy_fc1, self.policy_fc2, self.policy_fc_norm)

    def value(self, trunk_BC88: Tensor) -> Tensor:
        """Logits of win, draw, loss [B, 3]; or one number before its tanh [B, 1]."""
        hidden = self.value_head(trunk_BC88).flatten(1)
        hidden = F.relu(self.value_fc2(F.relu(self.value_fc1(hidden))))
        value: Tensor = self.value_fc3(hidden)
        return value

    def _head(self, head: Head, x: Tensor) -> dict[str, Tensor]:
        match head:
            case "policy":
                return {"policy_logits_BM": self.policy(x)}
            case "value" if self.config.value_head == "wdl":
                return {"wdl_logits_B3": self.value(x)}
            case "value":
                return {"value_B": torch.tanh(self.value(x)).squeeze(1)}
            case "piece":
                return {"piece_logits_B13S": self.square_logits(head, x)}
            case "threat" | "fork":
                return {f"{head}_logits_B2S": self.square_logits(head, x)}
            case "pin":
                return {"pin_logits_B4S": self.square_logits(head, x)}
            case "control":
                return {"control_logits_B3S": self.square_logits(head, x)}
            case "from_square" if self.aux_from_square is not None:
                return {"from_square_logits_B64S": self.aux_from_square(x).flatten(2)}
            case "move_type" if self.aux_move_type is not None:
                return {"move_type_logits_B12S": self.aux_move_type(x).flatten(2)}
            case "plies_left" if self.plies_left_head is not None:
                plies_B = F.softplus(self.plies_left_head(x).float()).squeeze(1) * PLIES_UNIT
                return {"plies_left_B": plies_B}
            case "short_value" if self.short_value_head is not None:
                return {"short_wdl_logits_B3": self.short_value_head(x)}
            case "reply" if self.reply_head is not None:
                is_turned = self.config.orientation == "mover"
                return {"reply_logits_BM": reply_logits(self.reply_head(x), is_turned=is_turned)}
            case _:
                raise ValueError(f"this network has no head {head!r}; see its ModelConfig")


def _tower(config: ModelConfig) -> Iterator[nn.Module]:
    for number in range(1, config.blocks + 1):
        yield ResidualBlock(config.channels, config.se_ratio)
        if config.attention_every and number % config.attention_every == 0:
            yield Attention(config.channels, config.attention_heads, smolgen=config.smolgen)


@torch.no_grad()
def initialise(net: ChessNet, generator: torch.Generator) -> None:
    """Sets every weight of `net`. Norms start as the identity; the logits start close to zero."""
    for module in net.modules():
        match module:
            case nn.Conv2d():
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            case nn.Linear():
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(module.bias)
            case nn.GroupNorm() | nn.BatchNorm2d() | nn.LayerNorm():
                module.reset_parameters()
            case BoardFeatures():
                nn.init.normal_(module.position_encoding, std=0.02, generator=generator)
            case Attention():
                nn.init.zeros_(module.rel_bias)
            case _:
                pass
    for block in net.tower:
        if isinstance(block, ResidualBlock):
            # The sum of all branches then has the variance of one, at any depth.
            block.conv2.weight.mul_(1 / math.sqrt(net.config.blocks))
        elif isinstance(block, Attention):
            block.qkv.weight.mul_(math.sqrt(0.5))
            block.proj.weight.mul_(0.5)
            if block.smolgen is not None:
                block.smolgen.expand.weight.zero_()
    if isinstance(net.policy_head, ConvPolicyHead):
        net.policy_head.moves.weight.mul_(INITIAL_LOGIT_SCALE)
    else:
        net.policy_fc_norm.weight.fill_(INITIAL_LOGIT_SCALE)
    net.value_fc3.weight.mul_(INITIAL_LOGIT_SCALE)
    for head in (net.plies_left_head, net.short_value_head, net.reply_head):
        if head is not None:
            last = head[-1]
            assert isinstance(last, nn.Linear | nn.Conv2d)
            last.weight.mul_(INITIAL_LOGIT_SCALE)
    for task in OPEN_TASKS if net.config.ssl_heads else ():
        last = net.get_submodule(f"ssl_heads.{task.name}.3")
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight.mul_(INITIAL_LOGIT_SCALE)
        if not task.is_choice:
            last.bias.fill_(RARE_LOGIT)


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the parameter table."""

    name: str
    copies: int
    parameters: int
    """Of all copies together."""


def describe(config: ModelConfig) -> list[Part]:
    """The parts of the network in the order data meets them, with their parameter counts.

    Their sum is the whole network. Nothing is allocated.
    """
    with torch.device("meta"):
        net = ChessNet(config)
    blocks = [layer for layer in net.tower if isinstance(layer, ResidualBlock)]
    attention = [layer for layer in net.tower if isinstance(layer, Attention)]
    policy: list[nn.Module] = [net.policy_head]
    if config.policy_head == "lowrank":
        policy += [net.policy_fc1, net.policy_fc2, net.policy_fc_norm]
    value: list[nn.Module] = [net.value_head, net.value_fc1, net.value_fc2, net.value_fc3]
    named: list[tuple[str, int, list[nn.Module]]] = [
        ("stem", 1, [net.stem]),
        ("board features", 1, [net.chess_features] if net.chess_features else []),
        ("residual blocks", len(blocks), list(blocks)),
        ("attention layers", len(attention), list(attention)),
        (f"policy head ({config.policy_head})", 1, policy),
        (f"value head ({config.value_head})", 1, value),
        ("masked-piece head", 1, [net.ssl_piece_head] if net.ssl_piece_head else []),
        *((f"{name} head", 1, [head]) for name, head in net.ssl_heads.items()),
        ("from-square head", 1, [net.aux_from_square] if net.aux_from_square else []),
        ("move-type head", 1, [net.aux_move_type] if net.aux_move_type else []),
        ("plies-left head", 1, [net.plies_left_head] if net.plies_left_head else []),
        ("short-term value head", 1, [net.short_value_head] if net.short_value_head else []),
        ("opponent-reply head", 1, [net.reply_head] if net.reply_head else []),
    ]
    return [
        Part(name=name, copies=copies, parameters=sum(map(count_parameters, modules)))
        for name, copies, modules in named
        if modules
    ]


def count_parameters(module: nn.Module) -> int:
    """Trainable numbers in `module`."""
    return sum(parameter.numel() for parameter in module.parameters())
