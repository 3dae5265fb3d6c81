"""Who can be played: the checkpoints of a run, movers without a network, engines of others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backend.checkpoints import list_checkpoints
from backend.config import BASELINES
from backend.errors import CheckpointError
from backend.evaluation.engines import discover, names_engine, parse_engine
from backend.play.wire import Kind
from backend.rundir import RunDirectory
from backend.store.reading import best_network

ENGINE_BUDGET: Final = "nodes=100"
"""Of an engine that nobody gave one: full strength is no fun."""


@dataclass(frozen=True)
class Opponent:
    kind: Kind
    player: str
    """As in `Think`."""
    label: str
    """As shown and written into PGN."""


def checkpoint(path: Path, *, is_best: bool = False) -> Opponent:
    """The network of a checkpoint directory."""
    return Opponent("network", str(path.resolve()), path.name + (" (best)" if is_best else ""))


def opponents(run: RunDirectory | None) -> list[Opponent]:
    """Best network first, then newest checkpoints, movers, and the engines of this machine."""
    found = []
    if run is not None:
        best = best_network(run.database) if run.database.exists() else ""
        names = list_checkpoints(run.checkpoints)[::-1]
        for name in sorted(names, key=lambda name: name != best):
            found.append(checkpoint(run.checkpoints / name, is_best=name == best))
    found += [Opponent("baseline", name, name) for name in BASELINES]
    found += [engine(f"{Path(path).name}:{ENGINE_BUDGET}") for path in discover()]
    return found


def engine(word: str) -> Opponent:
    """An engine of others. ConfigError when it is not there or cannot be understood."""
    return Opponent(
        "engine", word, f"{Path(word.partition(':')[0]).name} {parse_engine(word).budget}"
    )


def named(word: str, run: RunDirectory | None) -> Opponent:
    """The opponent that a person means on the command line.

    CheckpointError or ConfigError when there is none of that name.
    """
    if word in BASELINES:
        return Opponent("baseline", word, word)
    path = Path(word)
    if (path / "manifest.json").is_file():
        return checkpoint(path)
    if run is not None and (run.checkpoints / word / "manifest.json").is_file():
        return checkpoint(run.checkpoints / word)
    if names_engine(word) and not path.is_dir():
        return engine(word)
    names = [o.label for o in opponents(run) if o.kind == "network"]
    known = f"; the run has {', '.join(names[:8])}" if names else ""
    raise CheckpointError(f"{word!r} is no checkpoint{known}")
