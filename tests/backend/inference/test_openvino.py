"""OpenVINO computes the same network: as torch in float32, close to it in fewer bits."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backend.config import InferenceConfig
from backend.errors import NonFiniteError
from backend.inference.agreement import Answers, compare
from backend.inference.candidates import Candidate, Workshop, list_candidates
from backend.inference.folding import fold_batch_norm
from backend.inference.front import Inference
from model.config import ModelConfig
from model.encoding import encode_planes
from model.net import ChessNet
from tests.backend.inference.networks import CONV, CPU, LOWRANK, SMOLGEN, game_positions, lived_in
from tests.positions import legal_index

pytest.importorskip("openvino", reason="there is no OpenVINO on this machine")

INT8 = Candidate("openvino", "int8")
FLOAT32 = Candidate("openvino", "float32")
OPENVINO = [
    candidate
    for candidate in list_candidates(CPU, InferenceConfig(backend="openvino"))
    if candidate != FLOAT32
]
"""Those with fewer bits; which 16-bit type there is, if any, depends on the processor."""

GUARD = Path(__file__).parents[2] / "no_network"


def make(net: ChessNet, candidate: Candidate, batch: int = 32) -> Inference:
    workshop = Workshop(net, CPU, batch=batch, calibration=game_positions(400)[300:])
    return Inference(net, CPU, workshop.make(candidate))


@pytest.mark.parametrize("config", [CONV, LOWRANK, SMOLGEN], ids=["conv", "lowrank", "smolgen"])
def test_in_float32_every_kind_of_layer_answers_as_in_torch(config: ModelConfig) -> None:
    net = lived_in(config)
    positions = game_positions(400)[:32]
    query = (positions, *legal_index(positions, config.orientation))
    wanted, got = Inference(net, CPU)(*query), make(net, FLOAT32)(*query)
    np.testing.assert_allclose(got[0], wanted[0], atol=1e-4)
    np.testing.assert_allclose(got[1], wanted[1], atol=1e-5)


@pytest.mark.parametrize("candidate", OPENVINO, ids=str)
@pytest.mark.parametrize("config", [CONV, LOWRANK], ids=["conv", "lowrank"])
def test_fewer_bits_agree_within_the_default_limits(
    config: ModelConfig, candidate: Candidate
) -> None:
    net = lived_in(config)
    positions = game_positions(400)[:288]
    index, num_moves = legal_index(positions, config.orientation)
    wanted = Answers(*Inference(net, CPU)(positions, index, num_moves))
    got = Answers(*make(net, candidate, batch=288)(positions, index, num_moves))
    agreement = compare(wanted, got, num_moves)
    assert agreement.fault(InferenceConfig()) == ""
    # And yet it is another computation, which only a real one in fewer bits can be.
    assert agreement.policy_kl > 1e-9
    assert agreement.max_value_error > 1e-5


def test_int8_of_uncalibrated_positions_is_worse_than_of_calibrated_ones() -> None:
    net = lived_in(CONV)
    positions = game_positions(400)[:96]
    index, num_moves = legal_index(positions, "mover")
    wanted = Answers(*Inference(net, CPU)(positions, index, num_moves))
    errors = []
    for calibration in (game_positions(400)[300:], np.zeros((1, 8), np.uint64)):
        workshop = Workshop(net, CPU, batch=96, calibration=calibration)
        inference = Inference(net, CPU, workshop.make(INT8))
        answers = Answers(*inference(positions, index, num_moves))
        errors.append(compare(wanted, answers, num_moves).policy_kl)
    assert errors[0] < errors[1] / 2


def test_ranges_hold_every_input_and_only_those_of_play() -> None:
    from backend.inference.calibration import observe_ranges

    net = fold_batch_norm(lived_in(CONV))
    planes = torch.from_numpy(encode_planes(game_positions(400)[:100], "mover"))
    ranges = observe_ranges(net, planes)
    assert ranges[net.stem[0]] == (0.0, 1.0)
    assert net.ssl_piece_head[0] not in ranges
    assert all(low <= 0 < high or low < 0 <= high for low, high in ranges.values())


@pytest.mark.parametrize("candidate", [FLOAT32, INT8], ids=str)
def test_any_batch_size_gives_each_position_its_own_answer(candidate: Candidate) -> None:
    net = lived_in(CONV)
    inference = make(net, candidate, batch=12)
    positions = game_positions(400)[:30]
    index, num_moves = legal_index(positions, "mover")
    together, wdl = make(net, candidate, batch=30)(positions, index, num_moves)
    # What is not int8 may be in 16 bits, which kernels for other sizes round in another order.
    atol = 1e-4 if candidate == FLOAT32 else 5e-3
    for size in (12, 1, 2, 5, 6, 7, 11, 3, 30, 13):
        some = slice(30 - size, 30)
        logits, some_wdl = inference(positions[some], index[some], num_moves[some])
        np.testing.assert_allclose(logits, together[some], atol=atol)
        np.testing.assert_allclose(some_wdl, wdl[some], atol=atol)
    # One graph for each step of the ladder, not for each size.
    assert len(inference._runtime._requests) <= 6


def test_the_same_question_has_the_same_answer_and_earlier_answers_stay() -> None:
    inference = make(lived_in(CONV), INT8, batch=8)
    positions = game_positions(400)[:16]
    index, num_moves = legal_index(positions, "mover")
    first = inference(positions[:8], index[:8], num_moves[:8])
    kept = [answer.copy() for answer in first]
    inference(positions[8:], index[8:], num_moves[8:])
    again = inference(positions[:8], index[:8], num_moves[:8])
    for answer, before, repeated in zip(first, kept, again, strict=True):
        np.testing.assert_array_equal(answer, before)
        np.testing.assert_array_equal(answer, repeated)


def test_an_answer_that_is_not_finite_is_refused() -> None:
    net = lived_in(CONV)
    with torch.no_grad():
        net.value_fc3.weight.fill_(torch.nan)
    positions = game_positions(400)[:3]
    with pytest.raises(NonFiniteError, match="not finite for 3 of 3 positions"):
        make(net, FLOAT32)(positions, *legal_index(positions, "mover"))


def test_nothing_is_reported_over_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("somebody opens a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    positions = game_positions(400)[:3]
    make(lived_in(CONV), INT8)(positions, *legal_index(positions, "mover"))
    assert sys.modules["openvino_telemetry"] is None


def test_its_import_reports_nothing_either(tmp_path: Path) -> None:
    """It would: a request to a web service, from a process that outlives the import."""
    log = tmp_path / "attempts"
    code = (
        "import matrix0, backend.inference.openvino_runtime, sys\n"
        "import openvino.tools.ovc.telemetry_utils as t\n"
        "print(t.tm.__name__, [n for n in sys.modules if n.startswith('openvino_telemetry.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(GUARD), "MATRIX0_NO_NETWORK": str(log), "CI": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "openvino.tools.ovc.telemetry_stub []\n"
    assert not log.exists()
