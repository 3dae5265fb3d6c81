"""Self-play worker: plays with the network it is told to, commits every game as soon as it ends.

Knows nothing of training. A game is announced only after its shard is on disk, and the games that
end in one step are committed before the next step begins: a kill loses games in flight, no others.
"""

import secrets
import time
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import assert_never

import chess
import numpy as np

from backend.checkpoints import checkpoint_step
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
from backend.config import Config, SelfPlayConfig
from backend.device import Device, choose_device
from backend.disk import Reserve
from backend.errors import NonFiniteError, WorkerError
from backend.events import (
    BoardSeen,
    GamesTuned,
    InferenceChosen,
    MoveSeen,
    NonFinite,
    SelfPlayProgress,
    ShardWritten,
)
from backend.inference.background import InBackground
from backend.inference.choose import Choice, Chooser
from backend.inference.front import Inference
from backend.replay.records import GameRecord
from backend.replay.shards import ShardWriter
from backend.rundir import RunDirectory
from backend.search.warmup import warm_up
from backend.selfplay.games import Glimpse
from backend.selfplay.groups import GroupedSelfPlay, batch_size, num_groups
from backend.selfplay.tally import Tally
from backend.selfplay.tuning import tune_games
from backend.settings import changed
from backend.weights import load_network
from backend.workers.base import WorkerIO
from model.rules import move_to_uci, to_fen

REPORT_S = 1.0
"""Seconds between two reports of speed, and between two boards."""
SHOWN_MOVES = 5


def main(io: WorkerIO, run: RunDirectory, config: Config) -> None:
    """Play until told to stop."""
    io.set_phase("loading")
    device = choose_device(config.device)
    io.ready(device)
    _SelfPlayWorker(io, run, config, device).run()


class _SelfPlayWorker:
    def __init__(self, io: WorkerIO, run: RunDirectory, config: Config, device: Device) -> None:
        self._io = io
        self._run = run
        self._config = config
        self._writer = ShardWriter(
            run.replay,
            f"sp-{io.worker}",
            producer=io.worker,
            orientation=config.model.orientation,
        )
        self._num_groups = num_groups(config.selfplay, device.kind)
        self._chooser = Chooser(
            config.inference,
            device,
            batch=batch_size(config.selfplay, self._num_groups),
            replay=run.replay,
            seed=config.seed,
        )
        self._networks = InBackground(self._prepare)
        self._wanted = ""
        self._refused = ""
        """The last network whose answers were not finite."""
        self._inference: Inference | None = None
        self._games: GroupedSelfPlay | None = None
        self._reserve = Reserve(run.replay, config.supervisor.reserve_mib)
        self._paused = False
        self._stopping = False
        self._speed = _Speed()

    def run(self) -> None:
        try:
            self._run_until_stopped()
        finally:
            if self._games is not None:
                self._games.close()

    def _run_until_stopped(self) -> None:
        while True:
            for command in self._io.poll():
                self._obey(command)
            if self._stopping:
                return
            if self._reserve.lacking():  # Nor is a network taken up: games may end with that.
                self._wait()
                continue
            ready = self._ready()
            if ready is not None:
                self._use(*ready)
            if self._games is None or self._inference is None or self._paused:
                self._wait()
                continue
            self._io.set_phase("playing")
            max_batch = self._inference.max_batch
            self._commit(self._games.step())
            if self._inference.max_batch != max_batch:
                text = (
                    f"out of memory: batches of {self._inference.max_batch} positions from now on"
                )
                self._io.log(text, "warning")
            if self._speed.is_due():
                self._report(self._games, self._inference)

    def _ready(self) -> tuple[str, Choice] | None:
        """A network that can play from now on; one whose answers are not finite is refused."""
        name = self._networks.preparing
        try:
            return self._networks.poll()
        except NonFiniteError as error:
            values = {what: str(value) for what, value in error.values.items()}
            self._io.emit(NonFinite(worker=self._io.worker, step=0, values=values))
            before = self._writer.network
            go_on = f"games go on with {before}" if before else "it waits for another one"
            self._io.log(f"{name} is refused: {error}; {go_on}", "error")
            self._refused = name
            return None

    def _wait(self) -> None:
        if self._paused:
            self._io.set_phase("paused")
        elif lacking := self._reserve.lacking():
            self._io.set_phase("waiting", lacking)
        elif self._networks.preparing:
            self._io.set_phase("tuning", self._networks.preparing)
        elif self._refused:
            self._io.set_phase("waiting", f"for a better network than {self._refused}")
        else:
            self._io.set_phase("waiting", "for the first network")
        command = self._io.wait(0.1 if self._networks.preparing else 0.5)
        if command is not None:
            self._obey(command)
        if self._inference is not None and self._games is not None:
            self._speed = _Speed(self._games, self._inference)

    def _obey(self, command: WorkerCommand) -> None:
        match command:
            case UseNetwork():
                if command.name != self._wanted:
                    self._wanted = command.name
                    self._networks.ask(command.name)
            case UseSetting():
                self._config = changed(self._config, command.name, command.value)
                if self._games is not None:
                    selfplay, search = self._config.selfplay, self._config.search
                    self._commit(self._games.retune(selfplay, search))
            case Pause():
                self._paused = True
            case Resume():
                self._paused = False
            case Stop():
                self._stopping = True
            case AddShard() | SaveCheckpoint() | PlayMatch():
                raise WorkerError(f"a self-play worker cannot obey {type(command).__name__}")
            case _:
                assert_never(command)

    def _prepare(self, name: str) -> Choice:
        """In a thread of its own: games go on with the network before."""
        return self._chooser.choose(load_network(self._run.checkpoints / name))

    def _use(self, name: str, choice: Choice) -> None:
        self._inference = choice.inference
        self._io.emit(InferenceChosen(worker=self._io.worker, network=name, **choice.facts()))
        step = checkpoint_step(name)
        assert step is not None, "the supervisor names checkpoints by their step"
        if self._games is None:
            self._io.set_phase("compiling", "chess kernels")
            warm_up(self._show_compiled)
            self._games = GroupedSelfPlay(
                self._tuned(self._inference),
                self._config.search,
                self._inference,
                groups=self._num_groups,
                orientation=self._config.model.orientation,
                seed=_fresh_seed(self._config.seed, self._io.worker),
                step=step,
            )
        else:
            self._commit(self._games.use(self._inference, step=step))
        self._writer.network = name
        self._speed = _Speed(self._games, self._inference)

    def _tuned(self, inference: Inference) -> SelfPlayConfig:
        """The settings with the number of games, measured if that is wanted."""
        selfplay = self._config.selfplay
        if selfplay.games != "auto":
            return selfplay
        tuned = tune_games(
            selfplay,
            self._config.search,
            inference,
            self._num_groups,
            self._may_try,
        )
        self._io.emit(GamesTuned(worker=self._io.worker, **asdict(tuned)))
        # What was changed meanwhile counts.
        selfplay = replace(self._config.selfplay, games=tuned.games)
        self._chooser.batch = batch_size(selfplay, self._num_groups)
        return selfplay

    def _may_try(self, games: int) -> bool:
        """Obey what has come in the meantime, a stop above all."""
        self._io.set_phase("tuning", f"{games} games")
        for command in self._io.poll():
            self._obey(command)
        return not self._stopping

    def _show_compiled(self, kernel: str, number: int, total: int) -> None:
        self._io.set_phase("compiling", f"kernel {number} of {total}, {kernel}")

    def _commit(self, ended: Sequence[GameRecord]) -> None:
        if not ended:
            return
        path = self._run.replay / "shard"
        written = self._io.until_there_is_room(path, lambda: self._writer.write(ended))
        self._io.emit(
            ShardWritten(
                worker=self._io.worker,
                name=written.name,
                sha256=written.sha256,
                games=written.num_games,
                positions=written.num_positions,
            )
        )

    def _report(self, games: GroupedSelfPlay, inference: Inference) -> None:
        self._io.emit(self._speed.progress(self._io.worker, self._writer.network, games, inference))
        if games.glimpse is not None:
            self._io.emit(board_seen(self._io.worker, games.glimpse))
        self._speed = _Speed(games, inference)


class _Speed:
    """Counters at the time of the last report."""

    def __init__(
        self, games: GroupedSelfPlay | None = None, inference: Inference | None = None
    ) -> None:
        self._at = time.monotonic()
        self._tally = games.tally if games else Tally()
        self._evaluations = inference.evaluations if inference else 0
        self._batches = inference.batches if inference else 0
        self._network_s = inference.network_s if inference else 0.0

    def is_due(self) -> bool:
        return time.monotonic() - self._at >= REPORT_S

    def progress(
        self, worker: str, network: str, games: GroupedSelfPlay, inference: Inference
    ) -> SelfPlayProgress:
        """Rates since the last report."""
        elapsed_s = time.monotonic() - self._at
        tally = games.tally
        evaluations = inference.evaluations - self._evaluations
        room = (inference.batches - self._batches) * games.num_games / games.num_groups
        return SelfPlayProgress(
            worker=worker,
            network=network,
            games_running=games.num_games,
            mean_ply=games.mean_ply,
            positions_per_s=(tally.positions - self._tally.positions) / elapsed_s,
            evaluations_per_s=evaluations / elapsed_s,
            network_frac=(inference.network_s - self._network_s) / elapsed_s,
            batch_frac=min(1.0, evaluations / room) if room else 0.0,
            simulations=games.simulations,
            full_frac=tally.full_frac(self._tally),
            policy_surprise=tally.mean_surprise(self._tally),
            resigned_frac=tally.resigned / tally.games if tally.games else None,
            resign_threshold=games.resignation.threshold,
            resign_false_frac=games.resignation.false_frac,
        )


def board_seen(worker: str, glimpse: Glimpse) -> BoardSeen:
    """The board after the last move of a running game, with what the search thought of it."""
    board = chess.Board(to_fen(glimpse.before))
    result = glimpse.result
    chosen = glimpse.chosen
    ranked = sorted(range(len(result.moves)), key=lambda k: (-result.policy[k], k))
    shown = ranked[:SHOWN_MOVES]
    if chosen not in shown:
        shown[-1] = chosen
    moves = []
    for k in shown:
        move = chess.Move.from_uci(move_to_uci(glimpse.before, int(result.moves[k])))
        moves.append(
            MoveSeen(
                san=board.san(move),
                policy=float(result.policy[k]),
                visits=int(result.visits[k]),
                q=None if np.isnan(result.q[k]) else float(result.q[k]),
                is_played=k == chosen,
            )
        )
    played = move_to_uci(glimpse.before, int(result.moves[chosen]))
    board.push_uci(played)
    win, draw, loss = (float(share) for share in result.root_wdl)
    return BoardSeen(
        worker=worker,
        game=f"{worker}/{glimpse.number}",
        fen=board.fen(),
        ply=glimpse.ply,
        last_move=played,
        wdl=(win, draw, loss),
        moves=tuple(moves),
    )


def _fresh_seed(seed: int, worker: str) -> int:
    """Different for each worker and each start, so that no two play the same games.

    Self-play is not reproducible across restarts: games in flight are lost with their generators.
    """
    entropy = f"{seed}/{worker}/{secrets.token_hex(8)}"
    return zlib.crc32(entropy.encode())
