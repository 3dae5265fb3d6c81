"""Settings of self-play and its search that make no sense are refused with their name."""

from typing import Any

import pytest

from backend.config import SearchConfig, SelfPlayConfig


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("full_search_frac", 1.5),
        ("cheap_simulations", 0),
        ("simulations_start", -1),
        ("simulations_grow_steps", 0),
        ("policy_surprise_frac", -0.1),
        ("temperature_end", -0.1),
        ("soft_resign_value", 1.0),
        ("soft_resign_plies", 0),
        ("soft_resign_simulations", 0),
        ("soft_resign_weight", 0.0),
        ("soft_resign_weight", 1e-8),
        ("resign_false_frac", 1.0),
        ("resign_plies", 1),
        ("resign_playthrough_frac", 0.0),
        ("book_plies", 0),
        ("network_opening_plies", 0),
        ("archive_games", 0),
        ("syzygy_men", 8),
    ],
)
def test_a_setting_of_self_play_out_of_range_is_refused(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{setting} = "):
        SelfPlayConfig(**{setting: value})


@pytest.mark.parametrize("setting", ["dirichlet_total", "forced_playouts"])
def test_a_setting_of_the_search_out_of_range_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=f"^{setting} = "):
        SearchConfig(**{setting: -1.0})


def test_every_feature_is_off_by_default() -> None:
    config, search = SelfPlayConfig(), SearchConfig()
    assert config.full_search_frac == 1.0
    assert config.temperature_decay == "step"
    assert config.temperature_end == 0.0
    for name in (
        "simulations_start",
        "policy_surprise_frac",
        "soft_resign_value",
        "resign_false_frac",
        "book_frac",
        "network_opening_frac",
        "archive_frac",
        "syzygy_path",
    ):
        assert not getattr(config, name)
    for name in ("dirichlet_total", "dirichlet_shaped", "forced_playouts"):
        assert not getattr(search, name)
