"""Settings that a run at work can change, and what a wish to change one comes to.

The run's config.toml is written anew with each change, so it always holds what is in force: a
worker that starts, and the next start of the run, need nothing else. Each change is also a
`SettingChanged` in the journal with the old value; undone from the newest backwards, they give what
was in force at any step.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from backend.config import Config
from backend.errors import ConfigError, OrderError
from backend.events import Role
from backend.settings import changed
from backend.settings_text import setting_text


@dataclass(frozen=True, kw_only=True)
class Live:
    """Who is told of a change, and the bounds beyond those of the setting itself."""

    roles: tuple[Role, ...]
    """Workers that use it; none for what concerns the supervisor alone."""
    most: float
    """Nobody means more than this while a run is at work: it is a slip of the finger."""
    takes: str
    """Its range, for a person."""


MOST_WORKERS: Final = 64
MOST_ON_A_CLUSTER: Final = 10_000
WORKERS: Final = "selfplay.workers"
FLEET: Final = "cluster.num_selfplay"
"""Of these two the one counts that is of the pool in force; the other one is not offered."""

LIVE: Final[Mapping[str, Live]] = {
    "training.learning_rate": Live(
        roles=("trainer",), most=1.0, takes="peak rate, above 0, at most 1; x0.5 halves it"
    ),
    "training.clip_norm": Live(roles=("trainer",), most=1e6, takes="above 0"),
    "search.simulations": Live(
        roles=("selfplay", "evaluator"),
        most=10_000,
        takes="1 to 10,000; matches too, from the next",
    ),
    "search.gumbel_considered": Live(
        roles=("selfplay", "evaluator"), most=218, takes="1 to 218; matches too, from the next"
    ),
    WORKERS: Live(
        roles=(), most=MOST_WORKERS, takes=f"1 to {MOST_WORKERS}; 0: as many as suit this machine"
    ),
    FLEET: Live(
        roles=(),
        most=MOST_ON_A_CLUSTER,
        takes=f"on a cluster, 1 to {MOST_ON_A_CLUSTER:,}; 0: as many as on this machine alone",
    ),
    "selfplay.temperature": Live(roles=("selfplay",), most=100, takes="above 0"),
    "selfplay.temperature_plies": Live(roles=("selfplay",), most=1000, takes="0 or more"),
    "selfplay.temperature_end": Live(roles=("selfplay",), most=100, takes="0 or more"),
    "selfplay.full_search_frac": Live(roles=("selfplay",), most=1, takes="0 to 1"),
    "selfplay.cheap_simulations": Live(roles=("selfplay",), most=10_000, takes="1 or more"),
    "replay.samples_per_position": Live(
        roles=("trainer",), most=4, takes="above 0, at most 4; for positions to come"
    ),
}
"""Each works from the next step, move or match on, and no game or step is lost by it."""

FACTOR_SIGNS: Final = ("x", "*")


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that can be made."""

    name: str
    config: Config
    """With it."""
    old: str
    new: str
    """Both as in config.toml."""


def settings_in_force(config: Config) -> dict[str, str]:
    """Value of each live setting that counts, as in config.toml."""
    idle = WORKERS if config.cluster.pool == "ray" else FLEET
    return {name: setting_text(_value(config, name)) for name in LIVE if name != idle}


def wanted(config: Config, name: str, text: str) -> Change:
    """What setting `name` (or its last part) to `text` comes to; a text like x0.5 is a factor.

    The number of workers is that of the pool in force, whichever of the two is named. OrderError,
    with the reason, when it cannot be.
    """
    name = _of_pool(_resolved(name.strip()), config)
    old = _value(config, name)
    try:
        after = changed(config, name, _multiplied(text.strip(), old))
    except ConfigError as error:
        reason = str(error).partition(": ")[2]  # What comes first names a file or an option.
        raise OrderError(f"{reason}; it takes {LIVE[name].takes}") from error
    new = _value(after, name)
    if new > LIVE[name].most:
        raise OrderError(f"{name} = {setting_text(new)} is out of range: {LIVE[name].takes}")
    if new == old:
        raise OrderError(f"{name} is {setting_text(old)} already")
    return Change(name=name, config=after, old=setting_text(old), new=setting_text(new))


def _resolved(name: str) -> str:
    if name in LIVE:
        return name
    short = [known for known in LIVE if known.rpartition(".")[2] == name]
    if len(short) == 1:
        return short[0]
    near = difflib.get_close_matches(name, [*LIVE, *(n.rpartition(".")[2] for n in LIVE)], n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = ", ".join(LIVE)
    raise OrderError(
        f"{name!r} is no setting that a run at work can change{hint} (there are: {listed})"
    )


def _of_pool(name: str, config: Config) -> str:
    if config.cluster.pool == "ray":
        return FLEET if name == WORKERS else name
    if name == FLEET:
        raise OrderError(f"{FLEET} is of a cluster, and cluster.pool is 'local': set {WORKERS}")
    return name


def _multiplied(text: str, old: Any) -> str:
    """The value that a factor makes of the old one; other texts as they are."""
    if not text.startswith(FACTOR_SIGNS):
        return text
    try:
        product = old * float(text[1:])
        return repr(round(product)) if isinstance(old, int) else repr(float(f"{product:.6g}"))
    except (ValueError, OverflowError):  # No number, or none that can be rounded.
        return text


def _value(config: Config, name: str) -> Any:
    table, _, key = name.partition(".")
    return getattr(getattr(config, table), key)
