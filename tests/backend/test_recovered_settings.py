"""What a start says of settings that were edited or damaged, and of the place a run lies in."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.audit.run import examine
from backend.disk import volume_of
from backend.errors import ConfigError
from backend.live import wanted
from backend.rundir import RunDirectory
from tests.backend.starting import CONFIG, delete_database, started


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


async def test_settings_that_were_edited_between_two_starts_are_named_once(
    run: RunDirectory,
) -> None:
    run.settle(CONFIG)
    async with started(run) as findings:
        assert findings.remarks == []
    text = run.config_file.read_text()
    run.config_file.write_text(text.replace("batch_size = 384", "batch_size = 77"))
    assert examine(run).notes
    async with started(run) as findings:
        assert findings.remarks == [
            "config.toml was edited since the last start of this run: "
            "training.batch_size is 77, was 384"
        ]
    delete_database(run)  # It has no part in this.
    async with started(run) as findings:
        assert findings.remarks == []
        run.write_config(wanted(run.read_config(), "learning_rate", "x0.5").config)
    async with started(run) as findings:
        assert findings.remarks == []
    assert not examine(run).notes


@pytest.mark.parametrize(
    ("file", "said"),
    [("config.toml", "no setting differs"), ("config.toml.kept", "config.toml.kept is damaged")],
)
async def test_a_changed_bit_in_the_settings_is_told(
    run: RunDirectory, file: str, said: str
) -> None:
    run.settle(CONFIG)
    sound = (run.path / file).read_bytes()
    sign = b"!" if file == "config.toml" else b"\xff"
    (run.path / file).write_bytes(sound.replace(b"Every", b"Ever" + sign, 1))
    async with started(run) as findings:
        assert len(findings.remarks) == 1
        assert said in findings.remarks[0]
    async with started(run) as findings:
        assert findings.remarks == []


async def test_settings_that_cannot_be_read_point_to_those_of_the_last_start(
    run: RunDirectory,
) -> None:
    run.settle(CONFIG)
    run.config_file.write_text("[training\n")
    with pytest.raises(ConfigError, match=r"config\.toml\.kept"):
        run.read_config()


@pytest.mark.parametrize("kinds", [("ext4", "nfs4"), ("nfs4", "ext4")], ids=["over", "under"])
async def test_a_run_on_a_network_file_system_is_told_what_is_not_promised(
    kinds: tuple[str, str], run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = str(volume_of(run.path))
    mounts = [SimpleNamespace(mountpoint=volume, fstype=kind) for kind in kinds]
    other = SimpleNamespace(mountpoint="/elsewhere", fstype="nfs")
    monkeypatch.setattr("psutil.disk_partitions", lambda all: [*mounts, other])
    async with started(run) as findings:
        told = [remark for remark in findings.remarks if "network file system (nfs4)" in remark]
    assert len(told) == (kinds[-1] == "nfs4")
