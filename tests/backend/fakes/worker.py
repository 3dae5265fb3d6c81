"""Workers without a network for tests of the supervisor: real processes, real files, no torch.

    python worker.py ROLE --run DIR --worker NAME [--fault NAME=KIND]

They speak through the real `WorkerIO`. Self-play writes shards of random legal games, the trainer
makes checkpoints of a few numbers, the evaluator reports matches that the candidate wins.
Faults, for the worker NAME only: `exit` ends at once, `config` says its configuration is wrong,
`nan` meets a number that is none, `deaf` ignores Stop, `silent` never says anything. The trainer
dies of its third shard: `bus` by SIGBUS since the file is cut while it is mapped, `segv` by SIGSEGV
each time, `twin` by SIGSEGV each time that there is a rescored one to read in its place.
"""

import argparse
import math
import mmap
import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import chess
import numpy as np

from backend import checkpoints
from backend.commands import (
    SAVED_ALREADY,
    AddShard,
    Pause,
    PlayMatch,
    Resume,
    SaveCheckpoint,
    Stop,
    UseNetwork,
    WorkerCommand,
)
from backend.commit import sha256_of
from backend.config import Config
from backend.errors import ConfigError, NonFiniteError, ReplayError
from backend.events import (
    CheckpointSaved,
    MatchFinished,
    MatchProgress,
    MatchStarted,
    SelfPlayProgress,
    ShardUnusable,
    ShardWritten,
    TrainerProgress,
    TrainingStep,
    WorkerReady,
)
from backend.replay.boards import move_code, position_array, position_key, position_words
from backend.replay.records import (
    BLACK_WON,
    DRAW,
    FULL_SEARCH,
    NO_RESULT,
    TRUNCATED,
    WHITE_WON,
    GameRecord,
    SampleRecord,
)
from backend.replay.rescored import read_rescored
from backend.replay.shards import ShardWriter, read_shard
from backend.replay.suspects import ReadingNote
from backend.rundir import RunDirectory
from backend.store.reading import admitted
from backend.workers.base import WorkerIO
from backend.workers.frame import run_worker

STEP_S = 0.01
MAX_PLIES = 60
POISONED = "-000002-"


class Orders:
    """What the fakes have in common: pausing and stopping."""

    def __init__(self, io: WorkerIO, *, deaf: bool) -> None:
        self._io = io
        self._deaf = deaf
        self.stopped = False
        self.poison = ""
        """How the trainer dies of the shard that is `POISONED`."""
        self.save: Callable[[str], None] | None = None
        """The trainer's: also while it is paused."""

    def take(self, timeout: float) -> list[WorkerCommand]:
        """Orders of this role that came within `timeout` seconds; waits while paused."""
        first = self._io.wait(timeout)
        commands = ([first] if first else []) + self._io.poll()
        rest: list[WorkerCommand] = []
        for command in commands:
            match command:
                case Stop():
                    self.stopped = not self._deaf
                case Pause():
                    self._pause(rest)
                case Resume():
                    pass
                case _:
                    rest.append(command)
        return rest

    def _pause(self, rest: list[WorkerCommand]) -> None:
        while True:
            self._io.set_phase("paused")
            command = self._io.wait(1.0)
            if isinstance(command, Resume | Stop):
                self.stopped = isinstance(command, Stop) and not self._deaf
                return
            if isinstance(command, SaveCheckpoint) and self.save is not None:
                self.save(command.reason)
            elif command is not None:
                rest.append(command)


def selfplay(io: WorkerIO, run: RunDirectory, config: Config, orders: Orders) -> None:
    rng = random.Random(f"{io.worker} {time.time_ns()}")
    writer = ShardWriter(
        run.replay, f"sp-{io.worker}", producer=io.worker, orientation="white", network=""
    )
    while not orders.stopped:
        for command in orders.take(0.05):
            if isinstance(command, UseNetwork):
                writer.network = command.name
        if not writer.network or orders.stopped:
            io.set_phase("waiting", "no network yet")
            continue
        io.set_phase("playing")
        games = [random_game(rng) for _ in range(2)]
        written = io.until_there_is_room(run.replay / "shard", partial(writer.write, games))
        io.emit(
            ShardWritten(
                worker=io.worker,
                name=written.name,
                sha256=written.sha256,
                games=written.num_games,
                positions=written.num_positions,
            )
        )
        io.emit(
            SelfPlayProgress(
                worker=io.worker,
                network=writer.network,
                games_running=2,
                mean_ply=10.0,
                positions_per_s=50.0,
                evaluations_per_s=500.0,
                network_frac=0.5,
                batch_frac=1.0,
            )
        )


def random_game(rng: random.Random) -> GameRecord:
    """A short random game with two samples, cut at the ply limit unless it ends before."""
    board = chess.Board(chess960=True)
    start = position_array(position_words(board))
    seen: dict[tuple[int, ...], int] = {}
    moves, samples = [], []
    outcome, result = TRUNCATED, NO_RESULT
    while True:
        key = position_key(position_words(board))
        repetitions = seen.get(key, 0)
        seen[key] = repetitions + 1
        legal = list(board.legal_moves)
        if not legal and board.is_check():
            outcome, result = 1, BLACK_WON if board.turn else WHITE_WON
        elif not legal:
            outcome, result = 2, DRAW
        elif board.is_insufficient_material():
            outcome, result = 3, DRAW
        elif repetitions >= 2:
            outcome, result = 5, DRAW
        if outcome != TRUNCATED or len(moves) >= MAX_PLIES:
            return GameRecord(start, moves, samples, outcome, result)
        if len(moves) in (0, 5):
            index = [move.from_square * 73 + n for n, move in enumerate(legal)]
            samples.append(
                SampleRecord(
                    position=position_array(position_words(board, repetitions)),
                    policy_index=np.array(index, np.int16),
                    policy_prob=np.full(len(legal), 1 / len(legal), np.float32),
                    root_wdl=np.array([0.25, 0.5, 0.25], np.float32),
                    kind=FULL_SEARCH,
                    ply=len(moves),
                )
            )
        move = rng.choice(legal)
        moves.append(move_code(move))
        board.push(move)


def trainer(io: WorkerIO, run: RunDirectory, config: Config, orders: Orders) -> None:
    names = checkpoints.list_checkpoints(run.checkpoints)
    step = checkpoints.checkpoint_step(names[-1]) or 0 if names else 0
    parent = names[-1] if names else ""
    window = set()
    note = ReadingNote(run.reading_file)

    def take_in(name: str) -> None:
        try:
            with note.reading(name):
                shard = read_rescored(run.replay, name) or read_shard(run.replay / name)
                is_twin = shard.name != name
                if orders.poison and POISONED in name and (is_twin or orders.poison != "twin"):
                    die_of(run.replay / name, orders.poison)
        except ReplayError as error:
            io.emit(ShardUnusable(worker=io.worker, name=name, reason=str(error)))
        else:
            window.add(name)

    for name in admitted(run.database).shards:
        take_in(name)

    def save(reason: str) -> None:
        nonlocal parent
        io.set_phase("saving")
        if checkpoints.checkpoint_name(step) != parent:
            parent = save_checkpoint(io, run, config, step, parent, reason)
        else:
            io.log(f"{parent} {SAVED_ALREADY}")

    orders.save = save
    if not names:
        save("initial")
    wanted = config.replay.min_positions
    while not orders.stopped:
        for command in orders.take(STEP_S):
            if isinstance(command, AddShard):
                take_in(command.name)
            elif isinstance(command, SaveCheckpoint):
                save(command.reason)
        if len(window) * 4 < wanted:
            io.set_phase("waiting", f"{len(window) * 4} of {wanted} positions")
            continue
        io.set_phase("training")
        step += 1
        io.emit(
            TrainingStep(
                step=step,
                metrics={
                    "policy_loss": 3.0 / step**0.1,
                    "value_loss": 1.0 / step**0.1,
                    "piece_loss": 2.0 / step**0.1,
                    "threat_loss": 0.4,
                    "threat_guess": 0.4,
                },
            )
        )
        io.emit(
            TrainerProgress(
                step=step,
                window_positions=4 * len(window),
                admitted_positions=4 * len(window),
                presented_samples=step,
                credits=100.0,
            )
        )
        if step % config.training.steps_per_cycle == 0:
            save("cycle")
    save("stopping")


def die_of(shard: Path, how: str) -> None:
    """A reader that maps the file while somebody cuts it, or one with a fault of its own."""
    if how in ("segv", "twin"):
        os.kill(os.getpid(), signal.SIGSEGV)
    with shard.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        os.truncate(shard, 0)
        mapped.read()


def save_checkpoint(
    io: WorkerIO, run: RunDirectory, config: Config, step: int, parent: str, reason: str
) -> str:
    arrays = {"weights": np.full(4, step, np.float32)}
    metrics = {"policy_loss": 3.0, "value_loss": 1.0, "piece_loss": 2.0}
    path = io.until_there_is_room(
        run.checkpoints / "checkpoint",
        lambda: checkpoints.save(
            run.checkpoints,
            step=step,
            model=config.model,
            parts={
                "model": arrays,
                "ema": arrays,
                "optimizer": {"rng.mask": np.zeros(8, np.uint8)},
            },
            parent=parent,
            metrics=metrics,
        ),
    )
    io.emit(
        CheckpointSaved(
            name=path.name,
            step=step,
            sha256=sha256_of(path / checkpoints.MANIFEST),
            size_mib=0.1,
            reason=reason,
            metrics=metrics,
        )
    )
    return path.name


def evaluator(io: WorkerIO, run: RunDirectory, config: Config, orders: Orders) -> None:
    while not orders.stopped:
        io.set_phase("waiting", "no match")
        for order in orders.take(0.05):
            if isinstance(order, PlayMatch):
                io.set_phase("evaluating")
                play(io, run, order)


def play(io: WorkerIO, run: RunDirectory, order: PlayMatch) -> None:
    checkpoints.verify(run.checkpoints / order.candidate)
    if order.opponent not in ("random", "greedy"):
        checkpoints.verify(run.checkpoints / order.opponent)
    common = {"match": order.match, "candidate": order.candidate, "opponent": order.opponent}
    io.emit(MatchStarted(games=order.games, simulations=order.simulations, **common))
    wins = order.games // 2 + 1
    io.emit(MatchProgress(match=order.match, played=1, wins=1, draws=0, losses=0))
    io.emit(
        MatchFinished(
            wins=wins,
            draws=0,
            losses=order.games - wins,
            truncated=0,
            pairs=(0, 0, order.games // 2 - 1, 0, 1),
            elo=30.0,
            elo_low=-20.0,
            elo_high=80.0,
            simulations=order.simulations,
            seconds=0.1,
            **common,
        )
    )


ROLES = {"selfplay": selfplay, "trainer": trainer, "evaluator": evaluator}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--fault", action="append", default=[])
    args = parser.parse_args()
    faults = dict(fault.split("=") for fault in args.fault)
    fault = faults.get(args.worker, "")
    if fault == "silent":
        time.sleep(3600)

    def work(io: WorkerIO, run: RunDirectory, config: Config) -> None:
        if fault == "config":
            raise ConfigError("this can never work")
        if fault == "nan":
            raise NonFiniteError("a step was not taken", step=7, values={"loss": math.nan})
        if fault == "loop":
            io.set_phase("training")
            for _ in range(5):
                io.poll()
            while True:
                pass
        if fault == "exit":
            raise RuntimeError("a bug")
        io.emit(
            WorkerReady(
                worker=args.worker, role=args.role, pid=1, device="cpu", reason="it is a fake"
            )
        )
        orders = Orders(io, deaf=fault == "deaf")
        orders.poison = fault if fault in ("bus", "segv", "twin") else ""
        ROLES[args.role](io, run, config, orders)

    return run_worker(work, role=args.role, directory=args.run, worker=args.worker)


if __name__ == "__main__":
    raise SystemExit(main())
