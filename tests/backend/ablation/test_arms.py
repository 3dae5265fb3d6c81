"""From the words of the command line to arms."""

import pytest

from backend.ablation.arms import arms_of
from backend.config import Config
from backend.errors import ConfigError


def test_values_of_several_settings_are_combined() -> None:
    arms = arms_of(["ssl.enabled=true,false", "model.blocks=2, 4"], [])
    assert [arm.name for arm in arms] == [
        "ssl.enabled=true, model.blocks=2",
        "ssl.enabled=true, model.blocks=4",
        "ssl.enabled=false, model.blocks=2",
        "ssl.enabled=false, model.blocks=4",
    ]
    config = arms[3].config(Config(seed=10), 2)
    assert (config.ssl.enabled, config.model.blocks, config.seed) == (False, 4, 12)
    assert arms[3].folder == "ssl.enabled-false-model.blocks-4"


def test_a_named_arm_changes_all_that_it_lists() -> None:
    base, alone = arms_of([], ["all:", "pin alone: ssl.piece_weight=0 ssl.fork_weight=0"])
    assert base.config(Config(), 0) == Config()
    config = alone.config(Config(), 0)
    assert (config.ssl.piece_weight, config.ssl.fork_weight, config.ssl.pin_weight) == (0, 0, 0.1)


@pytest.mark.parametrize(
    ("vary", "named", "message"),
    [
        ([], [], "at least two arms"),
        (["ssl.enabled=true"], [], "at least two arms"),
        (["ssl.enabled"], [], "expected table.key=A,B"),
        (["ssl.enabled=true,"], [], "expected table.key=A,B"),
        ([], ["ssl.enabled=true", "b:"], "expected 'NAME: table.key=value …'"),
        (["model.blocks=2,2"], [], "too like another's"),
        ([], ["a b:", "a-b:"], "too like another's"),
        (["seed=1,2"], [], "see --seeds"),
        ([], ["a:", "b: seed = 3"], "see --seeds"),
    ],
)
def test_what_makes_no_arms_is_refused(vary: list[str], named: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arms_of(vary, named)
