"""Typed text as a move: SAN or UCI, forgiving where only one move can be meant."""

from typing import Final

import chess

FIRST_SIGNS: Final = "abcdefghNBRQKO0"
"""What a move can begin with; every other key may mean something else."""
_DECORATION: Final = "+#!? "


class EntryError(ValueError):
    """The text is no move here; says why."""


def read_move(board: chess.Board, text: str) -> chess.Move:
    """The legal move that is meant. EntryError when there is none, or more than one."""
    wanted = text.strip()
    if not wanted:
        raise EntryError("type a move, as in e4, Nf3, exd5 or e2e4")
    fits = [move for move in board.legal_moves if _key(board.san(move)) == _key(wanted)]
    fits = fits or [move for move in board.legal_moves if move.uci() == wanted.lower()]
    if len(fits) == 1:
        return fits[0]
    begun = completions(board, wanted)
    if len(begun) == 1:
        return _completed(board, begun[0])
    if begun:
        raise EntryError(f"{wanted} can become {_list(begun)}")
    try:
        board.parse_san(wanted)
    except chess.IllegalMoveError as error:
        raise EntryError(f"{wanted} is not legal here") from error
    except ValueError:
        pass  # Not even the shape of a move.
    raise EntryError(f"{wanted} is no move: type it as in e4, Nf3, exd5 or e2e4")


def completions(board: chess.Board, text: str) -> list[str]:
    """The legal moves that begin with `text`, in SAN or, when it looks so, in UCI."""
    wanted = text.strip()
    if not wanted:
        return []
    sans = sorted(board.san(move) for move in board.legal_moves)
    begun = [san for san in sans if san.startswith(wanted)]
    begun = begun or [san for san in sans if _key(san).startswith(_key(wanted))]
    if not begun and wanted[0] in "NBRQK":
        # An engine's or a book's disambiguation that is not needed here: Nbd2 for Nd2.
        begun = [san for san in sans if san[0] == wanted[0] and _key(san)[-2:] == wanted[-2:]]
    ucis = sorted(m.uci() for m in board.legal_moves if m.uci().startswith(wanted.lower()))
    return begun or ucis


def _completed(board: chess.Board, text: str) -> chess.Move:
    """The move of one of the `completions`."""
    return next(m for m in board.legal_moves if text in (m.uci(), board.san(m)))


def _key(san: str) -> str:
    """SAN without what need not be typed."""
    key = san.strip(_DECORATION).replace("x", "").replace("=", "").replace("-", "")
    return key.replace("0", "O").replace("o", "O") if key[:1] in "0oO" else key


def _list(moves: list[str]) -> str:
    return ", ".join(moves[:6]) + (", and others" if len(moves) > 6 else "")
