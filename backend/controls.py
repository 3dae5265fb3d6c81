"""What a person does to a run at work: rests, settings, and single workers.

    PauseRun, ResumeRun                         all workers
    PauseWorker, ResumeWorker, RestartWorker    one of them
    ChangeSetting                               config.toml, the journal, then who uses the setting

Each order is answered by why not, or by what was done.
"""

import asyncio

from backend.commands import (
    ChangeSetting,
    Pause,
    PauseRun,
    PauseWorker,
    RestartWorker,
    Resume,
    ResumeRun,
    ResumeWorker,
    UseSetting,
    WorkerCommand,
)
from backend.commit import DurabilityUncertainError, NotCommittedError
from backend.config import Config
from backend.crew import Crew
from backend.errors import OrderError
from backend.events import PauseChanged, SettingChanged, WorkerHeld
from backend.gating import Gating
from backend.ledger import Ledger
from backend.live import FLEET, LIVE, WORKERS, Change, wanted
from backend.roster import (
    WorkerCommandLine,
    num_selfplay_workers,
    selfplay_name,
    worker_spec,
)
from backend.rundir import RunDirectory
from backend.wording import plural

Order = PauseRun | ResumeRun | PauseWorker | ResumeWorker | RestartWorker | ChangeSetting


class Controls:
    """Owns who rests and which settings are in force."""

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        ledger: Ledger,
        crew: Crew,
        gating: Gating,
        command_line: WorkerCommandLine | None = None,
    ) -> None:
        self._run = run
        self._config = config
        self._ledger = ledger
        self._crew = crew
        self._gating = gating
        self._command_line = command_line
        self._held: set[str] = set()
        """Workers that a person has paused alone."""
        self._changing = asyncio.Lock()
        self.is_paused = False
        """The whole run."""

    def rests(self, worker: str) -> bool:
        """Whether a worker that has just started shall wait."""
        return self.is_paused or worker in self._held

    async def obey(self, order: Order, by: str) -> tuple[str, str]:
        """(why not, what was done); `by` is who asks."""
        async with self._changing:
            match order:
                case PauseRun():
                    return await self._pause_run(True), "paused"
                case ResumeRun():
                    return await self._pause_run(False), "resumed"
                case PauseWorker():
                    refused = await self._hold(order.worker, True, by)
                    return refused, f"{order.worker} finishes what it is at and rests"
                case ResumeWorker():
                    refused = await self._hold(order.worker, False, by)
                    waits = ", once the run is resumed" if self.is_paused else ""
                    return refused, f"{order.worker} goes on{waits}"
                case RestartWorker():
                    return self._restart(order.worker, by)
                case ChangeSetting():
                    return await self._change(order, by)

    # Rests ----------------------------------------------------------------------------------------

    async def _pause_run(self, paused: bool) -> str:
        if paused == self.is_paused:
            return "the run is paused already" if paused else "the run is not paused"
        self.is_paused = paused
        command: WorkerCommand = Pause() if paused else Resume()
        for worker in self._crew.workers():
            if paused or worker not in self._held:
                await self._crew.send_to(worker, command)
        self._ledger.publish(PauseChanged(paused=paused))
        return ""

    async def _hold(self, worker: str, held: bool, by: str) -> str:
        if refused := self._unknown(worker):
            return refused
        if held == (worker in self._held):
            return f"{worker} is paused already" if held else f"{worker} is not paused by itself"
        if held:
            self._held.add(worker)
        else:
            self._held.discard(worker)
        if held or not self.is_paused:
            # One that does not run now is told when it does.
            await self._crew.send_to(worker, Pause() if held else Resume())
        self._ledger.publish(WorkerHeld(worker=worker, held=held, by=by))
        return ""

    # Workers --------------------------------------------------------------------------------------

    def _restart(self, worker: str, by: str) -> tuple[str, str]:
        if refused := self._unknown(worker):
            return refused, ""
        was_alive = self._crew.is_alive(worker)
        self._crew.restart(worker)
        self._ledger.log("run", f"{worker} is started again: asked by {by}")
        if was_alive:
            return "", f"{worker} ends in order and starts again"
        return "", f"{worker} starts again, its crashes are forgotten"

    def _unknown(self, worker: str) -> str:
        if self._crew.knows(worker):
            return ""
        return f"there is no worker {worker!r} (there are: {', '.join(self._crew.workers())})"

    # Settings -------------------------------------------------------------------------------------

    async def _change(self, order: ChangeSetting, by: str) -> tuple[str, str]:
        try:
            change = wanted(self._config, order.name, order.value)
            # First the file, which everybody reads who starts; what it says is in force.
            await asyncio.to_thread(self._run.write_config, change.config)
        except (OrderError, NotCommittedError, DurabilityUncertainError) as error:
            return str(error), ""
        self._config = change.config
        await self._ledger.commit(
            SettingChanged(
                name=change.name,
                old=change.old,
                new=change.new,
                by=by,
                step=self._ledger.state.step,
            )
        )
        use = UseSetting(name=change.name, value=change.new)
        for role in LIVE[change.name].roles:
            await self._crew.send(role, use)
        self._gating.use_simulations(change.config.search.simulations)
        done = f"{change.name} is {change.new} now, was {change.old}"
        return "", done + self._adjust_workers(change)

    def _adjust_workers(self, change: Change) -> str:
        """Starts or ends self-play workers until there are as many as the settings want."""
        if change.name not in (WORKERS, FLEET):
            return ""
        there = self._crew.workers("selfplay")
        missing = num_selfplay_workers(change.config) - len(there)
        if missing < 0:
            for worker in sorted(there, key=_number)[missing:]:
                self._held.discard(worker)
                self._crew.remove(worker)
            return f"; {plural(-missing, 'worker')} end after this move, finished games are kept"
        number = 0
        for _ in range(missing):
            while self._crew.is_taken(selfplay_name(number)):
                number += 1
            name = selfplay_name(number)
            self._crew.add(worker_spec(self._run, "selfplay", name, self._command_line))
        return f"; {plural(missing, 'worker')} started" if missing else ""


def _number(worker: str) -> tuple[int, str]:
    """Order of self-play workers: sp2 before sp10."""
    return len(worker), worker
