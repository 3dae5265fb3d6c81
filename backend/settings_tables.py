"""The tables of the settings and their keys, as the dataclasses of `backend/config.py` say."""

import ast
import functools
import inspect
import itertools
import textwrap
from dataclasses import fields, is_dataclass
from typing import Any, Final, get_origin, get_type_hints

from backend.config import Config

TOP_LEVEL: Final = ""
"""Name of the table that holds the keys above the first [table]."""

FREE_TABLES: Final = ("keys",)
"""Tables of texts whose keys are not ours to know."""
PHASES: Final = "curriculum"
"""The array of tables: written [[curriculum]], at the end of the file."""

Tables = dict[str, dict[str, Any]]


@functools.cache
def known_tables() -> dict[str, type]:
    """The tables of the file in order, each with its dataclass."""
    hints = get_type_hints(Config)
    return {f.name: hints[f.name] for f in fields(Config) if is_dataclass(hints[f.name])}


@functools.cache
def types_of(table: str) -> dict[str, Any]:
    """The keys of one table in order, each with its type."""
    cls = known_tables()[table] if table else Config
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in fields(cls) if not _is_table(f.name)}


def plain_values(settings: Any) -> dict[str, Any]:
    """The values of one table, or of the top level, in order."""
    return {f.name: getattr(settings, f.name) for f in fields(settings) if not _is_table(f.name)}


def is_mapping(path: str) -> bool:
    """Whether `table.key` is a setting that has entries of its own, as training.mix."""
    table, _, key = path.rpartition(".")
    return table in known_tables() and get_origin(types_of(table).get(key)) is dict


@functools.cache
def field_docs(cls: type) -> dict[str, str]:
    """The string under each field of a dataclass, in one line; read from the source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    body = next(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    docs: dict[str, str] = {}
    for field, below in itertools.pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = " ".join(text.split())
    return docs


def _is_table(name: str) -> bool:
    return name in known_tables() or name in FREE_TABLES
