"""ChessNet: the earlier program's outputs and counts, every option's shape, its first weights."""

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import Tensor

from backend.presets import PRESETS
from model.blocks import Attention, reachable_squares
from model.config import ModelConfig, Orientation
from model.heads import ConvPolicyHead
from model.net import ChessNet, Head, Part, count_parameters, describe, initialise
from tests.earlier import golden_tensors

ALL_HEADS: tuple[Head, ...] = ("policy", "value", "piece", "from_square", "move_type")
TINY = ModelConfig(
    channels=16,
    blocks=2,
    board_features=False,
    attention_every=0,
    policy_head="conv",
    value_channels=8,
    value_hidden=16,
    aux_policy_heads=False,
)


def golden_config(*, smolgen: bool = False) -> ModelConfig:
    return ModelConfig(
        orientation="white",
        channels=32,
        blocks=6,
        attention_heads=4,
        policy_rank=16,
        value_head="scalar",
        value_hidden=32,
        smolgen=smolgen,
    )


def golden_net(tensors: dict[str, Tensor]) -> ChessNet:
    net = ChessNet(golden_config())
    prefix = "weights."
    net.load_state_dict(
        {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)},
        strict=True,
    )
    return net.eval()


@torch.inference_mode()
def test_weights_of_the_earlier_program_give_its_outputs() -> None:
    tensors = golden_tensors()
    output = golden_net(tensors)(tensors["planes"], heads=ALL_HEADS)
    for name, ours in (
        ("policy", output.policy_logits_BM),
        ("value", output.value_B),
        ("ssl_piece", output.piece_logits_B13S),
        ("aux_from_square", output.from_square_logits_B64S),
        ("aux_move_type", output.move_type_logits_B12S),
    ):
        theirs = tensors[name].reshape(ours.shape)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0, msg=name)


def test_flagship_with_the_options_of_the_earlier_program_has_its_parameter_counts() -> None:
    parts = {part.name: part for part in describe(ModelConfig(value_head="scalar"))}
    assert parts["stem"].parameters == 55_360
    assert parts["board features"].parameters == 1_045_760
    assert parts["residual blocks"] == Part("residual blocks", 24, 24 * 1_896_080)
    assert parts["attention layers"] == Part("attention layers", 8, 8 * 492_160)
    assert parts["policy head (lowrank)"].parameters == 20_608 + 1_127_104 + 9_344
    assert parts["value head (scalar)"].parameters == 1_383_169
    assert parts["masked-piece head"].parameters == 53_600
    assert parts["from-square head"].parameters == 12_352
    assert parts["move-type head"].parameters == 10_688
    assert sum(part.parameters for part in parts.values()) == 53_161_185


def test_four_more_self_supervised_heads_add_their_parameters_to_flagship() -> None:
    without, parts = (
        {part.name: part.parameters for part in describe(ModelConfig(ssl_heads=ssl_heads))}
        for ssl_heads in (False, True)
    )
    assert {name: count for name, count in parts.items() if name not in without} == {
        "threat head": 51_842,
        "pin head": 52_164,
        "fork head": 51_842,
        "control head": 52_003,
    }
    assert without == {name: count for name, count in parts.items() if name in without}


def test_self_supervised_heads_leave_the_first_weights_of_all_else_as_they_are() -> None:
    """So that arms with and without them begin alike."""
    without = ChessNet(TINY).state_dict()
    state = ChessNet(replace(TINY, ssl_heads=True)).state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in without.items())


def test_self_supervised_heads_answer_for_every_square_and_start_near_no() -> None:
    net = ChessNet(replace(TINY, ssl_heads=True)).eval()
    output = net(torch.zeros(2, 19, 8, 8), heads=("threat", "pin", "fork", "control"))
    assert output.threat_logits_B2S.shape == output.fork_logits_B2S.shape == (2, 2, 64)
    assert output.pin_logits_B4S.shape == (2, 4, 64)
    assert output.control_logits_B3S.shape == (2, 3, 64)
    assert output.pin_logits_B4S.max() < -2
    assert output.control_logits_B3S.abs().max() < 1
    with pytest.raises(ValueError, match="no head 'fork'"):
        ChessNet(TINY).square_logits("fork", torch.zeros(1, 16, 8, 8))
    assert net.head_of("ssl_heads.pin.0.weight") == "pin"
    assert net.head_of("ssl_piece_head.0.weight") == "piece"


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_table_of_parts_adds_up_to_the_network(preset: str) -> None:
    config = ModelConfig(**PRESETS[preset].get("model", {}))
    with torch.device("meta"):
        net = ChessNet(config)
    assert sum(part.parameters for part in describe(config)) == count_parameters(net)


def test_only_requested_heads_are_computed() -> None:
    net = ChessNet(TINY).eval()
    called: list[str] = []
    for name in ("policy_head", "value_head", "ssl_piece_head"):
        getattr(net, name).register_forward_hook(lambda *_, name=name: called.append(name))
    planes = torch.zeros(2, 19, 8, 8)
    output = net(planes)
    assert called == ["policy_head", "value_head"]
    assert output.policy_logits_BM.shape == (2, 4672)
    assert output.wdl_logits_B3.shape == (2, 3)
    assert output.piece_logits_B13S is None
    called.clear()
    assert net(planes, heads=("piece",)).piece_logits_B13S.shape == (2, 13, 64)
    assert called == ["ssl_piece_head"]


def test_a_head_the_network_lacks_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no head 'from_square'"):
        ChessNet(TINY)(torch.zeros(1, 19, 8, 8), heads=("from_square",))


def test_conv_policy_lays_out_square_times_73_with_a1_first() -> None:
    """A head that copies one input square to one move plane must answer at that square's index."""
    head = ConvPolicyHead(16).eval()
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.norm.weight.fill_(1)
        head.conv.weight[0, 0, 1, 1] = 1  # channel 0 passes through the centre tap
        head.moves.weight[17, 0] = 1  # … to move plane 17
        x = torch.zeros(1, 16, 8, 8)
        x[0, 0, 6, 4] = 1  # row 6 is rank 2, column 4 is file e: e2 = 12
        logits = head(x)[0]
    assert logits.nonzero().flatten().tolist() == [12 * 73 + 17]


@pytest.mark.parametrize(("orientation", "square"), [("mover", 52), ("white", 12)])
def test_a_reply_is_numbered_on_the_opponents_own_board(
    orientation: Orientation, square: int
) -> None:
    """What the mover sees at its e2 (row 6, column 4) is at the other side's e7 (52)."""
    net = ChessNet(replace(TINY, reply_head=True, orientation=orientation)).eval()
    assert net.reply_head is not None
    planes = torch.zeros(1, 73, 8, 8)
    planes[0, 17, 6, 4] = 1
    net.reply_head.register_forward_hook(lambda *_: planes)
    logits = net(torch.zeros(1, 19, 8, 8), heads=("reply",)).reply_logits_BM
    assert logits is not None
    assert logits[0].nonzero().flatten().tolist() == [square * 73 + 17]


def test_heads_that_look_ahead_start_close_to_knowing_nothing() -> None:
    net = ChessNet(replace(TINY, plies_left_head=True, short_value_head=True, reply_head=True))
    planes = torch.randn(8, 19, 8, 8, generator=torch.Generator().manual_seed(2))
    output = net.eval()(planes, heads=("plies_left", "short_value", "reply"))
    assert output.plies_left_B.shape == (8,)
    assert ((output.plies_left_B > 5) & (output.plies_left_B < 40)).all()
    assert output.short_wdl_logits_B3.softmax(dim=1).sub(1 / 3).abs().max() < 0.2
    assert output.reply_logits_BM.shape == (8, 4672)
    assert output.reply_logits_BM.std() < 0.3


def test_reachable_squares_are_lines_diagonals_and_knight_steps() -> None:
    reachable = reachable_squares()
    a8, b6, b7, h1, c5, a1 = 0, 17, 9, 63, 26, 56
    assert reachable[a8, [a8, b6, b7, h1, a1]].all()
    assert not reachable[a8, c5]
    assert torch.equal(reachable, reachable.T)
    assert torch.equal(reachable, reachable.flip(0).flip(1))
    # 64 squares themselves, 1456 queen moves and 336 knight moves on an empty board.
    assert int(reachable.sum()) == 64 + 1456 + 336


def test_attention_keeps_a_fifth_of_its_weight_for_unreachable_squares() -> None:
    """With equal scores the weight of each square is known; a unit value at one square shows it."""
    layer = Attention(16, heads=1)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
        layer.norm.weight.fill_(1)
        layer.qkv.weight[32, 0] = 1  # v channel 0 = x channel 0
        layer.proj.weight[1, 0] = 1  # result goes to channel 1
        seen: list[Tensor] = []
        layer.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        x = torch.zeros(1, 16, 8, 8)
        x[0, 0, 0, 0] = 1  # only a8 has a value to give
        layer(x)
    received = seen[0][0, :, :, 1].flatten()
    c5, b6 = 26, 17
    num_reachable_b6 = int(reachable_squares()[b6].sum())
    assert received[c5].item() == pytest.approx(0.2 / 64)
    assert received[b6].item() == pytest.approx(0.2 / 64 + 0.8 / num_reachable_b6)


def test_weights_come_from_the_generator_and_leave_the_global_one_alone() -> None:
    before = torch.random.get_rng_state()
    first = ChessNet(TINY, torch.Generator().manual_seed(5)).state_dict()
    again = ChessNet(TINY, torch.Generator().manual_seed(5)).state_dict()
    other = ChessNet(TINY, torch.Generator().manual_seed(6)).state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["stem.0.weight"], other["stem.0.weight"])


@pytest.mark.parametrize("policy_head", ["conv", "lowrank"])
@pytest.mark.parametrize("se_ratio", [0, 4])
def test_every_weight_of_every_option_is_set(
    policy_head: Literal["conv", "lowrank"], se_ratio: int
) -> None:
    """Layers are created without values; a forgotten one would hold whatever memory held."""
    net = ChessNet(
        ModelConfig(
            channels=32,
            blocks=3,
            attention_heads=4,
            value_hidden=32,
            policy_head=policy_head,
            se_ratio=se_ratio,
        )
    )
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(torch.nan)
    initialise(net, torch.Generator().manual_seed(0))
    missing = [name for name, p in net.named_parameters() if not p.isfinite().all()]
    assert missing == []
