"""The arms of an ablation: which settings each one changes, and where it lies."""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from backend.config import Config
from backend.errors import ConfigError
from backend.rundir import RunDirectory
from backend.settings import build_config

_UNFIT: Final = re.compile(r"[^a-z0-9._-]+")
_MAX_FOLDER: Final = 100


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One way to train."""

    name: str
    settings: tuple[str, ...]
    """What it changes, each as table.key=value."""

    @property
    def folder(self) -> str:
        """The name as a directory's."""
        return _UNFIT.sub("-", self.name.lower()).strip("-._")[:_MAX_FOLDER]

    def config(self, base: Config, seed: int) -> Config:
        """The settings of this arm for the `seed`-th repetition, counted from 0.

        Arms share the seed of a repetition, and with it the order of the data; where their networks
        have the same parts, the first weights too.
        """
        return replace(build_config(overrides=self.settings, base=base), seed=base.seed + seed)


def require_same_settings(
    arms: Sequence[Arm], base: Config, seeds: int, directory: Callable[[Arm, int], RunDirectory]
) -> None:
    """ConfigError where an earlier start began a run of these arms with other settings."""
    for seed, arm in itertools.product(range(seeds), arms):
        run = directory(arm, seed)
        if run.exists:
            _, differences = run.settle(arm.config(base, seed))
            if differences:
                raise ConfigError(
                    f"{run.path}: begun with other settings ({differences[0]}); "
                    "choose another --out"
                )


def arms_of(vary: Sequence[str], named: Sequence[str]) -> list[Arm]:
    """Every combination of the values in `vary` (table.key=A,B), then the arms of `named`.

    An arm of `named` is "NAME: table.key=value table.key=value"; without settings it is the base.
    ConfigError when fewer than two come out, or two that cannot be told apart.
    """
    arms = []
    if vary:
        for settings in itertools.product(*map(_values, vary)):
            arms.append(Arm(name=", ".join(settings), settings=settings))
    for text in named:
        name, colon, settings_text = text.partition(":")
        if not colon or not name.strip():
            raise ConfigError(
                f"--arm {text!r}: expected 'NAME: table.key=value …', as in 'deep: model.blocks=8'"
            )
        arms.append(Arm(name=name.strip(), settings=tuple(settings_text.split())))
    if len(arms) < 2:
        raise ConfigError("an ablation needs at least two arms: --vary table.key=A,B")
    for arm in arms:
        if any(setting.partition("=")[0].strip() == "seed" for setting in arm.settings):
            raise ConfigError(f"arm {arm.name!r}: the seed varies by itself: see --seeds")
    folders = [arm.folder for arm in arms]
    for arm in arms:
        if not arm.folder or folders.count(arm.folder) > 1:
            raise ConfigError(f"arm {arm.name!r}: its name is empty or too like another's")
    return arms


def _values(text: str) -> list[str]:
    name, equals, values = text.partition("=")
    if not equals or not all(value.strip() for value in values.split(",")):
        raise ConfigError(f"--vary {text}: expected table.key=A,B, as in ssl.enabled=true,false")
    return [f"{name.strip()}={value.strip()}" for value in values.split(",")]
