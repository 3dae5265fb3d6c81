"""PGN for imports: compiled code reads what is written properly, python-chess all the rest.

    split_games -> tags -> play_text   most games, some 30 times as fast
                        -> read_game   odd ones, those that are refused, and one in AUDIT_EVERY

An audited game is read both ways, and both must agree on every move, remark and on the end.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import chess
import numpy as np
from numpy.typing import NDArray

from backend.errors import ReplayError
from backend.limits_config import LimitsConfig
from backend.replay import pgn
from backend.replay.boards import position_array, position_words
from backend.replay.movetext import play_text
from backend.replay.pgn import PgnFault, PgnFile, PgnGame, RefusedError
from backend.replay.played import NO_EVAL, Play, play_codes, room_for
from backend.replay.records import NO_RESULT
from backend.replay.source import skip_bytes
from backend.replay.splitting import GameText, movetext_start, split_games
from model.config import Orientation
from model.rules import Position, start_position

AUDIT_EVERY: Final = 1024
"""python-chess takes as long for one game as compiled code for about thirty."""
_NAMES: Final = (b"FEN", b"Variant", b"Result", b"WhiteElo", b"BlackElo")
_TAG: Final = re.compile(
    r'^\[(FEN|Variant|Result|WhiteElo|BlackElo) "([ -!#-\[\]-~]*)"\][ \t\r]*$', re.MULTILINE
)


@dataclass(kw_only=True, slots=True)
class FoundGame:
    """A game of standard chess that was played from its first move to its last."""

    number: int
    """Its place in the file, from 1."""
    offset: int
    """Where it begins in the text, in bytes."""
    start: Position
    result: int
    """What the file says: WHITE_WON, DRAW, BLACK_WON or NO_RESULT."""
    rating: int
    """Mean of the players'; 0 where nobody knows."""
    play: Play
    """Until the next game is asked for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file reading begins."""

    number: int = 0
    """So many games were before."""
    offset: int = 0
    """In bytes of the text."""


def found_games(
    file: PgnFile, limits: LimitsConfig, orientation: Orientation, place: Place
) -> Iterator[FoundGame | PgnFault]:
    """Every game of an open file from `place` on; what is refused, with the reason.

    ReplayError when our rules and python-chess disagree about a game.
    """
    reader = _Reader(limits, is_turned=orientation == "mover")

    def split(stream: io.BufferedReader) -> Iterator[GameText]:
        skip_bytes(stream, place.offset)
        return split_games(stream, limits.game_kib << 10, offset=place.offset)

    return file.walk(split, reader.read, place.number)


class _Reader:
    def __init__(self, limits: LimitsConfig, *, is_turned: bool) -> None:
        self._limits = limits
        self._is_turned = is_turned
        self._start = start_position()
        self._play = room_for(limits.game_plies)

    def read(self, text: GameText, number: int) -> FoundGame | PgnFault | None:
        """None when there are only remarks."""
        if text.is_too_large:
            return PgnFault(number=number, reason=pgn.too_large(self._limits))
        found = self._read_fast(text, number)
        if found is None:
            return self._read_slowly(text, number)
        if number % AUDIT_EVERY == 0:
            self._audit(text, found)
        return found

    def _read_fast(self, text: GameText, number: int) -> FoundGame | None:
        movetext = movetext_start(text.buffer, text.begin, text.end)
        if not 0 <= movetext - text.begin <= self._limits.game_tags_kib << 10:
            return None
        tags = _wanted_tags(text.buffer[text.begin : movetext].tobytes())
        if tags is None:
            return None
        start = self._start
        if "FEN" in tags or "Variant" in tags:
            try:
                start = _start(tags.get("FEN", chess.STARTING_FEN), tags.get("Variant", ""))
            except RefusedError:
                return None
        if not play_text(
            text.buffer,
            movetext,
            text.end,
            start,
            self._play,
            most_in_variations=self._limits.game_variation_moves,
            is_turned=self._is_turned,
        ):
            return None
        result = self._play.result
        if pgn.RESULTS.get(tags.get("Result", "*"), NO_RESULT) not in (NO_RESULT, result):
            return None
        return FoundGame(
            number=number,
            offset=text.offset,
            start=start,
            result=result,
            rating=pgn.rating_of(tags),
            play=self._play,
        )

    def _read_slowly(self, text: GameText, number: int) -> FoundGame | PgnFault | None:
        game = pgn.read_game(text.content(), number, self._limits)
        if not isinstance(game, PgnGame):
            return game
        codes = np.array(game.moves, np.uint16)
        if not play_codes(codes, game.start, self._play, is_turned=self._is_turned):
            raise _disagreement(game)
        self._play.is_book[list(game.book)] = True
        for ply, value in game.evals.items():
            self._play.eval_cp[ply] = value
        _check_end(game, self._play)
        return FoundGame(
            number=number,
            offset=text.offset,
            start=game.start,
            result=game.result,
            rating=game.rating,
            play=self._play,
        )

    def _audit(self, text: GameText, found: FoundGame) -> None:
        game = pgn.read_game(text.content(), found.number, self._limits)
        if not isinstance(game, PgnGame):
            said = game.reason if game else "there is no game"
            raise ReplayError(
                f"game {found.number}: python-chess refuses it, please report: {said}"
            )
        num = len(game.moves)
        play = found.play
        evals = np.full(num, NO_EVAL, np.int32)
        for ply, value in game.evals.items():
            evals[ply] = value
        agrees = (
            play.num_plies == num
            and _same(play.moves[:num], game.moves)
            and _same(np.flatnonzero(play.is_book[:num]), sorted(game.book))
            and _same(play.eval_cp[:num], evals)
            and (found.result, found.rating) == (game.result, game.rating)
        )
        if not agrees:
            raise _disagreement(game)
        _check_end(game, play)


def _wanted_tags(header: bytes) -> dict[str, str] | None:
    """The tags that imports want, if they are written properly; None if in doubt."""
    num_named = sum(map(header.count, _NAMES))
    if 0 in header:
        return None
    tags = dict(_TAG.findall(header.decode("latin-1")))
    return tags if len(tags) == num_named else None


@lru_cache(maxsize=4096)
def _start(fen: str, variant: str) -> Position:
    """Engines play each opening twice, and books are small."""
    return position_array(position_words(pgn.start_of({"FEN": fen, "Variant": variant})))


def _same(ours: NDArray[np.generic], theirs: object) -> bool:
    return np.array_equal(ours, np.asarray(theirs))


def _check_end(game: PgnGame, play: Play) -> None:
    if tuple(play.end.tolist()) != position_words(game.final):
        raise _disagreement(game)


def _disagreement(game: PgnGame) -> ReplayError:
    return ReplayError(
        f"game {game.number}: our rules and python-chess disagree, please report it "
        f"({game.final.fen()})"
    )
