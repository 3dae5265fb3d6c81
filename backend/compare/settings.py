"""In which settings runs differ, each read from the config.toml that the run itself keeps.

Read as plain TOML: a run of an earlier version has keys that are no more, and lacks later ones.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from backend import wording


def read_settings(file: Path) -> dict[str, str]:
    """`search.simulations` -> `800`, for every key. Raises OSError or ValueError."""
    return dict(_flat(tomllib.loads(file.read_text("utf-8"))))


def _flat(table: Mapping[str, object], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield wording.line(f"{before}{key}"), _short(value)


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return wording.line(str(value)) or '""'


def differences(sides: Sequence[Mapping[str, str]]) -> list[tuple[str, list[str]]]:
    """(key, its value in each run) where they differ; a dash where a run has no such key."""
    keys = sorted({key for settings in sides for key in settings})
    rows = [(key, [settings.get(key, wording.DASH) for settings in sides]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]
