"""What is done about an alert beside showing it: the user's own command is run.

The command is started without a shell, with the alert in its environment (MATRIX0_RUN,
MATRIX0_ALERT_LEVEL, MATRIX0_ALERT), so that no text can become part of a command line.
"""

import asyncio
import os
import shlex

from backend.alerts_config import AlertsConfig
from backend.events import Alert
from backend.ledger import Ledger


class AlertHook:
    """Runs the command for every alert from now on, one after the other."""

    def __init__(self, config: AlertsConfig, ledger: Ledger, run: str) -> None:
        self._config = config
        self._ledger = ledger
        self._run = run

    async def run(self) -> None:
        """Until the ledger ends; at once without a command."""
        if not self._config.command:
            return
        # Identities: two alerts may say the same, and `seen` keeps the known ones alive.
        listener = self._ledger.listen()
        seen = self._ledger.state.alerts
        try:
            while await listener.next() is not None:
                known, seen = {id(alert) for alert in seen}, self._ledger.state.alerts
                for alert in seen:
                    if id(alert) not in known:
                        await self._tell(alert)
        finally:
            self._ledger.leave(listener)

    async def _tell(self, alert: Alert) -> None:
        """A command that fails is said in the log: an alert would call it again."""
        about = {
            "MATRIX0_RUN": self._run,
            "MATRIX0_ALERT_LEVEL": alert.level,
            "MATRIX0_ALERT": alert.text,
        }
        nothing = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *shlex.split(self._config.command),
                env={**os.environ, **about},
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                start_new_session=True,
            )
        except OSError as error:
            self._say(f"the alert command could not be run: {error}")
            return
        try:
            async with asyncio.timeout(self._config.command_timeout_s):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            self._say(f"the alert command took longer than {self._config.command_timeout_s:g} s")
            return
        if code:
            self._say(f"the alert command ended with {code}")

    def _say(self, text: str) -> None:
        self._ledger.log("run", text, "warning")
