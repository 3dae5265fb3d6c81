"""Evaluation worker: plays the matches it is told to, one at a time, and reports the score.

A match is announced when it is over. One that was broken off by a stop or a crash goes on with the
games that had ended.
"""

import time
from collections.abc import Callable, Sequence
from typing import assert_never

import chess

from backend.cluster.pool import pool_of
from backend.commands import (
    AddShard,
    Pause,
    PlayMatch,
    Resume,
    SaveCheckpoint,
    Stop,
    UseNetwork,
    UseSetting,
    WorkerCommand,
)
from backend.commit import commit_file
from backend.config import Config
from backend.device import Device, choose_device
from backend.errors import WorkerError
from backend.evaluation.adjudication import Adjudicator
from backend.evaluation.fixture import Fixture
from backend.evaluation.gate import gate_test
from backend.evaluation.lineup import make_player, match_batch
from backend.evaluation.match import MatchGame, play_match, to_pgn
from backend.evaluation.matchlog import MatchLog
from backend.evaluation.openings import openings_of
from backend.evaluation.players import Player
from backend.evaluation.record import budget_of, facts_of
from backend.evaluation.trial import Trial
from backend.events import InferenceChosen, MatchFinished, MatchProgress, MatchStarted
from backend.hall.fleet import MatchFleet
from backend.inference.choose import Choice, Chooser
from backend.inference.front import Inference
from backend.rundir import RunDirectory
from backend.settings import changed
from backend.weights import load_network
from backend.wording import plural
from backend.workers.base import WorkerIO


def main(io: WorkerIO, run: RunDirectory, config: Config) -> None:
    """Play matches until told to stop."""
    io.set_phase("loading")
    device = choose_device(config.device)
    io.ready(device)
    _EvaluatorWorker(io, run, config, device).run()


class _EvaluatorWorker:
    def __init__(self, io: WorkerIO, run: RunDirectory, config: Config, device: Device) -> None:
        self._io = io
        self._run = run
        self._config = config
        self._chooser = Chooser(
            config.inference,
            device,
            batch=match_batch(config.evaluation.parallel_games),
            replay=run.replay,
            seed=config.seed,
        )
        self._choices: dict[str, Choice] = {}
        """Of the networks of the last match: the next one often has a player in common."""
        self._orders: list[PlayMatch] = []
        self._paused = False
        self._stopping = False

    def run(self) -> None:
        while not self._stopping:
            if self._orders and not self._paused:
                self._play(self._orders.pop(0))
                continue
            if self._paused:
                self._io.set_phase("paused")
            else:
                self._io.set_phase("waiting", "for a candidate")
            command = self._io.wait(0.5)
            if command is not None:
                self._obey(command)

    def _obey(self, command: WorkerCommand) -> None:
        match command:
            case PlayMatch():
                self._orders.append(command)
            case UseSetting():
                self._config = changed(self._config, command.name, command.value)
            case Pause():
                self._paused = True
            case Resume():
                self._paused = False
            case Stop():
                self._stopping = True
            case UseNetwork() | AddShard() | SaveCheckpoint():
                raise WorkerError(f"an evaluator cannot obey {type(command).__name__}")
            case _:
                assert_never(command)

    def _play(self, order: PlayMatch) -> None:
        began = time.monotonic()
        self._io.set_phase("loading", f"{order.candidate} and {order.opponent}")
        here = None if self._config.cluster.num_evaluation else self._seat(order)
        test = gate_test(self._config.evaluation) if order.decides else None
        self._io.emit(
            MatchStarted(
                match=order.match,
                candidate=order.candidate,
                opponent=order.opponent,
                games=order.games,
                simulations=order.simulations,
                llr_low=None if test is None else test.bounds.low,
                llr_high=None if test is None else test.bounds.high,
            )
        )
        self._io.set_phase("evaluating", f"against {order.opponent}")
        trial = Trial(test)
        openings = openings_of(self._config.evaluation, order.games // 2, order.seed)
        path = self._run.games / f"match-{order.match}.jsonl"

        def hear(finished: list[MatchGame]) -> None:
            self._io.until_there_is_room(path, lambda: log.hear(finished))
            self._progress(order, trial, finished)

        identity = self._identity(order)
        with self._io.until_there_is_room(path, lambda: MatchLog(path, identity, openings)) as log:
            if log.num_damaged:
                damaged = plural(log.num_damaged, "line")
                text = f"{path.name}: {damaged} damaged; what they held is played again"
                self._io.log(text, "warning")

            def go_on() -> bool:
                return self._may_go_on() and not trial.decision

            if here is None:
                self._play_in_halls(order, openings, log.finished, hear, go_on)
            else:
                try:
                    play_match(
                        *here,
                        openings,
                        max_plies=self._config.evaluation.max_plies,
                        slots=self._slots(order),
                        adjudicator=Adjudicator(self._config.adjudication),
                        played=log.finished,
                        on_game=hear,
                        on_step=go_on,
                    )
                finally:
                    for player in here:
                        player.close()
        if not trial.decision and len(trial.counted) < order.games:
            return
        self._finish(order, trial.counted, time.monotonic() - began)
        log.remove()

    def _play_in_halls(
        self,
        order: PlayMatch,
        openings: Sequence[chess.Board],
        played: Sequence[MatchGame],
        on_game: Callable[[list[MatchGame]], None],
        on_step: Callable[[], bool],
    ) -> None:
        """Here and on the cluster; a cluster that is gone leaves the hall here."""
        cluster = self._config.cluster
        fixture = Fixture(
            first=order.candidate,
            second=order.opponent,
            games=order.games,
            simulations=order.simulations,
            seed=order.seed,
        )
        pool = pool_of(
            self._run, cluster, lambda seen: None, lambda level, text: self._io.log(text, level)
        )
        fleet = MatchFleet(self._run, pool, halls=cluster.num_evaluation, say=self._io.log)
        try:
            fleet.play(
                fixture, self._config, openings, played=played, on_game=on_game, on_step=on_step
            )
        finally:
            fleet.close()
        self._io.log(f"match {order.match}: {fleet.report}")

    def _seat(self, order: PlayMatch) -> tuple[Player, Player]:
        """Both players, in this process."""
        players = (order.candidate, order.opponent)
        self._choices = {name: self._choices[name] for name in players if name in self._choices}
        candidate, opponent = (
            make_player(
                name,
                self._load,
                self._config.search,
                simulations=order.simulations,
                slots=self._slots(order),
                seed=order.seed + side,
            )
            for side, name in enumerate(players)
        )
        return candidate, opponent

    def _slots(self, order: PlayMatch) -> int:
        return min(order.games, self._config.evaluation.parallel_games)

    def _identity(self, order: PlayMatch) -> str:
        """What makes this match what it is; the seed draws its openings."""
        return f"{order} {self._config.evaluation} {self._config.adjudication}"

    def _load(self, name: str) -> Inference:
        """The network as self-play would play with it: what is measured is what makes the games."""
        choice = self._choices.get(name)
        if choice is None:
            self._io.set_phase("tuning", name)
            choice = self._chooser.choose(load_network(self._run.checkpoints / name))
            self._io.emit(InferenceChosen(worker=self._io.worker, network=name, **choice.facts()))
            self._choices[name] = choice
        return choice.inference

    def _may_go_on(self) -> bool:
        """Obey what has come; waits here while paused."""
        for command in self._io.poll():
            self._obey(command)
        while self._paused and not self._stopping:
            self._io.set_phase("paused")
            waited = self._io.wait(0.5)
            if waited is not None:
                self._obey(waited)
        self._io.set_phase("evaluating")
        return not self._stopping

    def _progress(self, order: PlayMatch, trial: Trial, finished: list[MatchGame]) -> None:
        trial.hear(finished)
        points = [game.candidate_points for game in finished]
        self._io.emit(
            MatchProgress(
                match=order.match,
                played=len(points),
                wins=points.count(1.0),
                draws=points.count(0.5),
                losses=points.count(0.0),
                pairs=trial.pairs,
                llr=trial.llr,
            )
        )

    def _finish(self, order: PlayMatch, games: list[MatchGame], seconds: float) -> None:
        event = f"Matrix0 {order.match}, {order.simulations} simulations"
        budgets = [budget_of(name, order.simulations) for name in (order.candidate, order.opponent)]
        pgn = to_pgn(games, order.candidate, order.opponent, event, (budgets[0], budgets[1]))
        path = self._run.games / f"match-{order.match}.pgn"
        self._io.until_there_is_room(path, lambda: commit_file(path, pgn.encode()))
        self._io.emit(
            MatchFinished(
                match=order.match,
                candidate=order.candidate,
                opponent=order.opponent,
                simulations=order.simulations,
                seconds=seconds,
                pgn=path.name,
                candidate_budget=budgets[0],
                opponent_budget=budgets[1],
                **facts_of(games),
            )
        )
