"""Recipes: each is a valid file over a preset, says what it needs, and needs no more."""

import re
import tomllib
from pathlib import Path

import pytest

from backend.advice.memory import memory_need
from backend.errors import ConfigError
from backend.presets import PRESETS
from backend.recipes import FOLDER, Recipe, list_recipes, settings_file
from backend.settings import build_config, preset_of
from matrix0.commands.options import usual_run
from tests.command_line import Run

RECIPES = {recipe.name: recipe for recipe in list_recipes()}
CORES = 4
"""Of the machine that a recipe is for, at most."""


def test_there_is_one_for_every_situation() -> None:
    assert list(RECIPES) == [
        *("cpu-evening", "flagship", "gpu-day", "m-series-night", "supervised-start")
    ]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_changes_settings_that_exist_over_a_preset(recipe: Recipe) -> None:
    preset = preset_of(recipe.path)
    assert preset in PRESETS
    config = build_config(file=Path(recipe.name))
    tables = {k: v for k, v in tomllib.loads(recipe.path.read_text()).items() if k != "preset"}
    plain = build_config(preset)
    for table, entries in tables.items():
        for key, value in entries.items():
            assert getattr(getattr(config, table), key) == value
            assert getattr(getattr(plain, table), key) != value, f"{key} is as in the preset"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_fits_the_memory_that_it_names(recipe: Recipe) -> None:
    config = build_config(file=recipe.path)
    need = memory_need(config, recipe.memory_gib).total(config.selfplay.workers or CORES)
    assert need < recipe.memory_gib
    assert "ot measured" in recipe.text, "it says what nobody has seen"


def test_more_games_a_larger_network_and_a_larger_batch_need_more_memory() -> None:
    small = memory_need(build_config("tiny"), 64)
    assert memory_need(build_config("tiny"), 64, games=1000).worker > small.worker
    assert memory_need(build_config("flagship"), 64).trainer > 4 * small.trainer
    wide = build_config("tiny", overrides=["training.batch_size=4096"])
    assert memory_need(wide, 64).trainer > 1.5 * small.trainer
    assert memory_need(build_config("flagship"), 4).trainer < 3, "a step is worked through in parts"


def test_the_memory_counted_for_tiny_is_near_what_its_processes_held() -> None:
    # docs/lab-notes.md, "From an empty checkout": 2.2 GiB, two workers.
    total = memory_need(build_config("tiny"), 24).total(2)
    assert 1.1 < total < 4.4


def test_a_name_is_a_recipe_only_where_no_file_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert settings_file(Path("gpu-day")) == FOLDER / "gpu-day.toml"
    assert usual_run(None, Path("gpu-day")) == Path("runs/gpu-day")
    assert usual_run("small", Path("mine.toml")) == Path("runs/small")
    Path("gpu-day").write_text("seed = 5\n")
    assert build_config(file=Path("gpu-day")).seed == 5
    with pytest.raises(ConfigError, match="cannot be read"):
        build_config(file=Path("gpu-dai"))


def test_a_preset_on_the_command_line_comes_before_that_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('preset = "tiny"\nseed = 3\n')
    assert build_config(file=file).model == build_config("tiny").model
    assert build_config("small", file).model == build_config("small").model
    file.write_text("preset = 3\n")
    with pytest.raises(ConfigError, match="preset = 3 must be text"):
        build_config(file=file)
    file.write_text('preset = "tyni"\n')
    with pytest.raises(ConfigError, match="no preset 'tyni'"):
        build_config(file=file)


def test_recipes_are_listed_and_shown(run: Run) -> None:
    listed = run("recipes").out
    assert all(re.search(rf"^{name} ", listed, re.M) for name in RECIPES)
    assert run("recipes", "gpu-day").out == RECIPES["gpu-day"].path.read_text()
    assert run("recipes", "x").code == 64
    assert "decay_steps = 40_000" in run("config", "--config", "cpu-evening").out
