"""Orders to the engine process and its answers, one JSON line each. The newest order counts."""

from typing import Final, Literal

import msgspec

from backend.errors import WorkerError
from backend.text import one_line

Kind = Literal["network", "baseline", "engine"]


class TimeLeft(msgspec.Struct, frozen=True):
    """Both clocks, seconds."""

    white_s: float
    black_s: float
    increment_s: float


class Think(msgspec.Struct, frozen=True, tag="think", kw_only=True):
    """Think about the position after `moves`; whatever is being thought is dropped."""

    id: int
    kind: Kind
    player: str
    """Path of a checkpoint, name of a baseline, or an engine as `evaluation.engines` reads it."""
    start: str
    """FEN the game began with."""
    moves: tuple[str, ...]
    """UCI."""
    simulations: int
    """Of a network."""
    steady: bool = False
    """Answer along the way; otherwise once."""
    clock: TimeLeft | None = None
    """The mover's time limits what is thought, besides its budget."""


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    """Drop what is being thought."""


Order = Think | Cancel


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One move that was considered."""

    uci: str
    san: str
    prior: float | None = None
    """The network's policy, before the search."""
    visits: int = 0
    q: float | None = None
    """Value for the mover, -1 to 1; None where a move was never visited."""


class Thought(msgspec.Struct, frozen=True, tag="thought", kw_only=True):
    """What is thought of a position; the last one of an order is `final`."""

    id: int
    final: bool
    move: str
    """UCI of the best move."""
    wdl: tuple[float, float, float] | None = None
    """White's win, draw, loss; None when the player has no idea."""
    candidates: tuple[Candidate, ...] = ()
    """Best first."""
    simulations: int = 0
    seconds: float = 0.0


class Busy(msgspec.Struct, frozen=True, tag="busy"):
    """What is done before thinking can begin; the next answer ends it."""

    text: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """An order cannot be carried out."""

    id: int
    """0: the process itself has ended."""
    error: str


Answer = Thought | Busy | Failed

MAX_CANDIDATES: Final = 24
MAX_LINE_BYTES: Final = 1 << 20
_encoder = msgspec.json.Encoder()
_order_decoder: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_answer_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def encode(message: Order | Answer) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode_order(line: bytes) -> Order:
    try:
        return _order_decoder.decode(line)
    except _UNREADABLE as error:
        raise WorkerError(f"not an order: {one_line(str(error), 300)}: {line[:200]!r}") from error


def decode_answer(line: bytes) -> Answer:
    try:
        return _answer_decoder.decode(line)
    except _UNREADABLE as error:
        raise WorkerError(f"not an answer: {one_line(str(error), 300)}: {line[:200]!r}") from error
