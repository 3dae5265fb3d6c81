"""Training on imported games: what it learns from, what it measures, and that it goes on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.checkpoints import list_checkpoints, read_manifest
from backend.config import Config
from backend.errors import ReplayError
from backend.events import TrainingStep
from backend.heldout import Measurement
from backend.replay import imports
from backend.replay.imports import import_pgn
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.supervised import SupervisedTraining
from backend.training.curriculum import PhaseConfig
from backend.training.safeguard import Safeguard
from backend.training.trainer import IMPORTED_SAMPLES
from backend.wire import decode_event, encode
from matrix0.commands.players import checkpoint_called
from tests.backend.replay.games import white_mates, write

GAMES = Path(__file__).resolve().parents[1] / "data" / "games" / "games_ci.pgn"
CONFIG = build_config(
    "tiny",
    overrides=[
        "model.channels=16",
        "model.blocks=1",
        "training.batch_size=32",
        "training.warmup_steps=1",
        "training.steps_per_cycle=4",
        "training.metrics_every=2",
        "training.precision=float32",
    ],
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    tally = import_pgn([str(GAMES)], folder, "mover")
    assert tally.held_out_games >= 1
    return folder


@pytest.fixture
def run(imported: Path, tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    for shard in imported.iterdir():
        (directory.imported / shard.name).symlink_to(shard)
    return directory


def _train(
    training: SupervisedTraining, steps: int, should_stop: Callable[[], bool] = lambda: False
) -> tuple[list[Measurement], list[TrainingStep]]:
    measured: list[Measurement] = []
    points: list[TrainingStep] = []
    training.train(
        steps,
        on_metrics=points.append,
        on_measured=measured.append,
        on_trouble=lambda _: None,
        should_stop=should_stop,
    )
    return measured, points


def test_it_goes_on_from_a_checkpoint_between_two_cycles_and_keeps_the_newest_of_these(
    run: RunDirectory,
) -> None:
    config = replace(CONFIG, training=replace(CONFIG.training, checkpoint_every_steps=1))

    class CutOff(Exception):
        pass

    def cut_off(point: TrainingStep) -> None:
        if point.step == 6:
            raise CutOff

    training = SupervisedTraining(run, config)
    with pytest.raises(CutOff):
        training.train(
            8,
            on_metrics=cut_off,
            on_measured=lambda _: None,
            on_trouble=lambda _: None,
            should_stop=lambda: False,
        )
    assert list_checkpoints(run.checkpoints) == ["step-00000000", "step-00000004", "step-00000005"]

    training = SupervisedTraining(run, config)
    assert training.step == 5
    _train(training, 3)
    assert list_checkpoints(run.checkpoints) == ["step-00000000", "step-00000004", "step-00000008"]
    lines = run.metrics_file.read_bytes().splitlines()
    steps = [e.step for e in map(decode_event, lines) if isinstance(e, TrainingStep)]
    assert sorted(set(steps)) == [2, 4, 6, 8]


def test_it_measures_and_saves_each_cycle_and_at_the_end(run: RunDirectory) -> None:
    measured, points = _train(SupervisedTraining(run, CONFIG), 6)
    assert [m.step for m in measured] == [0, 4, 6]
    assert [p.step for p in points] == [2, 4, 6]
    assert list_checkpoints(run.checkpoints) == ["step-00000000", "step-00000004", "step-00000006"]
    # Nothing has passed a gate here: the newest is the best there is.
    assert checkpoint_called("best", run) == "step-00000006"
    manifest = read_manifest(run.checkpoints / "step-00000006")
    assert manifest.parent == "step-00000004"
    assert manifest.metrics["held_out_top1"] == pytest.approx(measured[-1].top1)
    assert all(0 <= m.top1 <= m.top5 <= 1 for m in measured)
    curve = [decode_event(line) for line in run.metrics_file.read_bytes().splitlines()]
    assert [point.step for point in curve if isinstance(point, TrainingStep)] == [2, 4, 4, 6, 6]


def test_the_untrained_network_guesses_and_training_beats_it(run: RunDirectory) -> None:
    config = replace(CONFIG, training=replace(CONFIG.training, steps_per_cycle=60))
    (first, last), _ = _train(SupervisedTraining(run, config), 60)
    assert first.value_loss == pytest.approx(np.log(3), abs=0.1)
    assert first.top1 < 0.12
    assert last.policy_loss < first.policy_loss - 0.05


def test_two_runs_of_six_steps_equal_one_of_twelve(run: RunDirectory, tmp_path: Path) -> None:
    other = RunDirectory(tmp_path / "other")
    other.create()
    for shard in run.imported.iterdir():
        (other.imported / shard.name).symlink_to(shard.resolve())
    _train(SupervisedTraining(run, CONFIG), 6)
    halves, _ = _train(SupervisedTraining(run, CONFIG), 6)
    whole, _ = _train(SupervisedTraining(other, CONFIG), 12)
    assert halves[-1] == whole[-1]


def test_on_a_mix_two_runs_of_five_steps_equal_one_of_ten_and_phases_are_told(
    run: RunDirectory, tmp_path: Path
) -> None:
    phases = (PhaseConfig(name="openings", until_step=4, max_ply=20), PhaseConfig(name="all"))
    mixed = replace(CONFIG.training, mix={"pgn": 1.0, "selfplay": 1.0, "puzzles": 1.0})
    config = replace(CONFIG, training=mixed, curriculum=phases)
    other = RunDirectory(tmp_path / "other")
    other.create()
    for shard in run.imported.iterdir():
        (other.imported / shard.name).symlink_to(shard.resolve())
    for directory in (run, other):
        write(directory.replay, [white_mates()])
    said: list[str] = []
    _train(SupervisedTraining(run, config, said.append), 5)
    halves, points = _train(SupervisedTraining(run, config), 5)
    whole, _ = _train(SupervisedTraining(other, config), 10)
    assert halves[-1] == whole[-1]
    assert points[-1].metrics["share_pgn"] == points[-1].metrics["share_selfplay"] == 0.5
    assert said == [
        "phase 1 of 2: openings, up to step 4: selfplay 33%, pgn 33%, puzzles 33%",
        "source puzzles has no positions: it is left out of the mix",
        "phase 2 of 2: all, without an end: selfplay 33%, pgn 33%, puzzles 33%",
    ]


def test_points_of_the_curve_that_no_checkpoint_holds_are_dropped(run: RunDirectory) -> None:
    _train(SupervisedTraining(run, CONFIG), 4)
    kept = run.metrics_file.read_bytes()
    lost = TrainingStep(step=6, metrics={"policy_loss": 1.0})
    run.metrics_file.write_bytes(kept + encode(lost) + b'{"type":"Tra')
    SupervisedTraining(run, CONFIG)
    assert run.metrics_file.read_bytes() == kept


def test_a_checkpoint_that_is_there_has_all_points_that_led_to_it(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a death at once when it was committed."""

    def die(self: Safeguard, name: str) -> None:
        if name == "step-00000004":
            raise KeyboardInterrupt

    monkeypatch.setattr(Safeguard, "saved", die)
    with pytest.raises(KeyboardInterrupt):
        _train(SupervisedTraining(run, CONFIG), 6)
    assert list_checkpoints(run.checkpoints)[-1] == "step-00000004"
    curve = [decode_event(line) for line in run.metrics_file.read_bytes().splitlines()]
    assert [point.step for point in curve if isinstance(point, TrainingStep)] == [2, 4, 4]


def test_old_checkpoints_go_but_the_first_each_nth_and_the_last_stay(run: RunDirectory) -> None:
    watched = replace(CONFIG.supervisor, keep_checkpoints=2, keep_every=2)
    brief = replace(CONFIG.training, steps_per_cycle=1)
    _train(SupervisedTraining(run, replace(CONFIG, supervisor=watched, training=brief)), 5)
    steps = (0, 2, 4, 5)
    assert list_checkpoints(run.checkpoints) == [f"step-{step:08d}" for step in steps]


def test_imported_samples_are_told_apart_for_the_credits_of_self_play(run: RunDirectory) -> None:
    _train(SupervisedTraining(run, CONFIG), 2)
    _train(SupervisedTraining(run, CONFIG), 1)
    manifest = read_manifest(run.checkpoints / "step-00000003")
    assert manifest.data_position[IMPORTED_SAMPLES] == 3 * 32
    assert manifest.trainer["num_samples"] == 3 * 32


def test_samples_of_its_own_games_are_not_counted_among_the_imported_ones(
    run: RunDirectory,
) -> None:
    write(run.replay, [white_mates()])
    mixed = replace(CONFIG.training, mix={"pgn": 1.0, "selfplay": 1.0})
    _train(SupervisedTraining(run, replace(CONFIG, training=mixed)), 3)
    manifest = read_manifest(run.checkpoints / "step-00000003")
    assert manifest.trainer["num_samples"] == 3 * 32
    assert manifest.data_position[IMPORTED_SAMPLES] == 3 * 16


def test_a_stop_saves_what_was_learned(run: RunDirectory) -> None:
    asked = iter([False, False, False, True])
    _train(SupervisedTraining(run, CONFIG), 100, lambda: next(asked))
    assert list_checkpoints(run.checkpoints)[-1] == "step-00000003"


def test_a_stop_right_after_a_checkpoint_between_cycles_is_measured_too(
    run: RunDirectory,
) -> None:
    brief = replace(CONFIG.training, steps_per_cycle=100, checkpoint_every_steps=1)
    asked = iter([False, False, True])
    training = SupervisedTraining(run, replace(CONFIG, training=brief))
    measured, _ = _train(training, 100, lambda: next(asked))
    assert [m.step for m in measured] == [0, 2]
    assert 0 < training.trained_s == SupervisedTraining(run, CONFIG).trained_s


def test_the_same_held_out_positions_are_measured_each_time(run: RunDirectory) -> None:
    first, _ = _train(SupervisedTraining(run, CONFIG), 4)
    again, _ = _train(SupervisedTraining(run, CONFIG), 4)
    assert again[0] == first[-1]


def test_games_beyond_the_window_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "SHARD_POSITIONS", 500)
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    tally = import_pgn([str(GAMES)], directory.imported, "mover")
    small = replace(CONFIG, replay=replace(CONFIG.replay, imported_positions=1000))
    training = SupervisedTraining(directory, small)
    assert 1000 <= training.num_positions < 2500
    learned = tally.positions - tally.held_out_positions
    assert training.num_positions + training.num_left_out == learned


def test_without_imported_games_it_says_how_to_bring_them_in(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "empty")
    directory.create()
    with pytest.raises(ReplayError, match="matrix0 import pgn FILE"):
        SupervisedTraining(directory, CONFIG)


def test_shards_of_the_other_orientation_are_refused(run: RunDirectory) -> None:
    white: Config = replace(CONFIG, model=replace(CONFIG.model, orientation="white"))
    with pytest.raises(ReplayError, match="written in orientation 'mover', this run has 'white'"):
        SupervisedTraining(run, white)
