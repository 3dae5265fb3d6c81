"""Settings in layers: strict reading with helpful errors.

The dataclasses of `backend/config.py` are the truth about names, types, defaults and ranges. A
layer (preset, file, `--set`) may only change what they know, and every complaint names the layer
that is wrong, the table, the key, and the nearest thing that exists. `settings_text.py` writes.
"""

import difflib
import functools
import math
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from backend.config import Config
from backend.errors import ConfigError
from backend.presets import PRESETS
from backend.recipes import settings_file
from backend.settings_tables import (
    FREE_TABLES,
    PHASES,
    TOP_LEVEL,
    Tables,
    is_mapping,
    known_tables,
    plain_values,
    types_of,
)

PRESET_KEY: Final = "preset"
"""What a file may say besides settings: the preset it builds on."""

_FREE_KEY: Final = re.compile(r"[a-z0-9-]{1,64}")


def load_config(path: Path) -> Config:
    """The defaults changed by one file. Raises ConfigError."""
    return build_config(file=path)


def build_config(
    preset: str | None = None,
    file: Path | None = None,
    overrides: Sequence[str] = (),
    *,
    base: Config | None = None,
) -> Config:
    """`base` (the defaults), then the preset, then the file, then `table.key=value` texts.

    The preset is the one that is named, else the file's own (`preset = "tiny"`). Raises ConfigError
    for an unknown preset, table or key, a wrong type, and a value out of range.
    """
    layers = _Layers(base or Config())
    of_file, tables = (None, {}) if file is None else _file_tables(file)
    preset = preset if preset is not None else of_file
    if preset is not None:
        layers.add(f"preset {preset!r}", _preset_tables(preset))
    if file is not None:
        layers.add(file.name, tables)
    for text in overrides:
        layers.add(f"--set {text}", _override_tables(text))
    return layers.build()


def preset_of(file: Path) -> str | None:
    """The preset that a settings file builds on, if it names one. Raises ConfigError."""
    return _file_tables(file)[0]


def changed(config: Config, name: str, text: str) -> Config:
    """`config` with one setting, `table.key`, as `text` has it. Raises ConfigError."""
    layers = _Layers(config)
    table, _, key = name.rpartition(".")
    layers.add(name, {table: {key: _override_value(text)}})
    return layers.build()


# Layers -------------------------------------------------------------------------------------------


class _Layers:
    """Values on top of a base, each remembered with the layer that set it."""

    def __init__(self, base: Config) -> None:
        self._values: Tables = {TOP_LEVEL: plain_values(base)}
        for name in known_tables():
            self._values[name] = plain_values(getattr(base, name))
        for name in FREE_TABLES:
            self._values[name] = dict(getattr(base, name))
        self._origins: dict[tuple[str, str], str] = {}

    def add(self, origin: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
        for table, entries in tables.items():
            if table in FREE_TABLES:
                for key, value in entries.items():
                    if not _FREE_KEY.fullmatch(key):
                        raise ConfigError(f"{_place(origin, table)}: {key!r} is no name")
                    self._values[table][key] = _checked(value, str, key, _place(origin, table))
                continue
            if is_mapping(table):
                outer, _, inner = table.rpartition(".")
                entries = {inner: {**self._values[outer][inner], **entries}}
                table = outer
            if table != TOP_LEVEL and table not in known_tables():
                known = [*known_tables(), *FREE_TABLES]
                near = difflib.get_close_matches(table, known, n=1)
                hint = f"; did you mean [{near[0]}]?" if near else ""
                raise ConfigError(f"{origin}: no table [{table}]{hint}")
            for key, value in entries.items():
                types = types_of(table)
                if key not in types:
                    raise ConfigError(f"{_place(origin, table)}: {_unknown_key(table, key)}")
                checked = _checked(value, types[key], key, _place(origin, table))
                self._values[table][key] = checked
                self._origins[table, key] = origin

    def build(self) -> Config:
        parts: dict[str, Any] = {
            name: self._construct(name, cls) for name, cls in known_tables().items()
        }
        parts |= {name: self._values[name] for name in FREE_TABLES}
        config = self._construct(TOP_LEVEL, functools.partial(Config, **parts))
        assert isinstance(config, Config)
        return config

    def _construct(self, table: str, cls: Any) -> object:
        try:
            return cls(**self._values[table])
        except ValueError as error:
            # The range checks begin with the key: it tells which layer is to blame. A key that no
            # layer touched conflicts with one that some layer changed in the same table.
            key = str(error).split(" ", 1)[0]
            touched = [o for (where, _), o in self._origins.items() if where == table]
            origin = self._origins.get((table, key)) or (touched[-1] if touched else "settings")
            raise ConfigError(f"{_place(origin, table)}: {error}") from error


def _preset_tables(preset: str) -> Tables:
    if preset not in PRESETS:
        known = ", ".join(PRESETS)
        raise ConfigError(f"no preset {preset!r}{_nearest(preset, PRESETS)} (there are: {known})")
    return PRESETS[preset]


def _file_tables(path: Path) -> tuple[str | None, Tables]:
    """The preset that the file names, and its settings."""
    path = settings_file(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text: {error.reason}") from error
    except (ValueError, RecursionError) as error:  # ValueError: also a number of 5000 digits
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    tables: Tables = {TOP_LEVEL: {}}
    for name, value in data.items():
        if isinstance(value, dict):
            if name == PHASES:
                raise ConfigError(f"{path.name}: {name} has phases: write [[{name}]] for each")
            if name not in known_tables() and name in types_of(TOP_LEVEL):
                raise ConfigError(f"{path.name}: {name} is a setting, not a table")
            tables[name] = value
        elif name in known_tables() or name in FREE_TABLES:
            raise ConfigError(f"{path.name}: {name} must be a table: write [{name}]")
        else:
            tables[TOP_LEVEL][name] = value
    preset = tables[TOP_LEVEL].pop(PRESET_KEY, None)
    return None if preset is None else _checked(preset, str, PRESET_KEY, path.name), tables


def _override_tables(text: str) -> Tables:
    path, equals, value_text = text.partition("=")
    table, _, key = path.strip().rpartition(".")
    if not equals or not key:
        raise ConfigError(f"--set {text}: expected table.key=value, as in search.simulations=32")
    return {table: {key: _override_value(value_text.strip())}}


def _override_value(text: str) -> Any:
    """TOML if it is TOML, else the bare text, so that `device.kind=cpu` needs no quotes."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if list(parsed) == ["value"] else text


# Checks -----------------------------------------------------------------------------------------


def _place(origin: str, table: str) -> str:
    return f"{origin} [{table}]" if table else origin


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def _unknown_key(table: str, key: str) -> str:
    homes = [name for name in known_tables() if key in types_of(name)]
    here = _nearest(key, types_of(table))
    if homes and not here:
        return f"no setting {key!r}; it belongs to [{homes[0]}]"
    return f"no setting {key!r}{here}"


def _checked(value: Any, kind: Any, key: str, place: str) -> Any:
    """`value` as the field's type, or ConfigError. A whole number is welcome where a float is."""
    if get_origin(kind) in (Union, UnionType):
        number, words = get_args(kind)
        if not isinstance(value, str):
            return _checked(value, number, key, place)
        return _checked(value, words, key, place)
    if get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise ConfigError(f"{place}: {key} = {value!r} must be a table: name = number")
        return {name: _checked(v, get_args(kind)[1], name, place) for name, v in value.items()}
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{place}: {key} = {value!r} must be a list of tables: [[{key}]]")
        return tuple(_record(v, get_args(kind)[0], key, n) for n, v in enumerate(value, 1))
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        if value not in choices or isinstance(value, bool):
            listed = ", ".join(repr(choice) for choice in choices)
            near = _nearest(value, choices) if isinstance(value, str) else ""
            raise ConfigError(f"{place}: {key} = {value!r} must be one of {listed}{near}")
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1023 else math.inf
    if type(value) is not kind:
        wanted = _WORDS[kind]
        raise ConfigError(f"{place}: {key} = {value!r} must be {wanted}")
    if kind is float and not math.isfinite(value):
        raise ConfigError(f"{place}: {key} = {value!r} must be finite")
    return value


def _record(value: Any, cls: Any, key: str, number: int) -> Any:
    """The `number`-th table of an array, as its dataclass."""
    place = f"[[{key}]], phase {number}"
    if isinstance(value, cls):
        return value
    if not isinstance(value, dict):
        raise ConfigError(f"{place}: {value!r} must be a table")
    types = get_type_hints(cls)
    for name in value:
        if name not in types:
            raise ConfigError(f"{place}: no setting {name!r}{_nearest(name, types)}")
    try:
        return cls(**{name: _checked(v, types[name], name, place) for name, v in value.items()})
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error


_WORDS: Final[dict[type, str]] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
}
