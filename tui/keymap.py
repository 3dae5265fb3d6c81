"""Keys of the user's own: `[keys]` in config.toml, action to key or keys, checked before the start.

Textual's keymap replaces keys by the id of a binding. It knows nothing of places: an action that
keeps its key is named to it too, or it would lose it to another one that had the same elsewhere.
"""

import difflib
from collections.abc import Mapping
from typing import Final

from textual.binding import Binding
from textual.keys import (
    KEY_ALIASES,
    KEY_NAME_REPLACEMENTS,
    Keys,
    format_key,
    key_to_character,
)

from backend.errors import ConfigError
from tui.action import PLACES, Action
from tui.actions import ACTIONS, BY_ID

RESERVED: Final[Mapping[str, str]] = {
    "tab": "it goes to the next pane",
    "shift+tab": "it goes to the pane before",
    "enter": "it chooses",
    "j": "it moves down in lists",
    "k": "it moves up in lists",
    "g": "it goes to the start of lists",
    "G": "it goes to the end of lists",
    "ctrl+p": "it opens the palette",
    "ctrl+q": "it leaves the screen",
    "ctrl+c": "it copies what is selected",
}
_MODIFIERS: Final = frozenset({"ctrl", "alt", "shift", "super", "meta", "hyper"})


def shown_keys(keys: Mapping[str, str]) -> dict[str, str]:
    """How the keys of changed actions are shown, by id. Raises ConfigError as `keymap` does."""
    keymap(keys)
    return {id: format_key(_named(_parts(text)[0])) for id, text in keys.items()}


def keymap(keys: Mapping[str, str]) -> dict[str, str]:
    """For `App.set_keymap`: keys by id of the binding; empty when nothing is changed.

    ConfigError, in one line, for an action or a key that does not exist, and for a key that is
    taken where the action works.
    """
    if not keys:
        return {}
    wanted = {action.id: [_named(action.key)] for action in ACTIONS}
    for id, text in keys.items():
        if id not in BY_ID:
            near = difflib.get_close_matches(id, list(BY_ID), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f" (there are: {', '.join(BY_ID)})"
            raise ConfigError(f"[keys]: no action {id!r}{hint}")
        wanted[id] = [_checked(id, part) for part in _parts(text)]
    for place in PLACES:
        _refuse_clashes([action for action in ACTIONS if action.works_in(place)], wanted)
    return {f"matrix0.{id}": ",".join(found) for id, found in wanted.items()}


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text.strip() != "," else [","]


def _checked(id: str, key: str) -> str:
    name = _named(key)
    if not _is_key(name):
        raise ConfigError(
            f"[keys]: {id} = {key!r} is no key; write a character, f5, space, left, ctrl+s, …"
        )
    if why := RESERVED.get(name):
        raise ConfigError(f"[keys]: {id} cannot have the key {key!r}: {why}")
    return name


def _is_key(name: str) -> bool:
    *modifiers, last = name.split("+")
    known = {key.value for key in Keys} | {*KEY_ALIASES, *KEY_NAME_REPLACEMENTS.values()}
    is_named = last in known or key_to_character(last) is not None
    return bool(last) and is_named and _MODIFIERS.issuperset(modifiers)


def _named(key: str) -> str:
    """As Textual names it: `slash` for /."""
    if key == ",":  # Which would part two keys.
        return "comma"
    (binding,) = Binding.make_bindings([Binding(key, "")]) if key else (None,)
    return binding.key if binding is not None else ""


def _refuse_clashes(actions: list[Action], wanted: Mapping[str, list[str]]) -> None:
    """Raises ConfigError when two of these actions, which work in one place, have one key."""
    owners: dict[str, str] = {}
    for action in actions:
        for key in wanted[action.id]:
            if owner := owners.get(key):
                raise ConfigError(
                    f"[keys]: {format_key(key)!r} is the key of {owner} and of {action.id}; "
                    f"give one of them another"
                )
            owners[key] = action.id
