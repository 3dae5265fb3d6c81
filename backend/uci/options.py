"""The options of the UCI program: one table, from which they are announced, checked and read."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

NOTHING: Final = "<empty>"
"""How the protocol writes an empty text."""


class OptionError(ValueError):
    """An option that is not there, or a value that it cannot take."""


@dataclass(frozen=True)
class Option:
    """One line of the announcement."""

    name: str
    field: str
    """Of `Options`."""
    kind: Literal["spin", "check", "string"]
    low: int = 0
    high: int = 0


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the interface has set."""

    network: str = ""
    """A run directory, whose best network plays, or a checkpoint directory; empty: the newest best
    below ./runs."""
    threads: int = 1
    """CPU threads that compute the network."""
    hash_mib: int = 512
    """Memory of the tree; a full tree ends its search."""
    batch: int = 8
    """Positions that are judged at once; on a GPU 64 and more are faster."""
    multi_pv: int = 1
    """Moves that are reported with their lines."""
    show_wdl: bool = False
    """Report win, draw and loss in thousandths as well."""
    syzygy_path: str = ""
    """Directories of Syzygy tables, which choose among the moves of the root."""
    move_overhead_ms: int = 50
    """Time of a clock that is lost on the way to the interface."""
    ponder: bool = False
    """Says that the interface may let the engine think in the opponent's time."""

    @property
    def network_path(self) -> Path | None:
        return Path(self.network).expanduser() if self.network else None


OPTIONS: Final = (
    Option("Network", "network", "string"),
    Option("Threads", "threads", "spin", 1, 256),
    Option("Hash", "hash_mib", "spin", 1, 16384),
    Option("Batch", "batch", "spin", 1, 1024),
    Option("MultiPV", "multi_pv", "spin", 1, 218),
    Option("UCI_ShowWDL", "show_wdl", "check"),
    Option("SyzygyPath", "syzygy_path", "string"),
    Option("Move Overhead", "move_overhead_ms", "spin", 0, 10000),
    Option("Ponder", "ponder", "check"),
)
RELOADING: Final = ("network", "threads", "hash_mib", "batch")
"""Fields whose change means that the network is made ready, or the tree made, anew."""


def announcement(options: Options) -> list[str]:
    """The `option` lines; `options` are the defaults."""
    lines = []
    for option in OPTIONS:
        value = getattr(options, option.field)
        text = f"option name {option.name} type {option.kind} default {_written(value)}"
        if option.kind == "spin":
            text += f" min {option.low} max {option.high}"
        lines.append(text)
    return lines


def set_option(options: Options, name: str, text: str) -> Options:
    """The options with one of them changed; OptionError says why it cannot be."""
    if name.lower() == "uci_chess960":
        if text.lower() == "true":
            raise OptionError("UCI_Chess960: Chess960 is not supported")
        return options
    for option in OPTIONS:
        if option.name.lower() == name.lower():
            changes: dict[str, Any] = {option.field: _read(option, text)}
            return replace(options, **changes)
    raise OptionError(f"no option {name!r}")


def _read(option: Option, text: str) -> object:
    match option.kind:
        case "string":
            return "" if text == NOTHING else text
        case "check":
            if text.lower() not in ("true", "false"):
                raise OptionError(f"{option.name}: {text!r} is neither true nor false")
            return text.lower() == "true"
        case "spin":
            is_number = text.isascii() and text.isdigit() and len(text) < 10
            if not is_number or not option.low <= int(text) <= option.high:
                raise OptionError(
                    f"{option.name}: {text!r} is not a number from {option.low} to {option.high}"
                )
            return int(text)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or NOTHING
