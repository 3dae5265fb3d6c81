"""What self-play workers tell of their games and of how they compute a network."""

import msgspec

from backend.event_base import EventBase


class SelfPlayProgress(EventBase, frozen=True, kw_only=True):
    """Speed of one self-play worker since its last report."""

    worker: str
    network: str
    """Checkpoint that plays, for example step-00001500."""
    games_running: int
    mean_ply: float
    positions_per_s: float
    evaluations_per_s: float
    network_frac: float
    """Share of wall time spent inside the network (0 to 1)."""
    batch_frac: float
    """Mean filling of the network's batch (0 to 1)."""
    simulations: int = 0
    """Leaf evaluations of a full search with this network."""
    full_frac: float | None = None
    """Share of full searches (0 to 1); None when no search was completed."""
    policy_surprise: float | None = None
    """Mean KL(target || prior) of the full searches, nats; near 0 the search improves nothing."""
    resigned_frac: float | None = None
    """Share of games that were resigned since the worker started; None before the first game."""
    resign_threshold: float | None = None
    """Who expects a score of minus this or less resigns; None while nobody does."""
    resign_false_frac: float | None = None
    """Share of sides that would have resigned so and did not lose, of games played through."""


class InferenceChosen(EventBase, frozen=True, kw_only=True):
    """A worker says how it computes a network from now on, and how far that is from torch float32.

    The differences are means over the positions of `[inference] agreement_positions`.
    """

    worker: str
    network: str
    backend: str
    precision: str
    evaluations_per_s: float
    """On ready batches, when it was chosen."""
    policy_kl: float
    """Of the policy over legal moves, nats."""
    top1_flips: float
    """Share of positions where another move has the highest prior (0 to 1)."""
    value_error: float
    """Absolute error of win - loss (0 to 2)."""
    max_value_error: float
    """The largest of them, not a mean."""
    rejected: tuple[str, ...] = ()
    """Faster ways that do not agree on this network, each with the reason."""


class GamesTuned(EventBase, frozen=True, kw_only=True):
    """A self-play worker has measured how many games it plays at once."""

    worker: str
    games: int
    tried: tuple[int, ...]
    """Numbers of games it played with for a moment."""
    evaluations_per_s: tuple[float, ...]
    """With each of them; on a CPU by processor time."""


class MoveSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate move of a shown search."""

    san: str
    policy: float
    """Share in the policy that the search arrived at, 0 to 1."""
    visits: int
    q: float | None = None
    """Value for the mover, -1 to 1; None where no simulation went."""
    is_played: bool = False


class BoardSeen(EventBase, frozen=True, kw_only=True):
    """The board of one running game, about once a second."""

    worker: str
    game: str
    fen: str
    ply: int
    last_move: str = ""
    """UCI text of the move that led here; empty at the start."""
    wdl: tuple[float, float, float] = (0.0, 1.0, 0.0)
    """Search's win, draw, loss for the side that moved last."""
    moves: tuple[MoveSeen, ...] = ()
    """Moves of the search that chose `last_move`, by `policy`, at most 5; that move among them."""
