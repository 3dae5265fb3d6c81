"""How often the screen is drawn: as asked, and more calmly where every byte goes over ssh."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REFRESH_S: Final = 0.5
REMOTE_REFRESH_S: Final = 1.0
_REMOTE: Final = ("SSH_TTY", "SSH_CONNECTION")


@dataclass(frozen=True)
class Pace:
    refresh_s: float = REFRESH_S
    is_remote: bool = False
    """Over ssh: nothing is animated either."""
    remark: str = ""
    """What to tell the person, once."""


def pace(asked_s: float | None, environment: Mapping[str, str]) -> Pace:
    """What was asked for with --refresh; without it half a second, over ssh a whole one."""
    if not any(environment.get(name) for name in _REMOTE):
        return Pace(REFRESH_S if asked_s is None else asked_s)
    if asked_s is not None:
        return Pace(asked_s, is_remote=True)
    return Pace(
        REMOTE_REFRESH_S,
        is_remote=True,
        remark="Over ssh the screen is drawn once a second, without animations: "
        "--refresh SECONDS says otherwise.",
    )
