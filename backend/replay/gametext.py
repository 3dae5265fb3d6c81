"""The text of one game with its remarks, as python-chess's tree, for files that tell of matches.

python-chess trips over a stray parenthesis (IndexError), and a long line with many remarks takes it
hours. So it is given the text taken apart already: capped, without variations, one word a line.
"""

import io
import logging
from collections.abc import Iterator
from typing import Any, Final, cast

import chess
import chess.pgn

from backend.errors import ReplayError
from backend.limits_config import LIMITS
from backend.replay.pgn import (
    STANDARD_CHESS,
    TOKEN,
    game_texts,
    split_tags,
    too_large,
)

_MAX_WORDS: Final = 3 * LIMITS.game_plies
"""Moves, their numbers and the result."""
_CHESS960: Final = frozenset(("chess960", "fischerandom", "fischerrandom"))

# It writes what it stumbles over on stderr, names from the file included; `errors` has it all.
logging.getLogger("chess.pgn").setLevel(logging.CRITICAL)


def read_games(stream: io.BufferedReader) -> Iterator[chess.pgn.Game | str]:
    """Every game of a file; in place of one that is none, what is wrong with it. OSError passes."""
    for text in game_texts(stream):
        try:
            if text is None:
                raise ReplayError(too_large(LIMITS))
            yield _game(text.decode("utf-8", "replace"))
        except ReplayError as error:
            yield str(error)


def read_game(text: str) -> chess.pgn.Game:
    """The first game; its `errors` say where its moves are wrong. ReplayError when it is none."""
    stream = io.BufferedReader(cast(Any, io.BytesIO(text.encode("utf-8", "replace"))))
    for found in read_games(stream):
        if isinstance(found, str):
            raise ReplayError(found)
        return found
    raise ReplayError("there is no game in it")


def _game(text: str) -> chess.pgn.Game:
    tags, movetext = split_tags(text)
    variant = tags.get("Variant", "").strip().lower()
    if variant not in STANDARD_CHESS | _CHESS960:
        raise ReplayError(f"variant {variant[:40]!r} is not chess")
    game = chess.pgn.read_game(io.StringIO(f"{_header(tags)}\n{_word_a_line(movetext)}"))
    if game is None:
        raise ReplayError("there is no game in it")
    try:
        board = game.board()
    except ValueError as error:
        raise ReplayError(f"its FEN tag is wrong: {error}") from error
    if not board.is_valid():
        raise ReplayError("its FEN tag is no legal position")
    return game


def _header(tags: dict[str, str]) -> str:
    return "".join(f'[{name} "{value}"]\n' for name, value in tags.items())


def _word_a_line(movetext: str) -> str:
    lines = []
    depth = num_words = 0
    for token in TOKEN.finditer(movetext):
        match token.lastgroup:
            case "word" if not depth:
                num_words += 1
                lines.append(token["word"])
            case "closed" if not token["closed"]:
                raise ReplayError("a comment that never closes")
            case "closed" if not depth:
                lines.append("{" + " ".join(token["comment"].split()) + "}")
            case "bracket":
                depth += {"(": 1, ")": -1}.get(token["bracket"], 0)
                if depth < 0 or token["bracket"] == "}":
                    raise ReplayError(f"a {token['bracket']!r} that closes nothing")
            case _:
                continue
        if num_words > _MAX_WORDS:
            raise ReplayError(f"it is longer than {LIMITS.game_plies} plies")
    return "\n".join(lines) + "\n"
