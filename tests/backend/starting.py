"""A run on a disk, its start without workers, and what workers would have left."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from backend import checkpoints
from backend.config import Config, EvaluationConfig
from backend.recovery import Findings, open_ledger, recover
from backend.replay.provenance import Rescoring
from backend.replay.shards import ShardWriter, commit_columns, place_in_name, read_shard
from backend.rundir import RunDirectory
from backend.training.config import TrainingConfig
from tests.backend.fakes.worker import random_game

CONFIG = Config(
    training=TrainingConfig(steps_per_cycle=10),
    evaluation=EvaluationConfig(games=4, baseline_games=0),
)


@asynccontextmanager
async def started(run: RunDirectory, config: Config = CONFIG) -> AsyncIterator[Findings]:
    ledger, journal, remarks = await open_ledger(run)
    try:
        yield await recover(run, config, ledger, remarks)
    finally:
        await ledger.flush()
        await ledger.store.close()
        journal.close()


def write_shards(run: RunDirectory, number: int, seed: int = 1) -> list[str]:
    writer = ShardWriter(run.replay, "sp-sp0", producer="sp0", orientation="white", network="n")
    rng = random.Random(seed)
    return [writer.write([random_game(rng), random_game(rng)]).name for _ in range(number)]


def write_rescored(run: RunDirectory, name: str) -> Path:
    """What a pass that changed nothing would leave of this shard."""
    plan = Rescoring(
        of=name, blunder=0.0, width=0.0, search_frac=0.0, everywhere=False, syzygy="", tables=""
    )
    shard = read_shard(run.replay / name)
    metadata = replace(shard.metadata, rescoring=plan)
    return commit_columns(run.rescored, *place_in_name(name), shard.columns, metadata).path


def delete_database(run: RunDirectory) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{run.database}{suffix}").unlink(missing_ok=True)


def write_checkpoint(run: RunDirectory, step: int) -> str:
    arrays = {"weights": np.full(4, step, np.float32)}
    parts = {"model": arrays, "ema": arrays, "optimizer": arrays}
    return checkpoints.save(run.checkpoints, step=step, model=CONFIG.model, parts=parts).name


def pgn_ids(run: RunDirectory) -> list[str]:
    text = (run.games / "selfplay.pgn").read_text()
    return [line.split('"')[1] for line in text.splitlines() if line.startswith("[GameId")]
