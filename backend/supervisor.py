"""The run itself: hears its workers and its screens, records what happened, and gives orders.

    self-play ─ShardWritten─► intake ─AddShard─► trainer ─CheckpointSaved─► director
        ▲                                                                      │ PlayMatch
        └──────────UseNetwork── Promoted ◄── gate ◄──MatchFinished── evaluator ◄┘

One process, one event loop, no torch. It is the only writer of the database and holds the run's
lock. Everything it knows is on disk, so it may be killed at any instant and started again.
"""

import asyncio
import os
import signal
from dataclasses import dataclass
from random import Random
from typing import Final

from backend.alerts import AlertHook
from backend.backups.schedule import Backups
from backend.collapse import watch_for_collapse
from backend.commands import (
    AddShard,
    ChangeSetting,
    CheckpointNow,
    ClientCommand,
    DeleteCheckpoint,
    EvaluateNow,
    Pause,
    PauseRun,
    PauseWorker,
    Promote,
    RecordMatch,
    RestartWorker,
    ResumeRun,
    ResumeWorker,
    Rollback,
    SaveCheckpoint,
    StopRun,
    UseNetwork,
    VerifyCheckpoint,
    WorkerCommand,
)
from backend.config import Config
from backend.controls import Controls
from backend.crew import Crew
from backend.cycle import games_of_evaluation
from backend.disk import Reserve
from backend.errors import ExitCode, Matrix0Error
from backend.events import (
    TELEMETRY,
    CheckpointSaved,
    ClusterSeen,
    Event,
    GamesTuned,
    InferenceChosen,
    LogLine,
    LossSpiked,
    MatchFinished,
    MatchStarted,
    NonFinite,
    PhaseBegan,
    Role,
    RolledBack,
    RunStarted,
    RunStopped,
    RunStopping,
    ShardUnusable,
    ShardWritten,
    TrainingHalted,
    TrainingStep,
    WorkerFailed,
    WorkerReady,
)
from backend.fold import with_memory
from backend.gating import Gating
from backend.live import settings_in_force
from backend.patience import watch_reserve
from backend.pool import WorkerPool
from backend.processes import version
from backend.recovery import Findings
from backend.replay.suspects import Suspects
from backend.roster import WorkerCommandLine, worker_specs
from backend.rundir import RunDirectory
from backend.server import Answer, Server
from backend.ssl_readings import DeadHeads
from backend.text import clean

INTERRUPTED: Final = 130
"""Exit code after a second Ctrl-C, as shells have it."""

_ONLY_SHOWN: Final = TELEMETRY - {ClusterSeen} | {
    *(InferenceChosen, GamesTuned, WorkerFailed, LogLine, MatchStarted, PhaseBegan)
}
"""What a worker may say that needs nothing but to be published."""


@dataclass(frozen=True, kw_only=True)
class Mission:
    """What one start of a run shall do."""

    run: RunDirectory
    config: Config
    preset: str = ""
    cycles: int = 0
    """Stop after this many cycles of the run; 0 means never."""
    exit_when_stuck: bool = False
    """Stop with an error when a worker that the loop needs is given up; else stay for a person."""
    ignores_hangup: bool = False
    """Outlive the terminal."""
    remarks: tuple[str, ...] = ()
    """What the person should be told at the start."""


class Supervisor:
    """One start of one run, from recovery to the last event."""

    def __init__(
        self,
        mission: Mission,
        findings: Findings,
        pool: WorkerPool,
        command_line: WorkerCommandLine | None = None,
    ) -> None:
        config = mission.config
        self._mission = mission
        self._findings = findings
        self._ledger = findings.ledger
        self._intake = findings.intake
        specs = worker_specs(mission.run, config, command_line)
        self._dead_heads = DeadHeads(config.ssl.dead_after_steps)
        self._crew = Crew(
            pool,
            specs,
            config.supervisor,
            self._ledger,
            on_event=self._on_event,
            on_exit=self._on_exit,
            on_given_up=self._on_given_up,
            rng=Random(),
        )
        self._gating = Gating(
            mission.run,
            config,
            self._ledger,
            findings.director,
            order=self._order,
            on_cycle=self._on_cycle,
        )
        self._controls = Controls(
            mission.run, config, self._ledger, self._crew, self._gating, command_line
        )
        self._server = Server(mission.run, self._ledger, self._on_request)
        self._suspects = Suspects(mission.run.reading_file)
        self._stop = asyncio.Event()
        self._stop_reason = ""
        self._exit_code: int = ExitCode.DONE
        self._interrupts = 0

    async def run(self) -> int:
        """Works until stopped; returns the exit code."""
        self._announce()
        async with asyncio.TaskGroup() as tasks:
            await self._server.start(tasks)
            self._answer_signals()
            try:
                await self._gating.resume(self._findings)
                self._on_cycle(self._gating.cycle)
                if not self._stop.is_set():
                    await self._work()
            except BaseException as error:
                cause = first_of(error)
                self._stop_reason, self._exit_code = f"failed: {cause!r}", ExitCode.INTERNAL
                if isinstance(cause, Matrix0Error):
                    self._stop_reason, self._exit_code = f"failed: {cause}", cause.exit_code
                raise
            finally:
                self._ignore_signals()
                reason = clean(self._stop_reason)
                self._ledger.publish(RunStopped(reason=reason, exit_code=self._exit_code))
                await self._server.close()
                self._ledger.end()
        return self._exit_code

    async def _work(self) -> None:
        run, config = self._mission.run, self._mission.config
        reserve = Reserve(run.path, config.supervisor.reserve_mib)
        async with asyncio.TaskGroup() as tasks:
            crew = tasks.create_task(self._crew.tend())
            endless = [
                tasks.create_task(self._crew.listen()),
                tasks.create_task(self._crew.watch()),
                tasks.create_task(self._intake.run(self._on_admitted)),
                tasks.create_task(self._ledger.keep_flushing()),
                tasks.create_task(watch_for_collapse(self._ledger)),
                tasks.create_task(Backups(run, config.supervisor, self._ledger).run()),
                tasks.create_task(watch_reserve(reserve, self._ledger.alert)),
                tasks.create_task(AlertHook(config.alerts, self._ledger, run.name).run()),
            ]
            await self._stop.wait()
            self._ledger.patience.end()
            self._ledger.publish(RunStopping(reason=self._stop_reason))
            await self._crew.stop()
            await crew
            await self._intake.settle()
            for task in endless:
                task.cancel()

    def request_stop(self, reason: str, exit_code: int = ExitCode.DONE) -> None:
        """Ends the run in order; the first reason counts."""
        if not self._stop.is_set():
            self._stop_reason = reason
            self._exit_code = exit_code
            self._stop.set()

    def _announce(self) -> None:
        mission, config = self._mission, self._mission.config
        self._ledger.publish(
            RunStarted(
                run=mission.run.name,
                directory=str(mission.run.path),
                preset=mission.preset,
                version=version(),
                pid=os.getpid(),
                cycles=mission.cycles,
                steps_per_cycle=config.training.steps_per_cycle,
                evaluation_games=games_of_evaluation(config.evaluation),
                samples_per_position=config.replay.samples_per_position,
                min_positions=config.replay.min_positions,
                settings=settings_in_force(config),
            )
        )
        self._ledger.publish(self._findings.event)
        for remark in (*mission.remarks, *self._findings.remarks):
            self._ledger.alert("warning", remark)

    # Workers --------------------------------------------------------------------------------------

    async def _on_event(self, worker: str, event: Event) -> None:
        match event:
            case ShardWritten():
                self._ledger.publish(event)
                self._intake.offer(event.name, event.sha256)
            case ShardUnusable():
                self._ledger.publish(event)
                await self._intake.withdraw(event.name)
            case CheckpointSaved():
                await self._gating.checkpoint_saved(event)
            case MatchFinished():
                await self._gating.match_finished(event)
            case WorkerReady():
                self._ledger.publish(event)
                await self._greet(worker, event.role)
            case TrainingStep():
                self._ledger.publish(with_memory(event, self._ledger.state))
                for sentence in self._dead_heads.found(event.step, event.metrics):
                    self._ledger.alert("warning", sentence)
            case LossSpiked():
                await self._ledger.commit(event)
            case RolledBack():
                await self._ledger.flush()
                await self._ledger.commit(event)
                await self._ledger.store.forget_metrics_after(event.checkpoint_step)
            case TrainingHalted():
                await self._ledger.commit(event)
                await self._controls.obey(PauseRun(), worker)
            case NonFinite():
                await self._ledger.commit(event)
                self._ledger.alert("error", event.sentence)
            case _ if type(event) in _ONLY_SHOWN:
                self._ledger.publish(event)
            case _:
                text = f"said {type(event).__name__}, which is not for a worker to say"
                self._ledger.log(worker, text, "warning")

    async def _greet(self, worker: str, role: Role) -> None:
        """Tells a worker that has just started what the others know."""
        order: WorkerCommand | None = None
        if role == "selfplay" and self._gating.best:
            order = UseNetwork(name=self._gating.best)
        elif role == "evaluator":
            order = self._gating.match_to_play()
        if order is not None:
            await self._crew.send_to(worker, order)
        if self._controls.rests(worker):
            await self._crew.send_to(worker, Pause())

    async def _order(self, role: Role, command: WorkerCommand) -> None:
        # One that is only starting is greeted with the same order once it is ready.
        await self._crew.send_to_ready(role, command)

    async def _on_admitted(self, shard: str) -> None:
        await self._crew.send("trainer", AddShard(name=shard))

    async def _on_exit(self, role: Role) -> None:
        if role == "selfplay":
            self._intake.rescan()
        elif role == "trainer":
            await self._gating.rescan()
            shard, is_guilty = self._suspects.after_a_death()
            if is_guilty:
                await self._intake.set_aside(shard, "the trainer died again while it read it")
            elif shard:
                await self._intake.withdraw(shard)

    def _on_given_up(self, role: Role, code: int) -> None:
        left = self._crew.num_useful("selfplay")
        if role == "selfplay" and left > 0:
            self._ledger.alert("warning", f"self-play goes on with fewer workers: {left}")
            return
        self._ledger.alert("error", f"without {role} the run cannot go on; see its log in logs/")
        if self._mission.exit_when_stuck:
            is_known = code in (ExitCode.CONFIG, ExitCode.BAD_DATA, ExitCode.DEVICE)
            self.request_stop(f"{role} was given up", code if is_known else ExitCode.INTERNAL)

    def _on_cycle(self, cycle: int) -> None:
        if self._mission.cycles and cycle >= self._mission.cycles:
            self.request_stop(f"{cycle} cycles are done")

    # Screens --------------------------------------------------------------------------------------

    async def _on_request(self, command: ClientCommand, by: str) -> Answer:
        if self._stop.is_set():
            return Answer(refused="the run is stopping")
        refused, text = await self._obey(command, by)
        if refused:
            return Answer(refused=refused)
        return Answer(text)

    async def _obey(self, command: ClientCommand, by: str) -> tuple[str, str]:
        """(why not, what was done); an order that was obeyed is in the journal."""
        refused = ""
        match command:
            case (
                PauseRun()
                | ResumeRun()
                | PauseWorker()
                | ResumeWorker()
                | RestartWorker()
                | ChangeSetting()
            ):
                refused, text = await self._controls.obey(command, by)
            case CheckpointNow():
                text = "the trainer saves a checkpoint"
                if not await self._crew.send_to_ready(
                    "trainer", SaveCheckpoint(reason="requested")
                ):
                    refused = "the trainer is not running"
            case EvaluateNow():
                text = "a match against the best begins"
                if self._controls.is_paused:
                    refused = "the run is paused: resume it first"
                else:
                    refused = await self._gating.evaluate(command.name)
            case Promote() | Rollback() | RecordMatch() | VerifyCheckpoint() | DeleteCheckpoint():
                refused, text = await self._gating.obey(command, by)
            case StopRun():
                text = "stopping"
                self.request_stop("stopped by a person")
        if not refused:
            await self._ledger.commit(command)
        return refused, text

    # Signals --------------------------------------------------------------------------------------

    def _answer_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGTERM, self.request_stop, "asked to by SIGTERM")
        if self._mission.ignores_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        else:
            loop.add_signal_handler(signal.SIGHUP, self.request_stop, "the terminal was closed")

    def _ignore_signals(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts == 1:
            self.request_stop("interrupted")
        else:
            # What is committed stays committed; nobody is waited for.
            self._exit_code = INTERRUPTED
            self.request_stop("interrupted twice")
            self._crew.kill()


def first_of(error: BaseException) -> BaseException:
    """The first error of nested groups: what went wrong, the others followed from it."""
    return first_of(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
