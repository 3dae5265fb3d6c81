"""`--from`: a new run starts from a network that is there, once; what is in the way is said."""

from dataclasses import replace
from pathlib import Path

import pytest

from backend.checkpoints import checkpoint_name, list_checkpoints, read_manifest
from backend.errors import CheckpointError, ConfigError, RunDirectoryError
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.start import start_in_words
from matrix0 import cli
from matrix0.commands.starting import starting_from
from tests.backend.test_trainer_worker import CONFIG
from tests.backend.test_training import make_trainer
from tests.command_line import Run
from tests.positions import random_batch

ROLE = "matrix0-tui --from"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """A run that was trained and never evaluated: its newest checkpoint is meant."""
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "sup")
    run.create()
    run.settle(CONFIG)
    trainer = make_trainer(CONFIG.model, CONFIG.training)
    trainer.save(run.checkpoints)
    trainer.step(random_batch(8, seed=1))
    trainer.save(run.checkpoints)
    return run


def test_a_run_starts_once_and_the_same_command_goes_on_with_it(
    source: RunDirectory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(tmp_path / "next")
    config = starting_from(source.path, run, build_config("tiny"), "tiny", ROLE)
    assert config.model == CONFIG.model  # The network's sizes, not those of the preset.
    assert run.read_config() == config
    assert list_checkpoints(run.checkpoints) == [checkpoint_name(0)]
    newest = source.checkpoints / checkpoint_name(1)
    assert f"starts from {newest}, the newest of run sup" in capsys.readouterr().err
    manifest = read_manifest(run.checkpoints / checkpoint_name(0))
    sha256 = read_manifest(newest).files["ema.safetensors"].sha256
    assert start_in_words(manifest) == f"from {newest}, SHA-256 {sha256[:16]}"

    assert starting_from(source.path, run, config, "", ROLE) == config
    assert capsys.readouterr().err == ""


def test_what_is_in_the_way_is_said(source: RunDirectory, tmp_path: Path) -> None:
    def start(network: Path, run: RunDirectory, config: object = CONFIG) -> None:
        starting_from(network, run, config, "", ROLE)  # type: ignore[arg-type]

    with pytest.raises(RunDirectoryError, match=r"has checkpoints already, not from .* choose"):
        start(source.path, source)
    pickle = tmp_path / "v2.pt"
    pickle.write_bytes(b"x")
    with pytest.raises(CheckpointError, match="earlier program comes in by matrix0 import"):
        start(pickle, RunDirectory(tmp_path / "a"))
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a run"):
        start(tmp_path, RunDirectory(tmp_path / "a"))
    assert not (tmp_path / "a").exists()

    other = RunDirectory(tmp_path / "other")
    other.create()
    other.settle(build_config("tiny"))
    with pytest.raises(RunDirectoryError, match="made for another network than"):
        start(source.path, other)

    scalar = make_trainer(replace(CONFIG.model, value_head="scalar"), CONFIG.training)
    saved = scalar.save(tmp_path / "scalar" / "checkpoints")
    asked = replace(CONFIG, training=replace(CONFIG.training, value_loss="cross_entropy"))
    with pytest.raises(ConfigError, match=r"--from .*needs model\.value_head"):
        start(saved, RunDirectory(tmp_path / "b"), asked)


def test_it_does_not_go_with_what_starts_nothing(run: Run) -> None:
    refused = run("--list", "--from", "runs/sup", entry=cli.tui_main)
    assert refused.code == 2
    assert "--list shows runs and starts none" in refused.err
