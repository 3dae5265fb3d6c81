"""What a fleet and its labellers say to each other: JSON lines."""

from typing import Final

import msgspec

from backend.teacher.scoring import Line

MAX_POSITIONS: Final = 16
"""In a piece of work."""


class _Word(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    pass


class Piece(_Word, frozen=True, kw_only=True):
    """Label these."""

    number: int
    fens: tuple[str, ...]
    """Shredder-FEN, so that castling is told also in Chess960."""


class Hello(_Word, frozen=True, kw_only=True):
    """The engine has started. All labellers of a fleet must say the same."""

    version: str
    tells_wdl: bool


class Sorry(_Word, frozen=True, kw_only=True):
    """The engine does not start, or cannot teach; the labeller ends."""

    reason: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """To one position."""

    lines: tuple[Line, ...] = ()
    refused: str = ""
    """Why there are none."""


class Answered(_Word, frozen=True, kw_only=True):
    """A whole piece."""

    number: int
    answers: tuple[Answer, ...]
    """In the order of the piece."""
    lost: int
    """Processes of the engine that this labeller has had to replace so far."""


Said = Hello | Sorry | Answered
