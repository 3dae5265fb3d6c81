"""Checkpoints of the earlier program become the first of a run, or nothing at all."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from backend import checkpoints
from backend import earlier as earlier_module
from backend.config import Config, LimitsConfig
from backend.earlier import commit_earlier, read_earlier
from backend.errors import CheckpointError, RunDirectoryError
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.training.trainer import Trainer
from backend.unpickling import convert
from backend.weights import load_network
from model.config import ModelConfig
from tests.backend.inference.networks import CPU
from tests.earlier import averaged, container, golden_state, golden_tensors, old_container

ADDITIONS = ModelConfig(plies_left_head=True)


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read in this process, which takes no seconds to begin; `apart` says otherwise."""

    def convert_here(path: Path, out: Path, *, raw: bool, limits: LimitsConfig) -> None:
        convert(path, out, raw=raw, most_bytes=round(limits.checkpoint_gib * 2**30))

    if "apart" not in request.node.name:
        monkeypatch.setattr(earlier_module, "convert_apart", convert_here)


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def imported(folder: Path, content: object, additions: ModelConfig = ADDITIONS) -> Path:
    """The checkpoint that becomes of a container, committed into a new run."""
    earlier = read_earlier(saved(folder / "v2.pt", content), additions, raw=False)
    run = RunDirectory(folder / "run")
    run.create()
    return commit_earlier(earlier, run, Config(model=earlier.weights.config)).path


@pytest.mark.parametrize(
    "additions",
    [ADDITIONS, ModelConfig(smolgen=True, knowledge_planes=True, reply_head=True)],
    ids=["plain", "with parts of ours"],
)
@torch.inference_mode()
def test_an_imported_network_gives_the_outputs_of_the_earlier_program(
    tmp_path: Path, additions: ModelConfig
) -> None:
    net = load_network(imported(tmp_path, container(), additions))
    tensors = golden_tensors()
    planes = tensors["planes"]
    if additions.knowledge_planes:
        planes = torch.cat((planes, torch.ones(len(planes), 7, 8, 8)), dim=1)
    output = net(planes, heads=("policy", "value", "piece", "from_square", "move_type"))
    for name, ours in (
        ("policy", output.policy_logits_BM),
        ("value", output.value_B),
        ("ssl_piece", output.piece_logits_B13S),
        ("aux_from_square", output.from_square_logits_B64S),
        ("aux_move_type", output.move_type_logits_B12S),
    ):
        theirs = tensors[name].reshape(ours.shape)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0, msg=name)


def test_averaged_weights_are_preferred_and_raw_ones_to_be_had(tmp_path: Path) -> None:
    state = golden_state()
    mean = averaged(state | {"value_fc3.bias": torch.full((1,), 0.25)})
    path = saved(tmp_path / "v2.pt", container(model_ema=mean))
    for raw, expected in ((False, 0.25), (True, state["value_fc3.bias"].item())):
        earlier = read_earlier(path, ADDITIONS, raw=raw)
        assert earlier.source == ("raw" if raw else "averaged")
        assert earlier.step == 5000
        assert earlier.weights.tensors["value_fc3.bias"].item() == expected
    counter = earlier.weights.tensors["tower.0.bn1.num_batches_tracked"]
    assert counter.dtype == torch.int64


def test_without_an_average_the_raw_weights_are_taken(tmp_path: Path) -> None:
    for content in (old_container(golden_state()), container(model_ema=None)):
        earlier = read_earlier(saved(tmp_path / "v2.pt", content), ADDITIONS, raw=False)
        assert earlier.source == "raw"


def test_the_run_trains_on_from_it_and_parts_it_lacked_are_fresh(tmp_path: Path) -> None:
    path = imported(tmp_path, container())
    checkpoint = checkpoints.load(path)
    assert checkpoint.manifest.step == 0
    assert checkpoints.saved_because(checkpoint.manifest, 1000) == "initial"
    config = build_config()
    trainer = Trainer(checkpoint.manifest.model, config.ssl, config.training, CPU, seed=9)
    trainer.restore(checkpoint)
    weights = trainer.net.state_dict()
    for name, tensor in golden_tensors().items():
        if name.startswith("weights."):
            assert torch.equal(weights[name.removeprefix("weights.")], tensor), name
    assert trainer.net.plies_left_head is not None
    assert all(p.isfinite().all() for p in trainer.net.plies_left_head.parameters())


def test_a_run_with_checkpoints_or_another_network_is_left_alone(tmp_path: Path) -> None:
    imported(tmp_path, container())
    with pytest.raises(RunDirectoryError, match="has checkpoints already"):
        imported(tmp_path, container())
    earlier = read_earlier(tmp_path / "v2.pt", ADDITIONS, raw=False)
    with pytest.raises(RunDirectoryError, match="made for another network"):
        commit_earlier(earlier, RunDirectory(tmp_path / "other"), build_config("tiny"))


class _SideEffect:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self._folder),)


def _unfit(path: Path, trap: _SideEffect) -> dict[str, bytes]:
    whole = saved(path, container()).read_bytes()
    return {
        "empty": b"",
        "text": b"this is not a checkpoint\n",
        "cut": whole[: len(whole) // 2],
        "junk behind a zip's signature": b"PK\x03\x04" + bytes(range(256)) * 11,
        "pickle": pickle.dumps(trap),
        "pickle in a container": pickle.dumps({"model_state_dict": trap}, protocol=2),
        "list": _bytes(path, [1, 2]),
        "no weights": _bytes(path, {"optimizer": None}),
        "weights of another kind": _bytes(path, {"model_state_dict": 7}),
        "a foreign object in zip": _bytes(path, {"model_state_dict": {"x": trap}}),
    }


def _bytes(path: Path, content: object) -> bytes:
    return saved(path, content).read_bytes()


def test_unfit_files_are_refused_in_one_line_and_run_nothing(tmp_path: Path) -> None:
    path, folder = tmp_path / "v2.pt", tmp_path / "made by a pickle"
    for what, content in _unfit(path, _SideEffect(folder)).items():
        path.write_bytes(content)
        with pytest.raises(CheckpointError) as refused:
            read_earlier(path, ADDITIONS, raw=False)
        assert "\n" not in str(refused.value), what
        assert str(refused.value).startswith(f"{path}: "), what
        assert not folder.exists(), what
    pickle.loads(pickle.dumps(_SideEffect(folder)))  # noqa: S301 - our own
    assert folder.exists()  # The trap works where it is not kept from working.
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_earlier(tmp_path / "nowhere.pt", ADDITIONS, raw=False)


def test_a_file_is_read_apart_and_its_reason_comes_back(tmp_path: Path) -> None:
    path, folder = tmp_path / "v2.pt", tmp_path / "made by a pickle"
    path.write_bytes(pickle.dumps({"model_state_dict": _SideEffect(folder)}, protocol=2))
    with pytest.raises(CheckpointError, match="not a checkpoint of tensors"):
        read_earlier(path, ADDITIONS, raw=False)
    assert not folder.exists()


def _huge(path: Path) -> Path:
    """A kilobyte that names one number as a billion."""
    return saved(path, {"model_state_dict": {"x": torch.zeros(1).expand(10**9)}})


def test_what_is_too_large_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    path = _huge(tmp_path / "v2.pt")
    small = LimitsConfig(checkpoint_gib=1.0)
    with pytest.raises(CheckpointError, match=r"take more than 1\.0 GiB"):
        read_earlier(path, ADDITIONS, raw=False, limits=small)
    with pytest.raises(CheckpointError, match=r"more than \[limits\] checkpoint_gib"):
        read_earlier(path, ADDITIONS, raw=False, limits=LimitsConfig(checkpoint_gib=1e-7))
    with pytest.raises(CheckpointError, match="not a file"):
        read_earlier(tmp_path, ADDITIONS, raw=False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux")
def test_read_apart_it_gets_no_more_memory_than_it_may_have(tmp_path: Path) -> None:
    roomy = LimitsConfig(checkpoint_gib=8.0, checkpoint_memory_gib=2.0)
    with pytest.raises(CheckpointError, match=r"RuntimeError|MemoryError|more memory"):
        read_earlier(_huge(tmp_path / "v2.pt"), ADDITIONS, raw=False, limits=roomy)
