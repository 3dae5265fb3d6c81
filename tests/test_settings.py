"""Settings: what a person may write, and what they are told when it is wrong."""

import dataclasses
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.config import Config, SearchConfig, SelfPlayConfig
from backend.errors import ConfigError
from backend.presets import PRESETS
from backend.settings import build_config, load_config
from backend.settings_tables import field_docs
from backend.settings_text import dump_config

ROOT = Path(__file__).resolve().parents[1]


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_config_toml_at_the_root_loads_as_the_defaults() -> None:
    assert load_config(ROOT / "config.toml") == Config()


def test_config_toml_at_the_root_is_the_dump_of_the_defaults() -> None:
    text = (ROOT / "config.toml").read_text(encoding="utf-8")
    assert text == dump_config(Config()), "run: matrix0 config > config.toml"


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("comments", [True, False])
def test_a_dumped_preset_loads_as_the_same_config(
    preset: str, comments: bool, tmp_path: Path
) -> None:
    config = build_config(preset)
    assert load_config(_write(tmp_path, dump_config(config, comments=comments))) == config


def test_a_dump_names_the_default_of_every_changed_setting() -> None:
    text = dump_config(build_config("tiny"))
    assert "channels = 32  # default 320\n" in text
    assert "blocks = 4  # default 24\n" in text
    assert "seed = 0\n" in text


def _settings_classes() -> list[type]:
    parts = [getattr(Config(), f.name) for f in dataclasses.fields(Config)]
    return [Config, *(type(part) for part in parts if dataclasses.is_dataclass(part))]


@pytest.mark.parametrize("cls", _settings_classes(), ids=lambda cls: cls.__name__)
def test_every_setting_has_a_sentence(cls: type) -> None:
    assert cls.__doc__
    plain = {f.name for f in dataclasses.fields(cls) if not dataclasses.is_dataclass(f.default)}
    parts = {f.name for f in dataclasses.fields(cls) if dataclasses.is_dataclass(f.default_factory)}
    assert set(field_docs(cls)) == plain - parts
    assert all(text.endswith(".") for text in field_docs(cls).values())


def test_layers_apply_in_the_order_defaults_preset_file_overrides(tmp_path: Path) -> None:
    path = _write(tmp_path, "seed = 3\n[search]\nsimulations = 40\nc_puct = 2\n")
    config = build_config("tiny", path, ["search.simulations=50", "device.kind=cpu"])
    assert config.seed == 3
    assert config.search.gumbel_considered == PRESETS["tiny"]["search"]["gumbel_considered"]
    assert config.search.simulations == 50
    assert config.search.c_puct == 2.0
    assert isinstance(config.search.c_puct, float)
    assert config.device.kind == "cpu"


def test_a_base_is_kept_where_no_layer_speaks() -> None:
    base = build_config("tiny")
    assert build_config(base=base) == base
    changed = build_config(overrides=["seed=9"], base=base)
    assert changed == dataclasses.replace(base, seed=9)


FILE_ERRORS = {
    "[search]\nsimulation = 4": (
        "run.toml [search]: no setting 'simulation'; did you mean 'simulations'?"
    ),
    "[serch]\nsimulations = 4": "run.toml: no table [serch]; did you mean [search]?",
    "[quux]\nx = 4": "run.toml: no table [quux]",
    "[search]\nquux = 4": "run.toml [search]: no setting 'quux'",
    "[model]\nsimulations = 4": (
        "run.toml [model]: no setting 'simulations'; it belongs to [search]"
    ),
    "simulations = 4": "run.toml: no setting 'simulations'; it belongs to [search]",
    "search = 4": "run.toml: search must be a table: write [search]",
    "[seed]\nx = 4": "run.toml: seed is a setting, not a table",
    "[search]\nsimulations = 4.0": ("run.toml [search]: simulations = 4.0 must be a whole number"),
    "[search]\nsimulations = true": (
        "run.toml [search]: simulations = True must be a whole number"
    ),
    "[search]\nmate_check = 1": "run.toml [search]: mate_check = 1 must be true or false",
    "[search]\nc_puct = 'x'": "run.toml [search]: c_puct = 'x' must be a number",
    "[search]\nc_puct = nan": "run.toml [search]: c_puct = nan must be finite",
    "[search]\nc_puct = -inf": "run.toml [search]: c_puct = -inf must be finite",
    "[search]\nsimulations = 0": "run.toml [search]: simulations = 0 must be at least 1",
    "[search]\nroot = 'pcut'": (
        "run.toml [search]: root = 'pcut' must be one of 'gumbel', 'puct'; did you mean 'puct'?"
    ),
    "[search]\nroot = [1]": "run.toml [search]: root = [1] must be one of 'gumbel', 'puct'",
    "[replay]\nsamples_per_position = 5": (
        "run.toml [replay]: samples_per_position = 5.0 must be above 0 and at most 4 (the hard cap)"
    ),
    "[model]\nattention_heads = 7": (
        "run.toml [model]: channels = 320 must be a multiple of attention_heads = 7"
    ),
    "seed = -1": "run.toml: seed = -1 must not be negative",
}


@pytest.mark.parametrize(("text", "message"), FILE_ERRORS.items(), ids=lambda text: text[:30])
def test_a_wrong_file_is_told_with_file_table_key_and_nearest_name(
    text: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(_write(tmp_path, text))
    assert str(caught.value) == message


def test_a_file_that_is_not_toml_is_told_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml: is not TOML: .*line 2"):
        load_config(_write(tmp_path, "seed = 1\nsimulations 4\n"))


def test_a_file_that_is_not_text_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    with pytest.raises(ConfigError, match=r"run\.toml: cannot be read: No such file"):
        load_config(path)
    path.write_bytes(b"seed = \xff")
    with pytest.raises(ConfigError, match=r"run\.toml: is not UTF-8 text"):
        load_config(path)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_config(tmp_path)


def test_a_number_of_thousands_of_digits_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not TOML"):
        load_config(_write(tmp_path, "seed = " + "9" * 5000))
    with pytest.raises(ConfigError, match="must be finite"):
        load_config(_write(tmp_path, "[search]\nc_puct = " + "9" * 400))


def test_an_unknown_preset_lists_the_presets() -> None:
    with pytest.raises(ConfigError) as caught:
        build_config("tinny")
    assert str(caught.value) == (
        "no preset 'tinny'; did you mean 'tiny'? (there are: tiny, small, flagship)"
    )


OVERRIDE_ERRORS = {
    "search.simulation=4": (
        "--set search.simulation=4 [search]: no setting 'simulation'; did you mean 'simulations'?"
    ),
    "simulations": "--set simulations: expected table.key=value, as in search.simulations=32",
    "=4": "--set =4: expected table.key=value, as in search.simulations=32",
    "search.=4": "--set search.=4: expected table.key=value, as in search.simulations=32",
    "search.simulations=": (
        "--set search.simulations= [search]: simulations = '' must be a whole number"
    ),
    "search.simulations=many": (
        "--set search.simulations=many [search]: simulations = 'many' must be a whole number"
    ),
    "search.simulations=1\nseed = 2": (
        "--set search.simulations=1\nseed = 2 [search]: "
        "simulations = '1\\nseed = 2' must be a whole number"
    ),
}


@pytest.mark.parametrize(("text", "message"), OVERRIDE_ERRORS.items())
def test_a_wrong_override_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_config(overrides=[text])
    assert str(caught.value) == message


def test_a_conflict_blames_the_layer_that_made_it(tmp_path: Path) -> None:
    path = _write(tmp_path, "[model]\nattention_every = 2\n")
    with pytest.raises(ConfigError) as caught:
        build_config("tiny", path, ["seed=1"])
    assert str(caught.value) == (
        "preset 'tiny' [model]: channels = 32 must be a multiple of attention_heads = 20"
    )


_floats = st.floats(min_value=0, exclude_min=True, allow_nan=False, max_value=1e300)


@given(c_puct=_floats, simulations=st.integers(1, 10**12), mate_check=st.booleans())
def test_any_value_survives_writing_and_reading(
    c_puct: float, simulations: int, mate_check: bool
) -> None:
    values: dict[str, Any] = {
        "c_puct": c_puct,
        "simulations": simulations,
        "mate_check": mate_check,
    }
    config = Config(search=SearchConfig(**values))
    for comments in (True, False):
        read = tomllib.loads(dump_config(config, comments=comments))["search"]
        assert {name: read[name] for name in values} == values
        assert math.isclose(read["c_puct"], c_puct, rel_tol=0)


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_writing_and_reading(text: str) -> None:
    config = Config(selfplay=SelfPlayConfig(book_path=text))
    for comments in (True, False):
        read = tomllib.loads(dump_config(config, comments=comments))["selfplay"]
        assert read["book_path"] == text


@pytest.mark.parametrize(
    "setting", ["gumbel_c_visit", "gumbel_c_scale", "c_puct_factor", "fpu_reduction"]
)
def test_a_rule_that_looks_for_the_worst_moves_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting):
        build_config(overrides=[f"search.{setting}=-0.5"])


def test_keys_of_the_screen_are_texts_by_any_name(tmp_path: Path) -> None:
    config = build_config(file=_write(tmp_path, '[keys]\npause = "f2"\nlog-x = "\\""\n'))
    assert config.keys == {"pause": "f2", "log-x": '"'}
    assert load_config(_write(tmp_path, dump_config(config))) == config
    assert build_config(base=config, overrides=["keys.pause=f3"]).keys["pause"] == "f3"
    for text, why in (
        ("[keys]\npause = 3\n", "run.toml [keys]: pause = 3 must be text"),
        ('[keys]\n"a b" = "x"\n', "run.toml [keys]: 'a b' is no name"),
        ("keys = 3\n", "write [keys]"),
        ('[key]\npause = "x"\n', "did you mean [keys]?"),
    ):
        with pytest.raises(ConfigError) as refused:
            build_config(file=_write(tmp_path, text))
        assert why in str(refused.value)
