"""Rows of the database that are not events of their own."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GameRow:
    id: str
    result: int
    """1 white, 0 draw, -1 black, 2 truncated."""
    outcome: int
    plies: int


@dataclass(frozen=True, kw_only=True)
class ShardRow:
    seq: int
    name: str
    sha256: str
    state: str
    """admitted, retired (left the window, file removed), rejected, missing."""
    positions: int
