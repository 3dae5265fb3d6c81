"""Random orders, words and deaths against a model of what a run promises (`model_of_run.py`).

After each step supervisor, database and disk must say the same as the model.
"""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from backend import checkpoints
from backend.commands import (
    ChangeSetting,
    CheckpointNow,
    EvaluateNow,
    PauseRun,
    PlayMatch,
    Promote,
    RestartWorker,
    ResumeRun,
    Rollback,
    SaveCheckpoint,
    StopRun,
    UseNetwork,
)
from backend.cycle import BY_HAND
from backend.events import CheckpointSaved, EventBase, MatchFinished
from backend.settings_text import setting_text
from backend.succession import reign
from tests.faults.model_of_run import Measured, Model
from tests.faults.run_in_process import WORKERS, RunInProcess

# What is drawn must not depend on how far a run came before it was killed: Hypothesis wants the
# same draws each time. So a rule that does not fit does nothing.
WHICH = st.integers(0, 255)
WORKER_NAMES = st.sampled_from(sorted(WORKERS))

_T = TypeVar("_T")


class RunMachine(RuleBasedStateMachine):
    """Hypothesis calls the rules in any order, and shortens what fails."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp(prefix="matrix0-states-"))
        self._run = RunInProcess(self._folder)
        self._model = Model(learning_rate=setting_text(self._run.config.training.learning_rate))
        self._rng = Random(0)
        self._step = 0
        self._said: list[tuple[str, EventBase]] = []
        """For the late ones and those that come twice."""

    def teardown(self) -> None:
        try:
            self._run.close()
        finally:
            shutil.rmtree(self._folder)

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        self._rng = Random(seed)
        self._save("initial")
        self._run.settle()

    # Workers --------------------------------------------------------------------------------------

    @rule(dies=st.booleans())
    def finish_games(self, dies: bool) -> None:
        """A shard is committed, and announced unless the worker dies between the two."""
        written = self._run.write_shard(self._rng)
        self._model.games += written.games
        self._tell("sp0", written, dies)

    @rule(reason=st.sampled_from(("cycle", "cycle", "timed", "requested")), dies=st.booleans())
    def save_checkpoint(self, reason: str, dies: bool) -> None:
        self._save(reason, dies)

    @rule()
    def write_a_damaged_shard(self) -> None:
        written = self._run.write_shard(self._rng)
        path = self._run.run.replay / written.name
        path.write_bytes(path.read_bytes()[:-1])
        self._model.refused_shards.add(written.name)
        self._tell("sp0", written, False)

    @rule(won=st.booleans(), num=st.integers(1, 3))
    def finish_matches(self, won: bool, num: int) -> None:
        for _ in range(num):
            if match := self._model.next_match():
                self._say("evaluator", self._result(won))
                self._model.finish(match, won)
                self._run.settle()

    @rule(which=WHICH)
    def say_something_again(self, which: int) -> None:
        self._run.say(*_pick(self._said, which))
        self._run.settle()

    @rule(worker=WORKER_NAMES)
    def kill_a_worker(self, worker: str) -> None:
        self._run.die(worker)
        self._run.settle()

    # Orders ---------------------------------------------------------------------------------------

    @rule(paused=st.booleans())
    def pause_or_resume(self, paused: bool) -> None:
        refused = self._run.ask(PauseRun() if paused else ResumeRun())
        assert bool(refused) == (self._model.is_paused == paused), refused
        self._model.is_paused = paused

    @rule()
    def ask_for_a_checkpoint(self) -> None:
        assert not self._run.ask(CheckpointNow())
        assert self._run.pool.sent[-1] == ("trainer", SaveCheckpoint(reason="requested"))

    @rule(which=WHICH)
    def evaluate(self, which: int) -> None:
        name = _pick(self._shown(), which)
        model = self._model
        refused = self._run.ask(EvaluateNow(name=name))
        busy = model.is_paused or name == model.best or model.measured is not None
        assert bool(refused) == busy, refused
        if not busy:
            model.measured = Measured(name, model.best, f"{BY_HAND}{len(model.matches)}")

    @rule(which=WHICH)
    def promote(self, which: int) -> None:
        name = _pick(self._shown(), which)
        refused = self._run.ask(Promote(name=name, reason="why not"))
        assert bool(refused) == (name == self._model.best), refused
        if not refused:
            self._model.promote(name)

    @rule()
    def roll_back(self) -> None:
        model = self._model
        earlier = model.reign[-2] if len(model.reign) > 1 else ""
        refused = self._run.ask(Rollback(reason=""))
        assert bool(refused) == (earlier not in self._shown()), refused
        if not refused:
            model.roll_back()

    @rule(rate=st.sampled_from(("0.001", "0.002", "0.0005")))
    def change_a_setting(self, rate: str) -> None:
        refused = self._run.ask(ChangeSetting(name="training.learning_rate", value=rate))
        assert bool(refused) == (rate == self._model.learning_rate), refused
        self._model.learning_rate = rate

    @rule(worker=WORKER_NAMES)
    def restart_a_worker(self, worker: str) -> None:
        assert not self._run.ask(RestartWorker(worker=worker))

    # Ends -----------------------------------------------------------------------------------------

    @rule(in_order=st.booleans(), loses_database=st.booleans())
    def start_again(self, in_order: bool, loses_database: bool) -> None:
        if in_order:
            self._run.stop(StopRun())
        else:
            self._run.kill()
        if loses_database:
            self._run.lose_database()
        self._start()

    @rule(turns=st.integers(0, 40))
    def kill_while_games_come_in(self, turns: int) -> None:
        written = [self._run.write_shard(self._rng) for _ in range(2)]
        for event in written:
            self._say("sp0", event)
            self._model.games += event.games
        self._run.kill(after_turns=turns)
        self._start()

    @rule(turns=st.integers(0, 40))
    def kill_while_a_checkpoint_comes_in(self, turns: int) -> None:
        self._save("cycle", settle=False)
        self._run.kill(after_turns=turns)
        self._start()

    @rule(turns=st.integers(0, 60), won=st.booleans())
    def kill_while_a_result_comes_in(self, turns: int, won: bool) -> None:
        match = self._model.next_match()
        if not match:
            return
        self._say("evaluator", self._result(won))
        self._run.kill(after_turns=turns)
        self._run.start()
        if match in self._matches():  # Else it is lost, and played again.
            self._model.finish(match, won)
        else:
            self._said.pop()
        self._model.restart()

    @rule(days=st.sampled_from((-1, 1)))
    def let_the_clock_jump(self, days: int) -> None:
        self._run.clock.now += 86_400 * days

    # What must hold -------------------------------------------------------------------------------

    @invariant()
    def all_say_the_same(self) -> None:
        model, run = self._model, self._run
        state, store = run.ledger.state, run.ledger.store
        admitted = run.do(store.admissions())
        assert state.totals.games == sum(shard.games for shard in admitted) == model.games
        assert len({shard.name for shard in admitted}) == len(admitted)
        assert state.best == run.do(store.best()) == model.best
        assert reign(run.do(store.promotions())) == model.reign
        cycles = [end.cycle for end in run.do(store.cycles())]
        assert cycles == list(range(1, model.cycle + 1))
        assert state.cycle == model.cycle
        assert [d.candidate for d in run.do(store.decisions())] == model.decided
        assert self._matches() == model.matches.keys()
        assert sorted(view.finished.match for view in state.matches if view.finished) == sorted(
            set(model.matches)
        )
        assert (state.phase == "paused") == model.is_paused
        assert state.settings["training.learning_rate"] == model.learning_rate

    @invariant()
    def what_is_needed_is_on_disk(self) -> None:
        run, model = self._run, self._model
        on_disk = checkpoints.list_checkpoints(run.run.checkpoints)
        assert on_disk == [saved.name for saved in run.do(run.ledger.store.checkpoints())]
        measured = [] if model.measured is None else [model.measured.candidate, model.measured.best]
        needed = {*list(model.saved)[:1], model.best, model.waiting, *measured} - {""}
        assert needed <= set(on_disk)
        assert {path.name for path in run.run.quarantine.glob("*")} == model.refused_shards

    @invariant()
    def the_workers_know_what_to_do(self) -> None:
        order = self._run.match_to_play()
        if expected := self._model.next_match():
            assert order is not None
            assert order.match == expected
        if self._model.best:
            order = self._run.pool.last("sp0", UseNetwork)
            assert order == UseNetwork(name=self._model.best)

    # Inside ---------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._run.start()
        self._model.restart()
        assert self._run.remarks == []

    def _save(self, reason: str, dies: bool = False, settle: bool = True) -> None:
        event = self._run.write_checkpoint(self._step, reason)
        self._step += 10
        self._model.checkpoint(event.name, reason)
        self._tell("trainer", event, dies, settle)

    def _tell(self, worker: str, event: EventBase, dies: bool, settle: bool = True) -> None:
        if dies:
            self._run.die(worker)
        else:
            self._say(worker, event)
        if settle:
            self._run.settle()

    def _say(self, worker: str, event: EventBase) -> None:
        self._said.append((worker, event))
        self._run.say(worker, event)

    def _result(self, won: bool) -> MatchFinished:
        order = self._run.match_to_play()
        assert isinstance(order, PlayMatch)
        return MatchFinished(
            match=order.match,
            candidate=order.candidate,
            opponent=order.opponent,
            wins=2 if won else 0,
            draws=0,
            losses=0 if won else 2,
            truncated=0,
            pairs=(0, 0, 0, 0, 1) if won else (1, 0, 0, 0, 0),
            elo=0.0,
            elo_low=-1.0,
            elo_high=1.0,
            simulations=order.simulations,
            seconds=0.1,
        )

    def _matches(self) -> set[str]:
        return {match.match for match in self._run.do(self._run.ledger.store.matches())}

    def _shown(self) -> list[str]:
        """Checkpoints that a person can choose from."""
        saved: list[CheckpointSaved] = self._run.do(self._run.ledger.store.checkpoints())
        return [checkpoint.name for checkpoint in saved if not checkpoint.only_resumes]


def _pick(things: Sequence[_T], which: int) -> _T:
    """One of them; the newest for 0."""
    return things[-1 - which % len(things)]


def walk(examples: int, steps: int, *, seed: int, shrinks: bool = True) -> None:
    """Random walks of so many steps; raises what Hypothesis found, shortened."""
    run_state_machine_as_test(
        with_seed(seed)(RunMachine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            phases=[Phase.generate, *([Phase.shrink] if shrinks else [])],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
