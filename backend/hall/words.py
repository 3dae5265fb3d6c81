"""What a fleet and its halls say to each other: JSON lines."""

import msgspec

from backend.commands import UseNetwork
from backend.config import SearchConfig
from backend.evaluation.config import AdjudicationConfig
from backend.evaluation.playedgame import PlayedGame


class _Word(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Played twice, with colours swapped."""

    number: int
    """Of the pair, in the match."""
    start: str
    """FEN"""
    moves: tuple[str, ...]
    """That led to it, in UCI."""


class Seats(_Word, frozen=True, kw_only=True):
    """Let these two play. Networks are checkpoints in the hall's run directory."""

    number: int
    players: tuple[str, str]
    """Candidate and opponent: a checkpoint, a baseline or an engine."""
    simulations: tuple[int, int]
    """Leaf evaluations for one move of each, if it is a network."""
    seed: int
    openings: tuple[Opening, ...]
    search: SearchConfig
    adjudication: AdjudicationConfig
    max_plies: int


Order = UseNetwork | Seats
"""UseNetwork: this checkpoint is there, in case somebody plays with it."""


class Open(_Word, frozen=True, kw_only=True):
    """The hall is ready."""


class Seated(_Word, frozen=True, kw_only=True):
    """The players of a piece sit down."""

    number: int
    names: tuple[str, str]
    """What they call themselves: an engine tells its version."""


class Ended(_Word, frozen=True, kw_only=True):
    """A game of a piece is over."""

    number: int
    game: PlayedGame


class Thinking(_Word, frozen=True, kw_only=True):
    """Games of a piece go on."""

    number: int


class Sorry(_Word, frozen=True, kw_only=True):
    """One of the players cannot play here; the hall ends."""

    reason: str


Said = Open | Seated | Ended | Thinking | Sorry
