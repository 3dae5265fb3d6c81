"""Exported networks: what they say of themselves, that they answer alike, else are refused."""

import json
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import torch

from backend import checkpoints
from backend.commit import commit_directory, sha256_of
from backend.errors import CheckpointError, ConfigError, DeviceError
from backend.export.export import (
    ExportRefusedError,
    Report,
    compare_network,
    export_network,
    report_path,
)
from backend.export.facts import Facts
from backend.export.formats import Format, make_format
from backend.export.parity import FLOAT32, worst
from backend.export.safetensors_format import SafetensorsFormat, judge_with, read_network
from backend.inference.agreement import Answers
from backend.weights import arrays_of
from model.config import ModelConfig
from model.encoding import encode_planes
from model.net import ChessNet
from tests.backend.inference.networks import CONV, LOWRANK, game_positions, lived_in
from tests.command_line import Run


def saved(root: Path, config: ModelConfig) -> Path:
    arrays = arrays_of(lived_in(config))
    parts: dict[checkpoints.Part, checkpoints.Arrays] = {
        "model": arrays,
        "ema": arrays,
        "optimizer": {"x": np.zeros(1)},
    }
    return checkpoints.save(root / "demo" / "checkpoints", step=7, model=config, parts=parts)


def export(checkpoint: Path, target: Path, form: Format, count: int = 100) -> Report:
    return export_network(
        checkpoint, target, form, version="0", num_positions=count, say=lambda text: None
    )


class Disturbed(SafetensorsFormat):
    """Changes one weight of what was written."""

    def write(self, net: ChessNet, facts: Facts, path: Path) -> None:
        super().write(net, facts, path)
        arrays = safetensors.numpy.load_file(path)
        arrays["value_fc3.bias"][0] += 0.05
        safetensors.numpy.save_file(arrays, path, metadata=facts)


@pytest.mark.parametrize("config", [CONV, LOWRANK], ids=["conv", "lowrank"])
def test_a_safetensors_file_is_the_network_with_all_that_is_needed_to_use_it(
    config: ModelConfig, tmp_path: Path
) -> None:
    checkpoint, target = saved(tmp_path, config), tmp_path / "net.safetensors"
    report = export(checkpoint, target, SafetensorsFormat())
    assert report.parity.fault(FLOAT32) == ""
    kept = msgspec.json.decode(report_path(target).read_bytes(), type=Report)
    assert kept == report
    assert kept.sha256 == {"net.safetensors": sha256_of(target)}
    assert kept.positions == "random games"
    with safetensors.safe_open(target, framework="numpy") as file:
        facts = file.metadata()
    assert facts == report.facts
    assert (facts["run"], facts["step"], facts["move_encoding"]) == ("demo", "7", "1")
    assert facts["sha256"] == checkpoints.read_manifest(checkpoint).files["ema.safetensors"].sha256
    assert json.loads(facts["planes"])[5] == "own king"
    again = read_network(target)
    assert again.config == config
    for name, tensor in lived_in(config).state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_an_artefact_whose_weights_were_disturbed_is_refused_and_nothing_is_left(
    tmp_path: Path,
) -> None:
    checkpoint, target = saved(tmp_path, CONV), tmp_path / "out" / "net.safetensors"
    target.parent.mkdir()
    with pytest.raises(ExportRefusedError, match=r"was not kept.* max \|Δv\| 0\.0"):
        export(checkpoint, target, Disturbed())
    assert list(target.parent.iterdir()) == []
    export(checkpoint, target, SafetensorsFormat())
    before = {file.name: file.read_bytes() for file in target.parent.iterdir()}
    with pytest.raises(ExportRefusedError):
        export(checkpoint, target, Disturbed())
    assert {file.name: file.read_bytes() for file in target.parent.iterdir()} == before


def test_what_is_no_number_and_what_prefers_another_move_is_seen() -> None:
    logits, wdl = np.zeros((2, 4), np.float32), np.full((2, 3), 1 / 3, np.float32)
    logits[:, 1] = 3
    reference, counts = Answers(logits, wdl), np.array([4, 2], np.int16)
    assert worst(reference, reference, counts).fault(FLOAT32) == ""
    broken = worst(reference, Answers(logits, wdl * np.float32(np.nan)), counts)
    assert "max |Δv| inf" in broken.fault(FLOAT32)
    swapped = logits.copy()
    swapped[0, :2] = swapped[0, 1::-1]
    swapped[1, 3] = 100  # Beyond the two legal moves: nobody asks.
    parity = worst(reference, Answers(swapped, wdl), counts)
    assert parity.top1_flips == 1
    assert parity.max_policy_error == pytest.approx((np.e**3 - 1) / (np.e**3 + 3))


def test_a_file_that_is_no_exported_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="not an exported network"):
        read_network(path)
    safetensors.numpy.save_file({"x": np.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="holds no network"):
        read_network(path)


def test_a_missing_library_is_one_line_that_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("backend.export.onnx_format.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install .*\[onnx\]"):
        make_format("onnx")
    monkeypatch.setattr("backend.export.coreml_format.find_spec", lambda name: None)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ConfigError, match=r"pip install .*\[coreml\]"):
        make_format("coreml")
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(DeviceError, match="export on a Mac"):
        make_format("coreml")


def test_folders_of_an_artefact_are_committed_with_it(tmp_path: Path) -> None:
    def fill(add: object) -> None:
        assert callable(add)
        add("Manifest.json", b"{}")
        add("Data/a/weights/w.bin", b"x")
        add("Data/a/model", b"y")

    place = commit_directory(tmp_path / "net.mlpackage", fill)
    assert (place / "Data/a/weights/w.bin").read_bytes() == b"x"
    assert [path.name for path in tmp_path.iterdir()] == ["net.mlpackage"]


def test_the_command_exports_the_best_network_of_a_run(run: Run, tmp_path: Path) -> None:
    saved(tmp_path, CONV)
    done = run("export", "demo", "--positions", "40")
    assert done.code == 0, done.err
    assert "demo-step-00000007.safetensors" in done.out
    assert "first choice differs in 0" in done.out
    assert (tmp_path / "demo-step-00000007.safetensors.json").is_file()
    there = run("export", "demo", "--output", "no/such/folder.onnx")
    assert there.code == 64
    if sys.platform != "darwin":
        refused = run("export", "demo", "--format", "coreml")
        assert refused.code == 71
        assert "export on a Mac" in refused.err


@pytest.mark.slow
def test_an_onnx_graph_answers_as_the_network_in_every_batch(tmp_path: Path) -> None:
    import onnx

    checkpoint, target = saved(tmp_path, CONV), tmp_path / "net.onnx"
    report = export(checkpoint, target, make_format("onnx"), 1000)
    assert report.parity.fault(FLOAT32) == ""
    model = onnx.load(target)
    assert {entry.key: entry.value for entry in model.metadata_props} == report.facts
    assert [opset.version for opset in model.opset_import] == [18]
    wanted = judge_with(lived_in(CONV))
    judge = make_format("onnx").read(target)
    for count in (1, 3, 17):
        planes = encode_planes(game_positions(400)[:count], "mover")
        for got, expected in zip(judge(planes), wanted(planes), strict=True):
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, atol=1e-4)
    assert compare_network(lived_in(CONV), judge, game_positions(400)).fault(FLOAT32) == ""

    weights = next(x for x in model.graph.initializer if x.name.endswith("value_fc3.weight"))
    changed = onnx.numpy_helper.to_array(weights) * np.float32(1.1)
    weights.CopyFrom(onnx.numpy_helper.from_array(changed, weights.name))
    onnx.save(model, target)
    disturbed = make_format("onnx").read(target)
    fault = compare_network(lived_in(CONV), disturbed, game_positions(400)).fault(FLOAT32)
    assert "max |Δv|" in fault
