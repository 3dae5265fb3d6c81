"""Settings as text: TOML with a sentence over each key, and the default where it differs."""

import inspect
import json
import re
import textwrap
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, Literal, get_args, get_origin

from backend.config import Config
from backend.settings_tables import (
    FREE_TABLES,
    PHASES,
    TOP_LEVEL,
    field_docs,
    known_tables,
    plain_values,
    types_of,
)
from backend.training.curriculum import PhaseConfig

_HEADER: Final = (
    "# Every setting of Matrix0. Values are in force; where the default differs, it is named.",
    "# A new run takes: defaults, preset, --config file, --set table.key=value, in this order.",
    "# A file of your own needs only what it changes. Unknown tables, keys and types are errors.",
)


def dump_config(config: Config, *, comments: bool = True) -> str:
    """TOML that loads as `config`; with comments, a sentence over each key and defaults beside."""
    lines: list[str] = []
    if comments:
        lines += [*_HEADER, ""]
    lines += _dump_table(TOP_LEVEL, config, comments)
    for name, cls in known_tables().items():
        lines.append("")
        if comments:
            lines += _comment(inspect.getdoc(cls) or "")
        lines.append(f"[{name}]")
        lines += _dump_table(name, getattr(config, name), comments)
    for name in FREE_TABLES:
        lines += ["", *(_comment(field_docs(Config)[name]) if comments else ()), f"[{name}]"]
        lines += [f"{key} = {_toml(text)}" for key, text in getattr(config, name).items()]
    lines += _dump_phases(config.curriculum, comments)
    return "\n".join(lines) + "\n"


def setting_text(value: Any) -> str:
    """A value as it stands in config.toml."""
    return _toml(value)


def _dump_table(table: str, settings: Any, comments: bool) -> list[str]:
    cls: type = type(settings)
    default = cls()
    sentences = field_docs(cls) if comments else {}
    types = types_of(table)
    lines: list[str] = []
    for name, value in plain_values(settings).items():
        if (table, name) == (TOP_LEVEL, PHASES):
            continue
        if comments:
            lines += _comment(_choices_first(sentences.get(name, ""), types[name]))
        was = getattr(default, name)
        note = f"  # default {_toml(was)}" if comments and value != was else ""
        lines.append(f"{name} = {_toml(value)}{note}")
    return lines


def _dump_phases(phases: Sequence[PhaseConfig], comments: bool) -> list[str]:
    """[[curriculum]], each phase with what it changes; with comments all it may have, first."""
    lines: list[str] = []
    if comments:
        lines += ["", *_comment(field_docs(Config)[PHASES]), *_comment("A phase may have:")]
        for name, sentence in field_docs(PhaseConfig).items():
            lines += _comment(f"{name} = {_toml(getattr(PhaseConfig(), name))}: {sentence}")
    for phase in phases:
        lines += ["", f"[[{PHASES}]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in _set_fields(phase).items()]
    return lines


def _set_fields(phase: PhaseConfig) -> dict[str, Any]:
    """What differs from the defaults."""
    default = PhaseConfig()
    values = {f.name: getattr(phase, f.name) for f in fields(phase)}
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _choices_first(sentence: str, kind: Any) -> str:
    """The possible words in front, unless each of them is explained in the sentence already."""
    words = [str(word) for word in get_args(kind)] if get_origin(kind) is Literal else []
    if all(word in sentence for word in words):
        return sentence
    return f"{' | '.join(words)}. {sentence}"


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return f"{value:_}" if abs(value) >= 10_000 else str(value)
        case float():
            return repr(value)
        case str():
            # JSON escapes what TOML wants escaped, but for DEL.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            inner = ", ".join(f"{_key(name)} = {_toml(entry)}" for name, entry in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case tuple():
            return f"[{', '.join(_toml(entry) for entry in value)}]"
        case PhaseConfig():
            return _toml(_set_fields(value))
        case _:
            raise TypeError(f"a setting of type {type(value).__name__} has no TOML form here")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name}"'


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 98, initial_indent="# ", subsequent_indent="# ")
