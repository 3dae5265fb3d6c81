"""The run's trainer on a mix: shares, credits, phases, and the same steps after a kill."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend import checkpoints
from backend.config import Config
from backend.errors import ReplayError
from backend.events import Event, LogLine, PhaseBegan, TrainerProgress, TrainingStep
from backend.replay import records
from backend.replay.provenance import Source
from backend.replay.shards import ShardWriter
from backend.replay.window import Window
from backend.rundir import RunDirectory
from backend.training.curriculum import PhaseConfig
from backend.training.feed import Feed
from backend.training.trainer import IMPORTED_SAMPLES
from backend.workers import trainer as trainer_worker
from tests.backend.replay.games import SHUFFLE, game_of, write
from tests.backend.test_trainer_worker import CONFIG, _admit, _make_run, _write
from tests.backend.training.test_guard import Patient

PHASES = (
    PhaseConfig(name="openings", until_step=4, mix={"pgn": 1.0}, max_ply=3),
    PhaseConfig(name="mixed", learning_rate_factor=0.5),
)


def mixed(*phases: PhaseConfig, **mix: float) -> Config:
    training = replace(
        CONFIG.training, mix=mix, checkpoint_every_s=0, checkpoint_every_steps=3, warmup_steps=0
    )
    return replace(CONFIG, training=training, curriculum=phases)


def make_run(path: Path, config: Config) -> RunDirectory:
    """28 positions of its own, which buy 112 presentations, and 8 imported ones."""
    run = _make_run(path, config)
    for seq in range(2):
        _admit(run, _write(run, seq))
    played = game_of(SHUFFLE, 5, records.DRAW, kind=records.PLAYED_MOVE)
    write(run.imported, [played], prefix="train-pgn")
    return run


def train(run: RunDirectory, io: Patient) -> Patient:
    trainer_worker.main(io, run, run.read_config())  # type: ignore[arg-type]
    return io


class Killed(Exception):
    pass


class Mortal(Patient):
    """Ends in the middle of its work."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self._last = step

    def emit(self, event: Event) -> None:
        super().emit(event)
        if isinstance(event, TrainingStep) and event.step == self._last:
            raise Killed


def test_only_its_own_games_cost_credits_and_shares_are_on_the_curves(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", mixed(selfplay=3, pgn=1, puzzles=2))
    io = train(run, Patient())
    points = io.of(TrainingStep)
    # Six of eight samples: 112 credits are enough for 18 batches.
    assert [point.step for point in points] == list(range(1, 19))
    assert points[-1].metrics["share_selfplay"] == 0.75
    assert points[-1].metrics["share_pgn"] == 0.25
    assert [line.text for line in io.of(LogLine) if "source" in line.text] == [
        "source puzzles has no positions: it is left out of the mix"
    ]
    position = checkpoints.read_manifest(run.checkpoints / "step-00000018").data_position
    assert position[IMPORTED_SAMPLES] == 18 * 2
    assert io.of(TrainerProgress)[0].presented_samples == 0
    assert io.of(PhaseBegan) == []


def test_phases_are_told_and_one_without_self_play_waits_for_none(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", mixed(*PHASES, selfplay=1, pgn=1))
    for shard in run.replay.iterdir():
        shard.unlink()  # They are reported as unusable: nothing of its own is left.
    io = train(run, Patient())
    assert [point.step for point in io.of(TrainingStep)] == [1, 2, 3, 4]
    assert {point.metrics["share_pgn"] for point in io.of(TrainingStep)} == {1.0}
    first, second = io.of(PhaseBegan)
    assert first.sentence == "phase 1 of 2: openings, up to step 4: pgn 100%"
    assert second.sentence == (
        "phase 2 of 2: mixed, without an end: selfplay 50%, pgn 50%, learning rate x0.5"
    )
    assert (first.step, second.step) == (0, 4)


def test_killed_and_started_again_it_draws_the_same_batches(tmp_path: Path) -> None:
    config = mixed(*PHASES, selfplay=1, pgn=1)
    straight, killed = (make_run(tmp_path / name, config) for name in ("straight", "killed"))
    rates = [p.metrics["learning_rate"] for p in train(straight, Patient()).of(TrainingStep)]
    assert len(rates) == 4 + 112 // 4
    assert rates[4] == pytest.approx(rates[3] / 2, rel=1e-3)
    for step in (5, 8, 20):
        with pytest.raises(Killed):
            train(killed, Mortal(step))
    train(killed, Patient())
    name = checkpoints.list_checkpoints(straight.checkpoints)[-1]
    assert name == "step-00000032"
    once, twice = (run.checkpoints / name for run in (straight, killed))
    for part in checkpoints.PARTS:
        file = f"{part}.safetensors"
        assert (once / file).read_bytes() == (twice / file).read_bytes(), part
    one, two = checkpoints.read_manifest(once), checkpoints.read_manifest(twice)
    assert one.data_position == two.data_position


def test_a_file_goes_by_its_own_name_where_the_mix_names_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", mixed(**{"pgn": 1.0, "masters.pgn": 3.0}))
    writer = ShardWriter(run.imported, "train-pgn", producer="pgn", orientation="mover")
    games = [replace(game_of(SHUFFLE, 5, records.DRAW), source=n) for n in (0, 1)]
    files = (Source(name="masters.pgn", kind="pgn"), Source(name="club.pgn", kind="pgn"))
    writer.write(games, sources=files)
    draws = Feed(run, run.read_config(), Window(run.replay, 100), lambda _: None).draws
    assert draws.sample(8, 0).drawn == {"pgn": 2, "masters.pgn": 6}


def test_a_source_that_nobody_knows_stops_it_with_their_names(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", mixed(selfplay=1, masters=1))
    with pytest.raises(ReplayError, match=r"no source 'masters' \(there are: selfplay, pgn"):
        train(run, Patient())
