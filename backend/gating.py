"""From a checkpoint to the end of its cycle: carries out what the director wants, and records it.

A decision, the promotion that may follow, and the end of the cycle go to the journal in one write.
The best network changes here only, under one lock, and only if it still is the one that the
candidate was measured against.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from backend import checkpoints
from backend.commands import (
    SAVED_ALREADY,
    DeleteCheckpoint,
    PlayMatch,
    Promote,
    RecordMatch,
    Rollback,
    UseNetwork,
    VerifyCheckpoint,
    WorkerCommand,
)
from backend.config import BASELINES, Config
from backend.cycle import Action, Decide, Director, Play, PromoteFirst, Skip, match_name
from backend.errors import CheckpointError
from backend.evaluation.gate import decide
from backend.events import (
    CheckpointSaved,
    CycleFinished,
    GateDecided,
    MatchFinished,
    Promoted,
    Role,
)
from backend.filesystem import OS, FileSystem
from backend.forecast import cycle_elapsed_s
from backend.keeper import Keeper
from backend.ledger import Ledger
from backend.recovery import Findings, read_checkpoint
from backend.rundir import RunDirectory
from backend.start import start_in_words

LOSSES: Final = ("policy_loss", "value_loss", "piece_loss")

Wish = Promote | Rollback | RecordMatch | VerifyCheckpoint | DeleteCheckpoint
"""What a person may want of the networks of a run."""

Order = Callable[[Role, WorkerCommand], Awaitable[None]]
"""Orders the workers of a role that are ready; others are told when they are."""


class Gating:
    """Owns the director and the best network."""

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        ledger: Ledger,
        director: Director,
        *,
        order: Order,
        on_cycle: Callable[[int], None],
        fs: FileSystem = OS,
    ) -> None:
        self._run = run
        self._config = config
        self._ledger = ledger
        self._director = director
        self._order = order
        self._on_cycle = on_cycle
        self._keeper = Keeper(run, config, ledger, director, fs=fs)
        self._changing = asyncio.Lock()

    @property
    def best(self) -> str:
        return self._director.best

    @property
    def cycle(self) -> int:
        """Cycles that are finished."""
        return self._director.cycle

    def use_simulations(self, simulations: int) -> None:
        """As [search] has them now; for the matches to come."""
        self._director.simulations = simulations

    def match_to_play(self) -> PlayMatch | None:
        """For an evaluator that has just started."""
        return self._director.order()

    # What happened --------------------------------------------------------------------------------

    async def resume(self, findings: Findings) -> None:
        """Goes on where an earlier start was ended, whatever it was doing."""
        if findings.unfinished is not None:
            await self._finish_late(findings.unfinished)
        if not self.best and findings.checkpoints:
            await self._act(self._director.checkpoint(findings.checkpoints[0]))
        if findings.candidate is not None and findings.candidate.name != self.best:
            await self._act(self._director.checkpoint(findings.candidate))

    async def checkpoint_saved(self, event: CheckpointSaved) -> None:
        """Verifies a new checkpoint; a sound one is recorded and may become a candidate."""
        told = [c for c in await self._ledger.store.checkpoints() if c.name == event.name]
        if any(c.sha256 == event.sha256 and not _is_wanted_now(c, event) for c in told):
            if event.reason == "requested":  # Who asked for it waits for an answer.
                self._ledger.log("trainer", f"{event.name} {SAVED_ALREADY}")
            else:
                self._ledger.log("gate", f"{event.name} was told twice; it is there already")
            return
        path = self._run.checkpoints / event.name
        try:
            if checkpoints.checkpoint_step(event.name) is None:
                raise CheckpointError(f"{event.name!r} is not a checkpoint's name")
            found = await asyncio.to_thread(read_checkpoint, path, self._config)
            if found.sha256 != event.sha256:
                raise CheckpointError(f"{path}: not the manifest that was announced")
        except CheckpointError as error:
            self._ledger.alert("error", f"checkpoint {event.name} is not used: {error}")
            return
        # First the curve up to here: the trainer goes on from this step and never tells it again.
        await self._ledger.flush()
        await self._ledger.patience.until_there_is_room(lambda: self._ledger.store.record(event))
        self._ledger.publish(event)
        await self._act(self._director.checkpoint(event))
        await self._keeper.prune()

    async def rescan(self) -> None:
        """Takes in checkpoints whose trainer died between writing one and saying so."""
        known = await self._ledger.store.checkpoint_states()
        for name in await asyncio.to_thread(checkpoints.list_checkpoints, self._run.checkpoints):
            if name not in known:
                try:
                    path = self._run.checkpoints / name
                    saved = await asyncio.to_thread(read_checkpoint, path, self._config)
                except CheckpointError as error:
                    self._ledger.alert("error", f"checkpoint {name} is not used: {error}")
                else:
                    await self.checkpoint_saved(saved)

    async def match_finished(self, event: MatchFinished) -> None:
        if any(known.match == event.match for known in await self._ledger.store.matches()):
            self._ledger.log("gate", f"{event.match} was told twice; the first result counts")
            return
        await self._ledger.commit(event)
        await self._act(self._director.match_finished(event))

    # What a person wants --------------------------------------------------------------------------

    async def evaluate(self, name: str = "") -> str:
        """Starts a match of a checkpoint, or the newest, against the best; or why it cannot."""
        async with self._changing:  # What is to be measured must not be deleted meanwhile.
            saved = await self._keeper.shown()
            if not saved:
                return "there is no checkpoint yet"
            if name and name not in saved:
                return f"there is no checkpoint {name!r} on disk"
            actions = self._director.evaluate(name or saved[-1])
        if isinstance(actions, str):
            return actions
        await self._act(actions)
        return ""

    async def obey(self, order: Wish, by: str) -> tuple[str, str]:
        """(why not, what was done); `by` is who asks."""
        match order:
            case Promote():
                refused = await self.promote(order.name, order.reason)
                return refused, f"{order.name} is the best network"
            case Rollback():
                refused = await self.roll_back(order.reason)
                return refused, f"{self.best} is the best network again"
            case RecordMatch():
                return await self._take_in(order.result), f"{order.result.match} is recorded"
            case VerifyCheckpoint():
                return await self._verify(order.name, by)
            case DeleteCheckpoint():
                async with self._changing:
                    return await self._keeper.delete(order.name, by)

    async def promote(self, name: str, reason: str) -> str:
        """Makes a checkpoint the best by hand; the reason if it cannot be."""
        async with self._changing:
            if refused := await self._keeper.unfit(name):
                return refused
            if name == self.best:
                return f"{name} is the best network already"
            await self._promote(name, reason or "promoted by hand")
        return ""

    async def roll_back(self, reason: str) -> str:
        """Makes the best what it was before the last promotion; the reason if it cannot be."""
        async with self._changing:
            *earlier, _ = await self._keeper.reign() or [""]
            if not earlier:
                return "there was no best network before this one"
            if refused := await self._keeper.unfit(earlier[-1]):
                return refused
            said = f"rolled back by hand: {reason}" if reason else "rolled back by hand"
            await self._promote(earlier[-1], said, is_rollback=True)
        return ""

    async def _verify(self, name: str, by: str) -> tuple[str, str]:
        refused, text = await self._keeper.verify(name)
        if not refused:
            self._ledger.log("run", f"{text}; asked by {by}")
        return refused, text

    async def _take_in(self, match: MatchFinished) -> str:
        if any(known.match == match.match for known in await self._ledger.store.matches()):
            return f"there is a match {match.match} already"
        await self._ledger.commit(match)
        return ""

    # What the director wants ----------------------------------------------------------------------

    async def _act(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case PromoteFirst():
                    reason = await asyncio.to_thread(self._first_reason, action.name)
                    async with self._changing:
                        await self._promote(action.name, reason)
                case Play():
                    await self._order("evaluator", action.order)
                case Decide():
                    await self._decide(action)
                case Skip():
                    text = f"{action.candidate} is not measured: {action.newer} is newer"
                    self._ledger.log("gate", text)

    def _first_reason(self, name: str) -> str:
        """Why there is a first best network: with its provenance, where it is from elsewhere."""
        manifest = checkpoints.read_manifest(self._run.checkpoints / name)
        said = start_in_words(manifest)
        return "the first network of the run" + (f": {said}" if said else "")

    async def _decide(self, action: Decide) -> None:
        match = action.against_best
        verdict, promotes, score, llr, reason = decide(match, self._config.evaluation)
        async with self._changing:
            if promotes and self.best != match.opponent:
                verdict, promotes = "inconclusive", False
                reason += f"; meanwhile {self.best} became the best, so nothing changes"
            decision = GateDecided(
                at=self._ledger.now(),
                cycle=self.cycle + 1,
                candidate=action.candidate,
                best=match.opponent,
                verdict=verdict,
                score=score,
                elo=match.elo,
                elo_low=match.elo_low,
                elo_high=match.elo_high,
                reason=reason,
                llr=llr,
                promotes_anyway=promotes and verdict == "inconclusive",
            )
            end = self._cycle_end(decision, action.baselines)
            if promotes:
                promotion = Promoted(name=action.candidate, previous=self.best, reason=reason)
                await self._ledger.commit(decision, promotion, end)
                await self._use(action.candidate)
            else:
                await self._ledger.commit(decision, end)
        await self._conclude(decision.cycle)

    async def _finish_late(self, decision: GateDecided) -> None:
        """The decision is in the journal, what should have followed it is not."""
        played = {m.match: m.finished for m in self._ledger.state.matches}
        baselines = {name: played.get(match_name(decision.candidate, name)) for name in BASELINES}
        end = self._cycle_end(decision, {k: m for k, m in baselines.items() if m is not None})
        async with self._changing:
            if decision.promotes and self.best == decision.best:
                await self._promote(decision.candidate, decision.reason)
            await self._ledger.commit(end)
        await self._conclude(decision.cycle)

    async def _conclude(self, cycle: int) -> None:
        actions = self._director.concluded(cycle)
        self._on_cycle(cycle)
        await self._act(actions)
        await self._keeper.prune()

    async def _promote(self, name: str, reason: str, *, is_rollback: bool = False) -> None:
        assert self._changing.locked()
        await self._ledger.commit(
            Promoted(name=name, previous=self.best, reason=reason, is_rollback=is_rollback)
        )
        await self._use(name)

    async def _use(self, name: str) -> None:
        self._director.promoted(name)
        await self._order("selfplay", UseNetwork(name=name))

    def _cycle_end(
        self, decision: GateDecided, baselines: Mapping[str, MatchFinished]
    ) -> CycleFinished:
        state = self._ledger.state
        view = next((c for c in state.checkpoints if c.name == decision.candidate), None)
        said = view.metrics if view else {}
        losses = {name: said.get(name, state.latest(name)) for name in LOSSES}
        scores = {name: _score(match) for name, match in baselines.items()}
        return CycleFinished(
            cycle=decision.cycle,
            step=checkpoints.checkpoint_step(decision.candidate) or 0,
            games=state.totals.games,
            positions=state.totals.positions,
            seconds=cycle_elapsed_s(state, self._ledger.now()),
            policy_loss=losses["policy_loss"],
            value_loss=losses["value_loss"],
            piece_loss=losses["piece_loss"],
            verdict=decision.verdict,
            elo=decision.elo,
            elo_low=decision.elo_low,
            elo_high=decision.elo_high,
            random_score=scores.get("random"),
            greedy_score=scores.get("greedy"),
            promotes_anyway=decision.promotes_anyway,
        )


def _is_wanted_now(known: CheckpointSaved, event: CheckpointSaved) -> bool:
    """Whether a person asks to keep what would have gone with time."""
    return event.reason == "requested" and known.reason in ("timed", "stopping")


def _score(match: MatchFinished) -> float:
    games = match.wins + match.draws + match.losses
    return (match.wins + match.draws / 2) / games if games else 0.0
