"""Lines of a UCI interface, parsed. Pure: no engine, no clock, nothing that loads slowly.

The protocol wants unknown words before a command to be passed over ("joho debug on" is "debug on"),
and a command that makes no sense to be ignored: parsing then raises ProtocolError with the reason.
What is wrong within a `go` is left out and remarked on, for a move must be found all the same.
"""

import re
from dataclasses import dataclass
from typing import Final

from backend.engine.limits import Clock, Limits

START_FEN: Final = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1"
_MOVE: Final = re.compile(r"[a-h][1-8][a-h][1-8][nbrq]?")
_NUMBERS: Final = (
    "wtime", "btime", "winc", "binc", "movestogo", "depth", "nodes", "mate", "movetime"
)  # fmt: skip
_GO_WORDS: Final = (*_NUMBERS, "infinite", "ponder", "searchmoves")
_MOST: Final = 1 << 53
"""No number of a `go` is larger; what is, counts as this."""


class ProtocolError(ValueError):
    """A line that is no command. The message says why."""


@dataclass(frozen=True)
class Uci:
    """Say who you are."""


@dataclass(frozen=True)
class IsReady:
    """Say `readyok` when all before is done."""


@dataclass(frozen=True)
class NewGame:
    """What follows belongs to another game."""


@dataclass(frozen=True)
class SetPosition:
    """The position to think about."""

    start: str
    moves: tuple[str, ...] = ()


@dataclass(frozen=True)
class Go:
    """Think. Times in milliseconds, as they came."""

    numbers: tuple[tuple[str, int], ...] = ()
    infinite: bool = False
    ponder: bool = False
    searchmoves: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    """What was left out, and why."""

    def limits(self, *, white_to_move: bool) -> Limits:
        """The same for the side that is to move, in seconds."""
        given = dict(self.numbers)
        side = "w" if white_to_move else "b"
        clock = None
        if f"{side}time" in given:
            clock = Clock(
                remaining_s=given[f"{side}time"] / 1000,
                increment_s=max(0, given.get(f"{side}inc", 0)) / 1000,
                moves_to_go=given["movestogo"] if given.get("movestogo", 0) > 0 else None,
            )
        movetime = given.get("movetime")
        return Limits(
            nodes=_positive(given.get("nodes")),
            movetime_s=None if movetime is None else max(0, movetime) / 1000,
            clock=clock,
            depth=_positive(given.get("depth")),
            mate=_positive(given.get("mate")),
            infinite=self.infinite,
            searchmoves=self.searchmoves,
        )


@dataclass(frozen=True)
class Stop:
    """Move now."""


@dataclass(frozen=True)
class PonderHit:
    """The expected move was played."""


@dataclass(frozen=True)
class SetOption:
    """Names are compared without regard to case."""

    name: str
    value: str


@dataclass(frozen=True)
class Debug:
    """Say more, or no more."""

    on: bool


@dataclass(frozen=True)
class Quit:
    """Leave."""


Command = Uci | IsReady | NewGame | SetPosition | Go | Stop | PonderHit | SetOption | Debug | Quit


def parse(line: str) -> Command | None:
    """The command of a line; None for an empty one. ProtocolError when it cannot be understood."""
    words = line.split()
    for place, word in enumerate(words):
        rest = words[place + 1 :]
        match word:
            case "uci":
                return Uci()
            case "isready":
                return IsReady()
            case "ucinewgame":
                return NewGame()
            case "position":
                return _position(rest)
            case "go":
                return _go(rest)
            case "stop":
                return Stop()
            case "ponderhit":
                return PonderHit()
            case "setoption":
                return _set_option(rest)
            case "debug":
                if rest[:1] not in (["on"], ["off"]):
                    raise ProtocolError("debug: on or off is missing")
                return Debug(rest[0] == "on")
            case "quit":
                return Quit()
    if words:
        raise ProtocolError(f"unknown command: {line.strip()}")
    return None


def _position(words: list[str]) -> SetPosition:
    cut = words.index("moves") if "moves" in words else len(words)
    before, moves = words[:cut], tuple(words[cut + 1 :])
    if before == ["startpos"]:
        return SetPosition(START_FEN, moves)
    if before[:1] == ["fen"] and len(before) > 1:
        return SetPosition(" ".join(before[1:]), moves)
    raise ProtocolError("position: neither startpos nor fen with a position")


def _go(words: list[str]) -> Go:
    numbers: dict[str, int] = {}
    remarks: list[str] = []
    searchmoves: list[str] = []
    flags = set()
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word in _NUMBERS:
            text = waiting.pop(0) if waiting and waiting[0] not in _GO_WORDS else ""
            if re.fullmatch(r"[+-]?[0-9]{1,300}", text):
                numbers[word] = max(-_MOST, min(_MOST, int(text)))
            else:
                remarks.append(f"go: {word} {text!r} is no number and was left out")
        elif word == "searchmoves":
            while waiting and _MOVE.fullmatch(waiting[0]):
                searchmoves.append(waiting.pop(0))
        elif word in ("infinite", "ponder"):
            flags.add(word)
        else:
            remarks.append(f"go: unknown word {word!r} was left out")
    return Go(
        numbers=tuple(numbers.items()),
        infinite="infinite" in flags,
        ponder="ponder" in flags,
        searchmoves=tuple(searchmoves),
        remarks=tuple(remarks[:3]),
    )


def _set_option(words: list[str]) -> SetOption:
    if words[:1] != ["name"]:
        raise ProtocolError("setoption: the word name is missing")
    cut = words.index("value") if "value" in words else len(words)
    name = " ".join(words[1:cut])
    if not name:
        raise ProtocolError("setoption: the name is missing")
    return SetOption(name, " ".join(words[cut + 1 :]))


def _positive(number: int | None) -> int | None:
    return None if number is None else max(1, number)
