"""Mix and curriculum as settings: what may be written, how it is refused, what a phase changes."""

from pathlib import Path

import pytest

from backend.errors import ConfigError
from backend.settings import build_config, changed, load_config
from backend.settings_text import dump_config
from backend.training.curriculum import PhaseConfig, phase_number, rate_factor

TEXT = """
[training.mix]
selfplay = 3
pgn = 1

[[curriculum]]
name = "openings"
until_step = 2000
mix = { pgn = 1 }
max_ply = 20

[[curriculum]]
learning_rate_factor = 0.5
"""


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_mix_and_phases_are_read_and_a_dump_reads_as_the_same(tmp_path: Path) -> None:
    config = load_config(_write(tmp_path, TEXT))
    assert config.training.mix == {"selfplay": 3.0, "pgn": 1.0}
    first, second = config.curriculum
    assert first == PhaseConfig(name="openings", until_step=2000, mix={"pgn": 1.0}, max_ply=20)
    assert second == PhaseConfig(learning_rate_factor=0.5)
    for comments in (True, False):
        text = dump_config(config, comments=comments)
        assert load_config(_write(tmp_path, text)) == config
        assert text.endswith("[[curriculum]]\nlearning_rate_factor = 0.5\n")


def test_a_single_weight_is_set_beside_the_others(tmp_path: Path) -> None:
    config = build_config(file=_write(tmp_path, TEXT), overrides=["training.mix.pgn=2"])
    assert config.training.mix == {"selfplay": 3.0, "pgn": 2.0}
    assert build_config(overrides=["training.mix.pgn=1"]).training.mix == {"pgn": 1.0}
    whole = build_config(overrides=["training.mix={epd = 1}"], base=config)
    assert whole.training.mix == {"epd": 1.0}
    phases = build_config(overrides=["curriculum=[{until_step = 5}, {max_ply = 9}]"]).curriculum
    assert [phase.max_ply for phase in phases] == [0, 9]
    assert changed(config, "training.learning_rate", "0.1").curriculum == config.curriculum


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[training.mix]\npgn = 0\nselfplay = 0",
            "run.toml [training]: mix = {'pgn': 0.0, 'selfplay': 0.0} needs a weight above 0",
        ),
        (
            "[training.mix]\npgn = -1",
            "run.toml [training]: mix = {'pgn': -1.0} must not be negative",
        ),
        ("[training.mix]\npgn = 'x'", "run.toml [training]: pgn = 'x' must be a number"),
        ("[training.mix]\n'a/b' = 1", "run.toml [training]: mix = 'a/b' is no name of a source"),
        (
            "[[curriculum]]\nstage = 'late'",
            "[[curriculum]], phase 1: stage = 'late' must be one of 'any', 'opening', "
            "'middlegame', 'endgame'",
        ),
        ("[training]\nmix = 3", "run.toml [training]: mix = 3 must be a table: name = number"),
        (
            "[curriculum]\nmax_ply = 3",
            "run.toml: curriculum has phases: write [[curriculum]] for each",
        ),
        (
            "[[curriculum]]\nmax_pli = 3",
            "[[curriculum]], phase 1: no setting 'max_pli'; did you mean 'max_ply'?",
        ),
        (
            "[[curriculum]]\nuntil_step = 9\n[[curriculum]]\nuntil_step = 9",
            "run.toml: curriculum phase 2: until_step = 9 must be above 9, where the phase before "
            "ends",
        ),
        (
            "[[curriculum]]\n[[curriculum]]\nuntil_step = 9",
            "run.toml: curriculum phase 1: until_step = 0 means that it never ends: only the last "
            "phase may have that",
        ),
        (
            "[[curriculum]]\nmin_ply = 9\nmax_ply = 3",
            "[[curriculum]], phase 1: min_ply = 9 is above max_ply = 3",
        ),
        (
            "[[curriculum]]\nlearning_rate_factor = 0",
            "[[curriculum]], phase 1: learning_rate_factor = 0.0 must be > 0",
        ),
        ("curriculum = 3", "run.toml: curriculum = 3 must be a list of tables: [[curriculum]]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(_write(tmp_path, text))
    assert str(refused.value) == message


def test_a_phase_ends_at_its_step_and_the_last_goes_on() -> None:
    phases = (PhaseConfig(until_step=10), PhaseConfig(until_step=20, learning_rate_factor=0.5))
    assert [phase_number(phases, step) for step in (0, 9, 10, 19, 20, 99)] == [0, 0, 1, 1, 1, 1]
    assert [rate_factor(phases, step) for step in (0, 10, 99)] == [1.0, 0.5, 0.5]
    assert (phase_number((), 5), rate_factor((), 5)) == (-1, 1.0)


def test_the_example_is_one() -> None:
    config = build_config("tiny", Path(__file__).resolve().parents[3] / "docs/curriculum.toml")
    assert [phase.name for phase in config.curriculum] == ["openings", "tactics", "mixed"]
    assert [phase.until_step for phase in config.curriculum] == [1500, 3000, 0]
