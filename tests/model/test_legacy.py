"""The earlier program's state dict: every key known, every known key there."""

import csv
from dataclasses import fields

import pytest
import torch
from torch import Tensor

from backend.presets import PRESETS
from model import legacy
from model.config import ModelConfig
from model.legacy import ALIASES, earlier_form, earlier_parameters, take_weights
from model.net import ChessNet, describe
from tests.earlier import GOLDEN, golden_state

FLAGSHIP = ModelConfig(**PRESETS["flagship"]["model"])


def test_flagship_has_the_474_keys_of_the_earlier_program() -> None:
    with (GOLDEN.parent / "v2_checkpoint_keys.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 474
    listed = {
        row["key"]: [] if row["shape"] == "scalar" else list(map(int, row["shape"].split("x")))
        for row in rows
    }
    with torch.device("meta"):
        net = ChessNet(earlier_form(FLAGSHIP))
    state = net.state_dict()
    assert len(state) == 470
    assert {key: list(tensor.shape) for key, tensor in state.items()} == {
        key: shape for key, shape in listed.items() if key not in ALIASES
    }
    aliases = {row["key"]: row["kind"] for row in rows if row["kind"].startswith("alias")}
    assert aliases == {key: f"alias of {name}" for key, name in ALIASES.items()}


def test_flagship_has_the_earlier_programs_parameters_and_those_added_here() -> None:
    assert earlier_parameters(FLAGSHIP) == 53_161_185
    added = {part.name: part.parameters for part in describe(FLAGSHIP)}
    assert added["value head (wdl)"] == 1_383_169 + 2 * 161
    assert added["plies-left head"] == 68_369
    ssl_heads = sum(added[f"{name} head"] for name in ("threat", "pin", "fork", "control"))
    assert ssl_heads == 207_851
    assert sum(added.values()) == 53_161_185 + 322 + 68_369 + ssl_heads


def test_a_network_of_another_make_has_no_earlier_form() -> None:
    assert earlier_parameters(ModelConfig(**PRESETS["tiny"]["model"])) is None


def test_every_option_is_a_part_a_size_or_an_addition() -> None:
    """A new option of ModelConfig must be sorted in here, or an import would take its default."""
    known = legacy._ITS_PARTS | legacy._ITS_VIEW | legacy._ADDED_HERE
    known |= legacy._sizes(golden_state())
    assert known.keys() == {field.name for field in fields(ModelConfig)}


def test_sizes_are_read_from_the_shapes() -> None:
    weights = take_weights(golden_state(), FLAGSHIP)
    assert weights.config == ModelConfig(
        orientation="white",
        channels=32,
        blocks=6,
        attention_heads=4,
        policy_rank=16,
        value_head="scalar",
        value_hidden=32,
        plies_left_head=True,
        ssl_heads=True,
    )
    assert len(weights.tensors) == 152
    assert weights.num_aliases == 4


def test_a_missing_an_unknown_and_a_second_name_with_other_numbers_are_named() -> None:
    def refusal(change: dict[str, Tensor | None]) -> str:
        changed = golden_state() | change
        state = {key: tensor for key, tensor in changed.items() if tensor is not None}
        with pytest.raises(ValueError, match=r".") as refused:
            take_weights(state, FLAGSHIP)
        return str(refused.value)

    one = torch.ones(())
    assert refusal({"value_fc2.bias": None}) == "1 key missing: 'value_fc2.bias'"
    assert refusal({"stem.0.weight": None}) == "1 key missing: 'stem.0.weight'"
    assert refusal({"ssl_head.1.bias": None}) == "1 key missing: 'ssl_head.1.bias'"
    assert refusal({"ssl_threat_head.0.weight": one, "stem.1.bias": None}) == (
        "1 key missing: 'stem.1.bias'; 1 key unknown: 'ssl_threat_head.0.weight'"
    )
    assert refusal({f"extra.{n}": one for n in range(5)}) == (
        "5 keys unknown: 'extra.0', 'extra.1', 'extra.2', …"
    )
    other = golden_state()["ssl_head.1.bias"] + 1
    assert "'ssl_head.1.bias' is not the same as 'ssl_piece_head.1.bias'" in (
        refusal({"ssl_head.1.bias": other})
    )
    assert "'policy_fc1.bias' is torch.float32 [2], this network needs" in (
        refusal({"policy_fc1.bias": torch.ones(2)})
    )
    assert "not finite" in refusal({"policy_fc1.bias": torch.full((16,), torch.nan)})
    assert "multiple of 16" in refusal({"stem.0.weight": torch.ones(17, 19, 3, 3)})
