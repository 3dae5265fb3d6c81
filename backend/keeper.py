"""The checkpoints of a run on disk: which stay, which may go, and what a person asks of one.

Files are the truth, the database says which of them are in use. One that goes is retired in the
database first: an interrupted removal is finished by the next start.
"""

import asyncio
from functools import partial

from backend import checkpoints
from backend.commit import remove_directory
from backend.config import Config
from backend.cycle import Director
from backend.errors import CheckpointError
from backend.events import CheckpointRetired, CheckpointSaved
from backend.filesystem import OS, FileSystem
from backend.ledger import Ledger
from backend.rundir import RunDirectory
from backend.succession import reign
from backend.wording import plural


class Keeper:
    """Removes checkpoints, and knows which must not be."""

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        ledger: Ledger,
        director: Director,
        *,
        fs: FileSystem = OS,
    ) -> None:
        self._run = run
        self._config = config
        self._ledger = ledger
        self._director = director
        self._fs = fs

    async def shown(self) -> list[str]:
        """Checkpoints that are more than something to resume from, oldest first."""
        saved = await self._ledger.store.checkpoints()
        return [checkpoint.name for checkpoint in saved if not checkpoint.only_resumes]

    async def reign(self) -> list[str]:
        """The best networks that still count, the present one last."""
        return reign(await self._ledger.store.promotions())

    # What a person asks ---------------------------------------------------------------------------

    async def unfit(self, name: str) -> str:
        """Why a checkpoint cannot become the best; empty when it can."""
        return (await self.verify(name))[0]

    async def verify(self, name: str) -> tuple[str, str]:
        """(what is wrong with it, what was found); every byte of it is read."""
        if name not in await self.shown():
            return _absent(name), ""
        try:
            found = await asyncio.to_thread(checkpoints.load, self._run.checkpoints / name)
        except CheckpointError as error:
            if name not in await self.shown():
                return f"{name} was removed meanwhile", ""
            self._ledger.alert("error", f"checkpoint {name} is damaged: {error}")
            return str(error), ""
        tensors = sum(map(len, (found.model, found.ema, found.optimizer)))
        size_mib = sum(file.size for file in found.manifest.files.values()) / 2**20
        files = plural(len(found.manifest.files), "file")
        return "", (
            f"{name} is sound: {tensors} tensors in {files}, {size_mib:.1f} MiB; "
            "SHA-256 as its manifest says, every number finite"
        )

    async def delete(self, name: str, by: str) -> tuple[str, str]:
        """(why not, what was done). The best network must not change meanwhile."""
        saved = await self._ledger.store.checkpoints()
        shown = [c.name for c in saved if not c.only_resumes]
        earlier = (await self.reign())[-2:-1]
        if name not in shown:
            return _absent(name), ""
        if name == self._director.best:
            return f"{name} is the best network", ""
        if name in earlier:
            return f"{name} was the best before this one: a rollback needs it", ""
        if name in (saved[-1].name, shown[-1]):
            return f"{name} is the newest: training goes on from it after a restart", ""
        if name in self._director.in_use():
            return f"{name} is being measured or will be", ""
        (found,) = (c for c in saved if c.name == name)
        await self._remove(found, by)
        return "", f"{name} is deleted, {found.size_mib:.1f} MiB are free"

    # What nothing needs ---------------------------------------------------------------------------

    async def prune(self) -> None:
        """Removes what nothing needs.

        Kept are the first, the best and the one before it, recent ones, each `keep_every`-th
        cycle's, those that were asked for and those that are to be decided on.
        """
        saved = await self._ledger.store.checkpoints()
        shown = await self.shown()
        timed = [checkpoint.name for checkpoint in saved if checkpoint.only_resumes]
        asked_for = [checkpoint.name for checkpoint in saved if checkpoint.reason == "requested"]
        recent = shown[-self._config.supervisor.keep_checkpoints :]
        earlier = (await self.reign())[-2:]
        every = self._config.supervisor.keep_every * self._config.training.steps_per_cycle
        marks = [
            c.name for c in saved if c.reason == "cycle" and checkpoints.is_mark(c.step, every)
        ]
        kept = {
            *shown[:1],
            *recent,
            *marks,
            *timed[-1:],
            *asked_for,
            *earlier,
            *self._director.in_use(),
        }
        for checkpoint in saved:
            if checkpoint.name not in kept:
                await self._remove(checkpoint)

    async def _remove(self, checkpoint: CheckpointSaved, by: str = "") -> None:
        name = checkpoint.name
        await self._ledger.store.set_checkpoint_state(name, "retired")
        path = self._run.checkpoints / name
        await asyncio.to_thread(partial(remove_directory, path, fs=self._fs))
        self._ledger.publish(CheckpointRetired(name=name, reason=checkpoint.reason, by=by))


def _absent(name: str) -> str:
    return f"there is no checkpoint {name!r} on disk"
