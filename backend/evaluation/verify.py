"""A match file read by a stranger: every move replayed, every result derived again.

The rules decide a game by its last position. Who forfeits is the side to move there, so the other
one has won. A game cut at the ply limit and one that was adjudicated go on by the rules; for an
agreed end only that can be checked, and it is counted apart.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import chess
import chess.pgn

from backend.errors import ReplayError
from backend.evaluation import adjudication, engine_process
from backend.evaluation.match import ILLEGAL_MOVE
from backend.evaluation.referee import PLY_LIMIT, verdict
from backend.replay.gametext import read_games

FORFEITS: Final = frozenset(
    {
        ILLEGAL_MOVE,
        engine_process.CRASH,
        engine_process.HANG,
        engine_process.FLOOD,
        engine_process.NO_MOVE,
        engine_process.OVERTIME,
        engine_process.START,
    }
)
AGREED: Final = frozenset({adjudication.RESIGNED, adjudication.DRAWN, adjudication.TABLEBASE})
_RESULTS: Final = {"1-0": 1, "1/2-1/2": 0, "0-1": -1}


@dataclass(kw_only=True)
class Verified:
    """What a file of games holds."""

    games: int = 0
    terminations: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    """One for each game that is not what it says, with its number."""


def verify_pgn(path: Path) -> Verified:
    """Replays all games of a match. ReplayError when the file cannot be read."""
    found = Verified()
    for game in _games(path):
        found.games += 1
        if isinstance(game, str):
            found.terminations["unsaid"] += 1
            found.faults.append(f"game {found.games}: {game}")
            continue
        fault = _fault(game)
        termination = game.headers.get("Termination", "")
        found.terminations[termination or "unsaid"] += 1
        if fault:
            found.faults.append(f"game {found.games} ({game.headers.get('Round', '?')}): {fault}")
    return found


def _games(path: Path) -> Iterator[chess.pgn.Game | str]:
    try:
        with path.open("rb") as file:
            yield from read_games(file)
    except OSError as error:
        raise ReplayError(f"{path}: cannot be read: {error.strerror or error}") from error


def _fault(game: chess.pgn.Game) -> str:
    """What is wrong with a game; empty if nothing is."""
    if game.errors:
        return f"not a game of chess: {game.errors[0]}"
    said = _RESULTS.get(game.headers.get("Result", "*"))
    if said is None:
        return "it has no result"
    board = game.board()  # One for all: a node makes its own by playing from the start.
    for node in game.mainline():
        if board.move_stack and verdict(board) is not None and not _is_opening(node.parent):
            return f"it goes on after it was over, at ply {board.ply()}"
        board.push(node.move)
    return ending_fault(board, said, game.headers.get("Termination", ""))


def ending_fault(board: chess.Board, result: int, termination: str) -> str:
    """What is wrong with a result, White's, and its reason at this last position; empty if nothing.

    Of an agreed end and of tables only the result is looked at.
    """
    derived = verdict(board)
    if derived is not None:
        if (derived.result, derived.termination) != (result, termination):
            return f"{derived.termination}, {derived.result:+d} for White; it says " + (
                f"{termination or 'nothing'}, {result:+d}"
            )
        return ""
    if termination == PLY_LIMIT:
        return "" if result == 0 else "cut at the ply limit, which is a draw"
    if termination in FORFEITS:
        loser = -1 if board.turn == chess.WHITE else 1
        return "" if result == loser else f"{termination} by the side that is said to have won"
    if termination in AGREED:
        return (
            "" if (termination != adjudication.DRAWN or result == 0) else "an agreed draw is none"
        )
    return f"it goes on by the rules, and {termination or 'nothing'} does not end a game"


def _is_opening(node: chess.pgn.GameNode) -> bool:
    return node.comment == "opening"
