"""Which settings a run at work can change, and what a wish to change one comes to."""

import pytest

from backend.cluster.config import ClusterConfig
from backend.config import Config
from backend.errors import OrderError
from backend.live import FLEET, LIVE, WORKERS, settings_in_force, wanted
from backend.training.config import TrainingConfig

ON_A_CLUSTER = Config(cluster=ClusterConfig(pool="ray", num_selfplay=4))
CONFIG = Config(training=TrainingConfig(learning_rate=0.001))


@pytest.mark.parametrize(
    ("name", "text", "old", "new"),
    [
        ("training.learning_rate", "0.0005", "0.001", "0.0005"),
        ("learning_rate", "x0.5", "0.001", "0.0005"),
        ("simulations", "*2", "64", "128"),
        ("search.simulations", " 100 ", "64", "100"),
        ("workers", "3", "0", "3"),
        ("selfplay.temperature", "2", "1.0", "2.0"),
    ],
)
def test_a_value_or_a_factor_makes_a_change(name: str, text: str, old: str, new: str) -> None:
    change = wanted(CONFIG, name, text)
    assert (change.old, change.new) == (old, new)
    assert settings_in_force(change.config)[change.name] == new
    assert wanted(change.config, change.name, old).config == CONFIG


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("learning_rate", "-1", "learning_rate = -1.0 must be > 0"),
        ("learning_rate", "1e9", "is out of range: peak rate, above 0, at most 1"),
        ("learning_rate", "nan", "must be finite"),
        ("learning_rate", "fast", "must be a number"),
        ("learning_rate", "xyz", "must be a number"),
        ("learning_rate", "xinf", "must be finite"),
        ("simulations", "xinf", "must be a whole number"),
        ("simulations", "x1e308", "must be a whole number"),
        ("workers", "xnan", "must be a whole number"),
        ("simulations", "10.5", "must be a whole number"),
        ("simulations", "0", "must be at least 1"),
        ("simulations", "1000000", "is out of range"),
        ("samples_per_position", "8", "the hard cap"),
        ("workers", "65", "is out of range"),
        ("search.simulations", "64", "search.simulations is 64 already"),
        ("training.batch_size", "8", "can change (there are: training.learning_rate, "),
        ("simulation", "8", "did you mean 'simulations'?"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(name: str, text: str, why: str) -> None:
    with pytest.raises(OrderError) as refused:
        wanted(CONFIG, name, text)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_every_live_setting_is_one() -> None:
    assert settings_in_force(CONFIG).keys() == LIVE.keys() - {FLEET}
    assert settings_in_force(ON_A_CLUSTER).keys() == LIVE.keys() - {WORKERS}
    assert settings_in_force(CONFIG)["search.simulations"] == "64"


@pytest.mark.parametrize("name", ["workers", WORKERS, "num_selfplay", FLEET])
def test_on_a_cluster_the_number_of_workers_is_that_of_the_cluster(name: str) -> None:
    change = wanted(ON_A_CLUSTER, name, "x2")
    assert (change.name, change.old, change.new) == (FLEET, "4", "8")
    assert change.config.selfplay.workers == 0
    assert wanted(ON_A_CLUSTER, name, "500").new == "500"


def test_without_a_cluster_its_number_of_workers_is_refused() -> None:
    with pytest.raises(OrderError, match=r"cluster\.pool is 'local': set selfplay\.workers"):
        wanted(CONFIG, "num_selfplay", "8")
