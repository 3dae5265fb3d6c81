"""Backups of a run at work, made from time to time by its supervisor."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

from backend.backups.make import back_up
from backend.backups.manifest import list_backups, read_manifest
from backend.config import SupervisorConfig
from backend.errors import Matrix0Error
from backend.ledger import Ledger
from backend.rundir import RunDirectory


class Backups:
    """Makes one whenever the newest is older than the settings want."""

    def __init__(
        self,
        run: RunDirectory,
        config: SupervisorConfig,
        ledger: Ledger,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._config = config
        self._ledger = ledger
        self._clock = clock

    @property
    def folder(self) -> Path:
        named = self._config.backup_folder
        return Path(named).expanduser().absolute() if named else self._run.backups

    async def run(self) -> None:
        """For ever; at once without a schedule."""
        if not self._config.backup_every_s:
            return
        wait_s = self._config.backup_every_s - await asyncio.to_thread(self._age_s)
        while True:
            await asyncio.sleep(wait_s)
            start_s = self._clock()
            await self._back_up()
            wait_s = max(0.0, self._config.backup_every_s - (self._clock() - start_s))

    def _age_s(self) -> float:
        """Of the newest, or of a run without any, as far as the schedule cares."""
        try:
            found = [read_manifest(path) for path in list_backups(self.folder)]
            own = [manifest.created for manifest in found if manifest.run == self._run.name]
            # The preset is written when a run is made, and never again.
            newest = own[-1] if own else self._run.preset_file.stat().st_mtime
        except (Matrix0Error, OSError):
            return self._config.backup_every_s
        return min(max(0.0, self._ledger.now() - newest), self._config.backup_every_s)

    async def _back_up(self) -> None:
        is_over = threading.Event()
        try:
            made = await asyncio.to_thread(
                back_up,
                self._run,
                self.folder,
                keep=self._config.keep_backups,
                is_over=is_over.is_set,
            )
        except Matrix0Error as error:
            self._ledger.alert("error", f"the run was not backed up: {error}")
            return
        finally:
            is_over.set()  # Where we are cancelled the thread goes on: it shall not for long.
        text = f"backed up to {made.path}: {made.files:,} files, {made.new_files:,} of them new"
        self._ledger.log("run", text)
        for line in made.left_out:
            self._ledger.alert("error", f"left out of the backup: {line}")
