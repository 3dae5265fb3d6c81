"""What an opening is called: by its position, so that transpositions are recognised."""

import gzip
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import chess


class Opening(NamedTuple):
    eco: str
    """A00 to E99."""
    name: str


@cache
def _table() -> dict[str, Opening]:
    """By EPD; see NOTICES.md beside this file."""
    packed = files(__package__).joinpath("openings.tsv.gz").read_bytes()
    rows = (line.split("\t") for line in gzip.decompress(packed).decode().splitlines())
    return {epd: Opening(eco, name) for eco, name, epd in rows}


def opening_of(board: chess.Board) -> Opening | None:
    """The last named position that the game of `board` went through; None when it has no name."""
    table = _table()
    board = board.copy()
    while True:
        if found := table.get(board.epd()):
            return found
        if not board.move_stack:
            return None
        board.pop()
