"""The settings of alerts; `backend/config.py` joins them with the others."""

import shlex
from dataclasses import dataclass

from backend.ranges import require as _require


@dataclass(frozen=True, kw_only=True)
class AlertsConfig:
    """What an alert sets off."""

    bell: bool = True
    """The terminal bell of every screen that watches the run; for warnings and errors."""
    notify: bool = False
    """A note on the desktop, made by the terminals that know how (OSC 9), for errors alone."""
    command: str = ""
    """Run by the supervisor for every alert, which it finds in the environment as MATRIX0_RUN,
    MATRIX0_ALERT_LEVEL and MATRIX0_ALERT; empty for none. No shell reads it."""
    command_timeout_s: float = 30.0
    """The command is ended after this long."""

    def __post_init__(self) -> None:
        try:
            shlex.split(self.command)
        except ValueError as error:
            _require(False, "command", self.command, f"cannot be split into words: {error}")
        _require(
            self.command_timeout_s > 0, "command_timeout_s", self.command_timeout_s, "must be > 0"
        )
