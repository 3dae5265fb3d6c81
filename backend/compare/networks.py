"""Two checkpoints beside each other: what their manifests say, and how far apart the weights are.

The weights are the averages that play. How far B is from A is |B - A| / |A|, over all numbers of a
part of the network; two networks that were trained apart have a cosine near 0.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from backend import checkpoints, wording
from backend.checkpoints import Arrays, Checkpoint, Manifest
from backend.compare.settings import differences
from backend.compare.table import printed
from backend.errors import CheckpointError

_FIRST_METRICS: Final = ("policy_loss", "value_loss")
_STATISTICS: Final = ("running_mean", "running_var", "num_batches_tracked")
"""Endings of what is measured, not trained."""
_NUMBERED: Final = ("tower", "ssl_heads")
"""Parts that are several: tower.0, tower.1, ssl_heads.pin."""
_PLAYED: Final[tuple[checkpoints.Part, ...]] = ("ema",)
_LISTED: Final = 6
"""So many tensors that only one of the networks has are named."""


class Fact(msgspec.Struct, frozen=True):
    """One line of two manifests."""

    name: str
    a: str
    b: str
    change: str = ""
    """From A to B, for numbers."""


class Drift(msgspec.Struct, frozen=True):
    """How far a part of the network has moved."""

    part: str
    parameters: int
    moved_frac: float
    """|B - A| / |A|; 0: not at all."""
    cosine: float
    """Between the weights of A and of B."""


class Difference(msgspec.Struct, frozen=True):
    a: str
    b: str
    facts: tuple[Fact, ...]
    """Step, policy and value loss, and what else differs but for the other metrics."""
    drifts: tuple[Drift, ...]
    """Of the whole network, then of its parts in their order in it."""
    metrics: tuple[Fact, ...] = ()
    """All others, by name."""
    only_a: tuple[str, ...] = ()
    """Tensors that B lacks or has in another shape."""
    only_b: tuple[str, ...] = ()


def compared(folder: Path, a: str, b: str) -> Difference:
    """What differs between two checkpoints of `folder`. CheckpointError names an unfit one."""
    first, second = (_load(folder / name) for name in (a, b))
    one, two = first.manifest, second.manifest
    shared = [n for n in first.ema if n in second.ema and _same_shape(first, second, n)]
    weights = [n for n in shared if not n.endswith(_STATISTICS)]
    parts: dict[str, list[str]] = {"whole network": weights}
    for name in sorted(weights, key=_order):
        parts.setdefault(_part(name), []).append(name)
    return Difference(
        a,
        b,
        tuple(_facts(one, two)),
        tuple(_drift(part, names, first.ema, second.ema) for part, names in parts.items()),
        tuple(_metric(n, one, two) for n in _metrics(one, two) if n not in _FIRST_METRICS),
        tuple(sorted(first.ema.keys() - set(shared))),
        tuple(sorted(second.ema.keys() - set(shared))),
    )


def in_lines(found: Difference) -> list[str]:
    """For a person: the facts, how far the weights have moved, and the other metrics."""
    rows = [["checkpoint", found.a, found.b, ""], *map(_cells, found.facts)]
    lines = printed(list(zip(["", "A", "B", "change"], *rows, strict=True)))
    moved = [
        [d.part, wording.count(d.parameters), _share(d.moved_frac), f"{d.cosine:.4f}"]
        for d in found.drifts
    ]
    heads = ["weights", "parameters", "moved", "cosine"]
    lines += ["", *printed(list(zip(heads, *moved, strict=True)))]
    if found.metrics:
        heads = ["other metrics", "A", "B", "change"]
        lines += ["", *printed(list(zip(heads, *map(_cells, found.metrics), strict=True)))]
    for letter, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            more = ", …" if len(names) > _LISTED else ""
            listed = ", ".join(names[:_LISTED]) + more
            lines += ["", f"in {letter} alone, or of another shape: {listed}"]
    return lines


def _cells(fact: Fact) -> list[str]:
    return [fact.name, fact.a, fact.b, fact.change]


def _load(path: Path) -> Checkpoint:
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint {path.name!r} in {path.parent}")
    return checkpoints.load(path, _PLAYED)


def _same_shape(a: Checkpoint, b: Checkpoint, name: str) -> bool:
    return a.ema[name].shape == b.ema[name].shape


def _facts(one: Manifest, two: Manifest) -> Iterable[Fact]:
    """The step, and of what they are made of and from what differs."""
    yield Fact(
        "step", wording.count(one.step), wording.count(two.step), f"{two.step - one.step:+,}"
    )
    yield from (_metric(name, one, two) for name in _FIRST_METRICS if name in _metrics(one, two))
    sides = [
        {
            "trained on from": manifest.parent or wording.DASH,
            **{f"network: {name}": str(value) for name, value in asdict(manifest.model).items()},
            **{f"trainer: {name}": _text(value) for name, value in manifest.trainer.items()},
            **{f"made by {name}": value for name, value in manifest.versions.items()},
        }
        for manifest in (one, two)
    ]
    for name, (left, right) in differences(sides):
        yield Fact(wording.line(name), wording.line(left), wording.line(right))


def _metrics(one: Manifest, two: Manifest) -> list[str]:
    return sorted({*one.metrics, *two.metrics})


def _metric(name: str, one: Manifest, two: Manifest) -> Fact:
    before, after = one.metrics.get(name), two.metrics.get(name)
    words = wording.line(name.replace("_", " "))
    return Fact(words, _number(before), _number(after), _change(before, after))


def _part(name: str) -> str:
    first, _, rest = name.partition(".")
    return f"{first}.{rest.partition('.')[0]}" if first in _NUMBERED else first


def _order(name: str) -> tuple[int, str, int, str]:
    """From the board to the heads, blocks by their number."""
    part = _part(name)
    first, _, number = part.partition(".")
    place = ("stem", "tower").index(first) if first in ("stem", "tower") else 2
    return place, first, int(number) if number.isdecimal() else 0, part


def _drift(part: str, names: list[str], a: Arrays, b: Arrays) -> Drift:
    before, after = _joined(names, a), _joined(names, b)
    length, other = float(np.linalg.norm(before)), float(np.linalg.norm(after))
    moved = float(np.linalg.norm(after - before))
    both = length * other
    return Drift(
        wording.line(part),
        before.size,
        moved / length if length else math.inf if moved else 0.0,
        float(before @ after) / both if both else float(not moved),
    )


def _joined(names: list[str], arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    parts = [arrays[name].ravel().astype(np.float64) for name in names]
    return np.concatenate(parts) if parts else np.zeros(0)


def _number(value: float | None) -> str:
    return wording.DASH if value is None else f"{value:.4g}"


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else _number(value)


def _change(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return ""
    return f"{(after - before) / abs(before):+.1%}" if before else f"{after - before:+.4g}"


def _share(frac: float) -> str:
    return f"{frac:.2%}" if frac < 10 else f"x{frac:,.0f}"
