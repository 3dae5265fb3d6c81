"""Checkpoints: what is read is what was written, or an error names the file that is not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from backend import checkpoints
from backend.checkpoints import Arrays, Part
from backend.commit import NotCommittedError
from backend.errors import CheckpointError
from backend.filesystem import OsFileSystem
from model.config import ModelConfig

CONFIG = ModelConfig(channels=16, blocks=1, attention_every=0, policy_head="conv")
PARTS: dict[Part, Arrays] = {
    "model": {
        "stem.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
        "num_batches": np.array(5, np.int64),
    },
    "ema": {"stem.weight": np.ones((3, 4), np.float32)},
    "optimizer": {"rng.mask": np.arange(200, dtype=np.uint8)},
}


def save(root: Path, step: int, parts: dict[Part, Arrays] = PARTS) -> Path:
    return checkpoints.save(
        root,
        step=step,
        model=CONFIG,
        parts=parts,
        parent="step-00000001",
        data_position={"cursor": 17, "rng": {"state": 2**100}},
        trainer={"num_samples": 5120},
        metrics={"policy_loss": 1.25},
        versions={"torch": "2"},
    )


def test_a_checkpoint_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = save(tmp_path / "new" / "checkpoints", 1500)
    assert path.name == "step-00001500"
    assert sorted(file.name for file in path.iterdir()) == [
        "ema.safetensors",
        "manifest.json",
        "model.safetensors",
        "optimizer.safetensors",
    ]
    loaded = checkpoints.load(path)
    for part in checkpoints.PARTS:
        arrays: Arrays = getattr(loaded, part)
        assert arrays.keys() == PARTS[part].keys()
        for name, array in PARTS[part].items():
            assert arrays[name].dtype == array.dtype
            np.testing.assert_array_equal(arrays[name], array, strict=True)
    manifest = loaded.manifest
    assert manifest.step == 1500
    assert manifest.model == CONFIG
    assert manifest.parent == "step-00000001"
    assert manifest.data_position == {"cursor": 17, "rng": {"state": 2**100}}
    assert manifest.trainer == {"num_samples": 5120}
    assert manifest.metrics == {"policy_loss": 1.25}
    assert manifest.versions["torch"] == "2"


def test_only_the_parts_asked_for_are_read(tmp_path: Path) -> None:
    path = save(tmp_path, 1)
    (path / "optimizer.safetensors").unlink()
    loaded = checkpoints.load(path, parts=("ema",))
    assert loaded.model == loaded.optimizer == {}
    assert loaded.ema.keys() == PARTS["ema"].keys()


def test_any_flipped_bit_is_noticed_and_its_file_named(tmp_path: Path) -> None:
    path = save(tmp_path, 3)
    rng = np.random.default_rng(0)
    for file in sorted(path.iterdir()):
        whole = file.read_bytes()
        for bit in rng.choice(len(whole) * 8, size=150, replace=False):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << (bit % 8)
            file.write_bytes(damaged)
            with pytest.raises(CheckpointError, match=file.name):
                checkpoints.load(path)
            with pytest.raises(CheckpointError, match=file.name):
                checkpoints.verify(path)
        file.write_bytes(whole)
    checkpoints.verify(path)


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_truncated_or_missing_file_is_named(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, 3)
    whole = (path / name).read_bytes()
    for content in (b"", whole[:-1], whole + b"\n"):
        (path / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=name):
            checkpoints.load(path)
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: cannot be read"):
        checkpoints.load(path)


def rewrite_manifest(path: Path, change: dict[str, object]) -> None:
    """A manifest with a right checksum, as another version of the program might have written."""
    document = json.loads((path / "manifest.json").read_bytes())
    document.pop("checksum")
    document.update(change)
    (path / "manifest.json").write_bytes(checkpoints._text(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "schema 2"),
        ({"surprise": 1}, "surprise"),
        ({"step": 4}, "says step 4"),
        ({"files": {}}, r"lists \[\]"),
        ({"model": {"channels": 17}}, "multiple of 16"),
        ({"model": {"channels": 320}}, "lacks settings"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = save(tmp_path, 3)
    rewrite_manifest(path, {})
    checkpoints.verify(path)
    rewrite_manifest(path, change)
    with pytest.raises(CheckpointError, match=message):
        checkpoints.read_manifest(path)


def test_a_network_from_before_an_option_existed_comes_without_it(tmp_path: Path) -> None:
    path = save(tmp_path, 3)
    document = json.loads((path / "manifest.json").read_bytes())
    later = [name for name, value in document["model"].items() if value is False]
    assert "ssl_heads" in later
    for name in later:
        del document["model"][name]
    rewrite_manifest(path, {"model": document["model"]})
    assert checkpoints.verify(path).model == CONFIG


@pytest.mark.parametrize("number", [b"1e999", b"NaN"])
def test_a_manifest_with_a_number_that_is_none_is_refused(tmp_path: Path, number: bytes) -> None:
    path = save(tmp_path, 3) / checkpoints.MANIFEST
    content = path.read_bytes()
    assert content.count(b'"step": 3') == 1
    path.write_bytes(content.replace(b'"step": 3', b'"step": ' + number))
    with pytest.raises(CheckpointError, match="damaged or not a manifest"):
        checkpoints.read_manifest(path.parent)


@pytest.mark.parametrize("part", checkpoints.PARTS)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_never_committed(
    tmp_path: Path, part: Part, number: float
) -> None:
    parts = {**PARTS, part: {"bad": np.array([1.0, number], np.float32)}}
    with pytest.raises(CheckpointError, match=f"{part}: 'bad' holds a number"):
        save(tmp_path, 3, parts)
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_is_not_finite_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right hashes do not make weights sound: a stranger's file may hold NaN."""
    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "_not_finite", lambda _: "")
        path = save(tmp_path, 3, {**PARTS, "ema": {"bad": np.array([np.nan], np.float32)}})
    for read in (checkpoints.load, checkpoints.verify):
        with pytest.raises(CheckpointError, match=r"ema\.safetensors: 'bad' holds a number"):
            read(path)


def test_checkpoints_are_listed_by_step_and_leftovers_ignored(tmp_path: Path) -> None:
    for step in (200, 3, 100_000_000):
        save(tmp_path, step)
    (tmp_path / "step-00000500.tmp.12.0123abcd").mkdir()
    (tmp_path / "step-00000600").write_text("a file")
    (tmp_path / "best").mkdir()
    assert checkpoints.list_checkpoints(tmp_path) == [
        "step-00000003",
        "step-00000200",
        "step-100000000",
    ]
    assert checkpoints.list_checkpoints(tmp_path / "absent") == []


def test_the_newest_that_verifies_is_found_and_the_faults_are_told(tmp_path: Path) -> None:
    paths = [save(tmp_path, step) for step in (1, 2, 3, 4)]
    (paths[3] / "manifest.json").unlink()
    whole = (paths[2] / "ema.safetensors").read_bytes()
    (paths[2] / "ema.safetensors").write_bytes(whole[:-1] + b"\0")
    found, faults = checkpoints.newest_valid(tmp_path)
    assert found == paths[1]
    assert [str(fault).split(":")[0] for fault in faults] == [
        str(paths[3] / "manifest.json"),
        str(paths[2] / "ema.safetensors"),
    ]
    assert checkpoints.newest_valid(tmp_path / "absent") == (None, [])


def test_pruning_keeps_the_last_the_first_and_the_named(tmp_path: Path) -> None:
    for step in range(1, 9):
        save(tmp_path, step)
    removed = checkpoints.prune(tmp_path, keep_last=2, keep=["step-00000004"])
    assert removed == [f"step-0000000{step}" for step in (2, 3, 5, 6)]
    assert checkpoints.list_checkpoints(tmp_path) == [
        f"step-0000000{step}" for step in (1, 4, 7, 8)
    ]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_full_disk_leaves_no_checkpoint(tmp_path: Path) -> None:
    class FullDisk(OsFileSystem):
        written = 0

        def write(self, fd: int, data: memoryview) -> int:
            self.written += len(data)
            if self.written > 500:
                raise OSError(28, "No space left on device")
            return super().write(fd, data)

    with pytest.raises(NotCommittedError, match="No space left"):
        checkpoints.save(tmp_path, step=1, model=CONFIG, parts=PARTS, fs=FullDisk())
    assert list(tmp_path.iterdir()) == []


def test_listing_and_verifying_load_no_torch() -> None:
    code = "import sys, backend.checkpoints; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)
    assert done.returncode == 0
