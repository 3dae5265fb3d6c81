"""Engines of others: how a person names one, where it is found, and what it may spend.

    stockfish                          found on the PATH or where distributions put it
    stockfish:nodes=1000               after the colon its budget, then its options
    stockfish:movetime=50,UCI_Elo=1400
    ./my-engine:depth=4,protocol=xboard

Budgets are nodes, depth, movetime (milliseconds, measured and enforced); without one it is 100 ms.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import chess.engine

from backend.errors import ConfigError

Protocol = Literal["uci", "xboard"]

DEFAULT_MOVETIME_MS: Final = 100
_BUDGETS: Final = ("nodes", "depth", "movetime")
_GAMES_FOLDERS: Final = ("/usr/games", "/usr/local/bin", "/opt/homebrew/bin", "/usr/local/games")
_ARGUMENTS: Final = {"gnuchess": ("--uci",)}
"""What a known engine needs to be told to speak UCI."""
_KNOWN: Final = ("stockfish", "gnuchess", "lc0", "fairy-stockfish")
_HOW_TO_INSTALL: Final = (
    "Debian and Ubuntu: apt install stockfish; macOS: brew install stockfish; or give the path of "
    "any UCI engine, as in ./my-engine:nodes=1000"
)


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """An engine with its budget, as a match plays it."""

    word: str
    """As it was named."""
    command: tuple[str, ...]
    protocol: Protocol
    limit: chess.engine.Limit
    options: dict[str, str]

    @property
    def budget(self) -> str:
        """'nodes=1000', 'movetime=100': what it may spend on a move, with its options."""
        spent = []
        if self.limit.nodes is not None:
            spent.append(f"nodes={self.limit.nodes}")
        if self.limit.depth is not None:
            spent.append(f"depth={self.limit.depth}")
        if self.limit.time is not None:
            spent.append(f"movetime={self.limit.time * 1000:.0f}")
        return ",".join([*spent, *(f"{name}={value}" for name, value in self.options.items())])


def names_engine(word: str) -> bool:
    """Whether `word` can only mean an engine: it has a budget, a path, or a known name."""
    name = word.partition(":")[0]
    return ":" in word or os.sep in name or name in _KNOWN


def parse_engine(word: str) -> EngineSpec:
    """The engine that `word` names. ConfigError when it is not there or cannot be understood."""
    name, _, rest = word.partition(":")
    budget: dict[str, int] = {}
    options: dict[str, str] = {}
    protocol: Protocol = "uci"
    for pair in filter(None, rest.split(",")):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise ConfigError(f"engine {word!r}: expected name=value, not {pair!r}")
        if key == "protocol":
            if value not in ("uci", "xboard"):
                raise ConfigError(f"engine {word!r}: protocol is uci or xboard, not {value!r}")
            protocol = "xboard" if value == "xboard" else "uci"
        elif key in _BUDGETS:
            if not value.isascii() or not value.isdecimal() or not 0 < int(value) < 10**9:
                raise ConfigError(f"engine {word!r}: {key} must be a whole number from 1 on")
            budget[key] = int(value)
        else:
            options[key] = value
    if not budget:
        budget["movetime"] = DEFAULT_MOVETIME_MS
    if "UCI_Elo" in options:
        options.setdefault("UCI_LimitStrength", "true")
    movetime = budget.get("movetime")
    path = find_engine(name)
    arguments = _ARGUMENTS.get(Path(path).name, ()) if protocol == "uci" else ()
    return EngineSpec(
        word=word,
        command=(path, *arguments),
        protocol=protocol,
        limit=chess.engine.Limit(
            nodes=budget.get("nodes"),
            depth=budget.get("depth"),
            time=None if movetime is None else movetime / 1000,
        ),
        options=options,
    )


def find_engine(name: str) -> str:
    """The absolute path of an executable. ConfigError, with how to install one, without it."""
    folders = os.pathsep.join((os.environ.get("PATH", ""), *_GAMES_FOLDERS))
    found = shutil.which(name, path=folders)
    if found is None:
        raise ConfigError(f"no engine {name!r} is installed. {_HOW_TO_INSTALL}")
    return os.path.abspath(found)


def discover() -> list[str]:
    """The known engines that this machine has."""
    folders = os.pathsep.join((os.environ.get("PATH", ""), *_GAMES_FOLDERS))
    return [path for name in _KNOWN if (path := shutil.which(name, path=folders))]
