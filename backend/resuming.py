"""How the settings of a run differ from those of its last start: a person should know."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass

from backend.config import Config
from backend.events import SettingChanged
from backend.settings import setting_text


def settings_in_words(config: Config) -> dict[str, str]:
    """Every setting of the run, `table.key` or `key`, with its value as in config.toml."""
    found: dict[str, str] = {}
    for table in fields(config):
        value = getattr(config, table.name)
        if is_dataclass(value):
            for key in fields(value):
                name = f"{table.name}.{key.name}"
                found[name] = setting_text(getattr(value, key.name))
        elif not isinstance(value, Mapping):  # Such are keys of the screen: they train nothing.
            found[table.name] = setting_text(value)
    return found


def edited(
    before: Mapping[str, str], now: Mapping[str, str], changes: Iterable[SettingChanged]
) -> list[str]:
    """One line for each setting that has another value than at the last start.

    Settings that one of both does not know, being of another version, are no difference; nor are
    `changes` that a person ordered while the run was at work: they are in the journal.
    """
    ordered = {change.name: change.new for change in changes}
    return [
        f"{name} is {now[name]}, at the last start of this run it was {value}"
        for name, value in before.items()
        if name in now and now[name] not in (value, ordered.get(name))
    ]
