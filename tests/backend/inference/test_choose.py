"""The fastest way to compute a network that agrees with torch float32 is taken, and said."""

import re
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.config import InferenceConfig
from backend.errors import DeviceError, NonFiniteError
from backend.events import InferenceChosen
from backend.fold import fold
from backend.inference.agreement import Answers, compare
from backend.inference.background import InBackground
from backend.inference.candidates import REFERENCE, has_openvino, list_candidates
from backend.inference.choose import Choice, Chooser
from backend.inference.positions import list_moves, sample_positions
from backend.state import RunState
from model.rules import from_fen, has_legal_move
from tests.backend.inference.networks import CONV, CPU, lived_in
from tests.backend.replay.games import white_mates, write
from tests.positions import legal_index, random_positions

SHORT = {"agreement_positions": 64, "calibration_positions": 32}


def chooser(**settings: object) -> Chooser:
    config = InferenceConfig(**{**SHORT, **settings})  # type: ignore[arg-type]
    return Chooser(config, CPU, batch=16, replay=None, seed=1)


def test_the_choice_is_the_fastest_that_agrees_and_plays() -> None:
    net = lived_in(CONV)
    choose = chooser()
    choice = choose.choose(net)
    agreeing = [judged for judged in choose.judge_all(net) if not judged.fault]
    assert choice.candidate in [judged.candidate for judged in agreeing]
    assert choice.evaluations_per_s > 0
    assert choice.rejected == ()
    positions = random_positions(5, seed=2)
    logits, wdl = choice.inference(positions, *legal_index(positions, "mover"))
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(wdl.sum(axis=1), 1, atol=1e-3)


def _event(choice: Choice, network: str) -> InferenceChosen:
    return InferenceChosen(worker="selfplay-0", network=network, **choice.facts())


@pytest.mark.skipif(not has_openvino(), reason="there is no OpenVINO on this machine")
def test_impossible_limits_leave_the_reference_and_the_event_says_why() -> None:
    limits = {"max_policy_kl": 0.0, "max_top1_flips": 0.0, "max_value_error": 0.0}
    choose = chooser(backend="openvino", **limits)
    refused = [str(c) for c in list_candidates(CPU, InferenceConfig(backend="openvino"))]
    for name in ("step-00000000", "step-00000010"):
        choice = choose.choose(lived_in(CONV))
        assert choice.candidate == REFERENCE
        assert choice.agreement.policy_kl == choice.agreement.max_value_error == 0
        event = _event(choice, name)
        assert sorted(reason.split(":")[0] for reason in event.rejected) == sorted(refused)
        assert all(re.search(r": .*policy KL .* > 0", reason) for reason in event.rejected)
    state = fold(RunState(), event)
    assert state.workers["selfplay-0"].inference == event
    assert state.log[-1].level == "warning"
    assert "step-00000010 plays on torch float32" in state.log[-1].text
    assert "refused openvino int8: policy KL" in state.log[-1].text


def test_a_choice_without_refusals_is_plain_news() -> None:
    choice = chooser(backend="torch", precision="float32").choose(lived_in(CONV))
    event = _event(choice, "step-00000000")
    assert (event.backend, event.precision, event.policy_kl) == ("torch", "float32", 0.0)
    assert fold(RunState(), event).log[-1].level == "info"


def test_what_this_machine_cannot_do_is_refused_at_the_start() -> None:
    with pytest.raises(DeviceError, match="precision = 'float16': not possible on cpu here"):
        chooser(backend="torch", precision="float16")


def test_a_network_that_is_broken_itself_is_not_played() -> None:
    net = lived_in(CONV)
    with torch.no_grad():
        net.value_fc3.weight.fill_(torch.nan)
    with pytest.raises(NonFiniteError):
        chooser().choose(net)


def test_differences_are_measured_over_legal_moves_only() -> None:
    num_moves = np.array([2, 3], np.int16)
    half = np.log(np.array([[0.5, 0.5, 7.0], [0.2, 0.3, 0.5]], np.float32))
    other = np.log(np.array([[0.25, 0.75, 9.0], [0.2, 0.3, 0.5]], np.float32))
    wdl = np.array([[0.6, 0.2, 0.2], [0.1, 0.8, 0.1]], np.float32)
    other_wdl = np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]], np.float32)
    agreement = compare(Answers(half, wdl), Answers(other, other_wdl), num_moves)
    kl = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert agreement.policy_kl == pytest.approx(kl / 2, rel=1e-5)
    assert agreement.top1_flips == 0.5
    assert agreement.value_error == pytest.approx(0.1, rel=1e-5)
    assert agreement.max_value_error == pytest.approx(0.2, rel=1e-5)
    limits = InferenceConfig(max_policy_kl=0.01, max_top1_flips=0.5, max_value_error=0.01)
    assert agreement.fault(limits) == "policy KL 0.072 > 0.01, value error 0.1 > 0.01"


def test_positions_come_from_the_newest_shards_and_else_from_random_play(tmp_path: Path) -> None:
    shard = write(tmp_path, [white_mates()], seq=0)
    known = {tuple(sample.position) for sample in white_mates().samples}
    taken = sample_positions(tmp_path, len(known), seed=0)
    assert {tuple(position) for position in taken} == known
    shard.write_bytes(b"damaged")
    for replay in (None, tmp_path):
        drawn = sample_positions(replay, 300, seed=0)
        assert drawn.shape == (300, 8)
        assert len(np.unique(drawn, axis=0)) == 300
        assert all(has_legal_move(position) for position in drawn)


def test_all_legal_moves_are_listed() -> None:
    positions = random_positions(40, seed=4)
    for orientation in ("mover", "white"):
        index, num_moves = list_moves(positions, orientation)
        expected, expected_num = legal_index(positions, orientation)
        np.testing.assert_array_equal(num_moves, expected_num)
        np.testing.assert_array_equal(index, np.where(expected < 0, 0, expected))
    assert list_moves(from_fen("7k/8/8/8/8/8/8/K7 w - - 0 1")[None], "mover")[1] == [3]


def test_while_one_is_prepared_the_newest_that_was_asked_for_waits() -> None:
    may_end, begun = threading.Event(), threading.Event()
    prepared: list[str] = []

    def prepare(name: str) -> str:
        begun.set()
        assert may_end.wait(10)
        prepared.append(name)
        if name == "broken":
            raise NonFiniteError(name)
        return name.upper()

    networks = InBackground(prepare)
    assert networks.poll() is None
    networks.ask("a")
    assert begun.wait(10)
    for name in ("b", "c"):
        networks.ask(name)
    assert networks.preparing == "a"
    assert networks.poll() is None
    may_end.set()
    assert _next(networks) == ("a", "A")
    assert networks.preparing == "c"
    assert _next(networks) == ("c", "C")
    assert networks.poll() is None
    networks.ask("broken")
    with pytest.raises(NonFiniteError, match="broken"):
        _next(networks)
    assert prepared == ["a", "c", "broken"]


def _next(networks: InBackground[str]) -> tuple[str, str]:
    while (ready := networks.poll()) is None:
        pass
    return ready
