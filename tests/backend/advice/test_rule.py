"""What is proposed follows from what was measured."""

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from backend.advice.rule import Machine, Proposal, Speed, propose
from backend.advice.toml import as_toml
from backend.config import Config
from backend.presets import PRESETS
from backend.settings import build_config, preset_of
from tests.command_line import Run

CONFIGS: dict[str, Config] = {name: build_config(name) for name in PRESETS}

# Two cores without a GPU: figures of docs/lab-notes.md.
TINY = Speed(
    preset="tiny",
    weights=132_071,
    runtime="openvino int8",
    games=64,
    evaluations_per_s=14_000.0,
    samples_per_s={256: 2_440.0},
    worker_gib=0.5,
    others_gib=1.0,
)
SMALL = dataclasses.replace(
    TINY,
    preset="small",
    weights=3_535_063,
    games=32,
    evaluations_per_s=900.0,
    samples_per_s={512: 128.0},
    others_gib=2.1,
)
LAPTOP = Machine(device="cpu", reason="cpu", cores=2, memory_gib=8.0, speeds=[TINY, SMALL])
GPU = Machine(
    device="cuda",
    reason="a GPU",
    cores=16,
    memory_gib=128.0,
    speeds=[
        dataclasses.replace(TINY, evaluations_per_s=300_000.0, samples_per_s={256: 20_000.0}),
        dataclasses.replace(
            SMALL,
            games=1536,
            evaluations_per_s=80_000.0,
            samples_per_s={512: 20_000.0, 1024: 30_000.0, 2048: 31_000.0},
        ),
        dataclasses.replace(
            SMALL,
            preset="flagship",
            weights=53_437_727,
            evaluations_per_s=20_000.0,
            samples_per_s={384: 7_000.0},
        ),
    ],
)


def proposal(machine: Machine) -> Proposal:
    return propose(machine, CONFIGS)


def with_tiny(machine: Machine = LAPTOP, **values: object) -> Proposal:
    """Of a machine that was measured with `tiny` alone."""
    return proposal(
        dataclasses.replace(machine, speeds=[dataclasses.replace(TINY, **values)])  # type: ignore[arg-type]
    )


def test_a_small_machine_gets_the_small_network_and_a_worker_for_each_core() -> None:
    chosen = proposal(LAPTOP)
    assert (chosen.preset, chosen.workers, chosen.games) == ("tiny", 2, 64)
    assert (chosen.simulations, chosen.batch_size) == (24, 256)
    assert chosen.learning_rate == CONFIGS["tiny"].training.learning_rate
    # 24 / 14,000 s of self-play and 2 / 2,440 s of training for each position, on two cores.
    assert chosen.positions_per_s == pytest.approx(2 / (24 / 14_000 + 2 / 2_440))
    assert chosen.samples_per_s == 2 * chosen.positions_per_s
    assert chosen.waits == "the trainer waits for positions"


def test_a_large_machine_gets_a_larger_network_and_the_batch_that_pays() -> None:
    chosen = proposal(GPU)
    assert (chosen.preset, chosen.workers, chosen.games) == ("small", 1, 1536)
    assert chosen.batch_size == 1024, "2048 gains three in a hundred only"
    assert chosen.learning_rate == pytest.approx(2e-3 * 2**0.5, rel=0.05)
    assert chosen.positions_per_s == pytest.approx(1 / (64 / 80_000 + 2 / 30_000))
    assert 0.9 < chosen.selfplay_share < 0.95


def test_what_could_not_be_measured_is_not_proposed() -> None:
    assert proposal(dataclasses.replace(GPU, speeds=GPU.speeds[:1])).preset == "tiny"


def test_where_the_trainer_is_full_searches_grow_until_it_is_not() -> None:
    chosen = with_tiny(dataclasses.replace(LAPTOP, cores=6))
    assert chosen.simulations > 24
    assert chosen.waits.startswith("self-play waits")
    many = with_tiny(dataclasses.replace(LAPTOP, cores=64, memory_gib=256.0))
    assert many.simulations == 4 * 24
    assert many.samples_per_s == pytest.approx(TINY.samples_per_s[256])


def test_where_a_day_is_too_short_searches_shrink_and_never_below_sixteen() -> None:
    assert with_tiny(evaluations_per_s=85.0).simulations == 16
    assert with_tiny(evaluations_per_s=20.0).simulations == 16
    assert with_tiny(evaluations_per_s=120.0).simulations == 24
    assert with_tiny(evaluations_per_s=1_000.0).simulations == 24


def test_workers_that_do_not_fit_the_memory_are_left_out() -> None:
    few = with_tiny(dataclasses.replace(LAPTOP, cores=16, memory_gib=4.0))
    assert few.workers == 4, "0.8 * 4 GiB less 1.0 for the others, 0.5 each"
    assert few.memory_gib <= 4.0


def test_the_file_is_the_proposal_with_its_figures(tmp_path: Path) -> None:
    chosen = proposal(GPU)
    file = tmp_path / "mine.toml"
    file.write_text(text := as_toml(GPU, chosen))
    assert preset_of(file) == "small"
    config = build_config(file=file)
    assert config.selfplay.workers == chosen.workers
    assert config.selfplay.games == chosen.games
    assert config.training.batch_size == chosen.batch_size
    assert config.training.learning_rate == chosen.learning_rate
    assert config.search.simulations == chosen.simulations
    assert "80,000 evaluations/s" in text
    assert "1024: 30,000" in text
    assert "Predicted, not measured" in text


@pytest.mark.slow
def test_a_real_machine_is_measured_and_its_file_can_be_used(run: Run, tmp_path: Path) -> None:
    done = run("tune", "--seconds", "10", "--write", "mine.toml", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    first = found["machine"]["speeds"][0]
    assert first["preset"] == "tiny"
    assert first["evaluations_per_s"] > 100
    assert min(first["samples_per_s"].values()) > 10
    tables = tomllib.loads((tmp_path / "mine.toml").read_text())
    assert tables["preset"] == found["proposal"]["preset"]
    assert build_config(file=tmp_path / "mine.toml").selfplay.games == found["proposal"]["games"]
