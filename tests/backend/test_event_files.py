"""The curves of a run as event files: every point, with its step and its time."""

import struct
from pathlib import Path

import pytest

from backend.errors import ConfigError, RunDirectoryError
from backend.event_files import export_curves
from backend.events import TrainingStep
from backend.rundir import RunDirectory
from backend.store.store import Store
from backend.wire import encode

Points = set[tuple[str, int, float, float]]


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    directory.settle(None)
    return directory


def read(folder: Path) -> Points:
    """The points in the only event file there. Records: length, checksum, event, checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2")
    (file,) = folder.iterdir()
    data = file.read_bytes()
    found: Points = set()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = event_pb2.Event.FromString(data[12 : 12 + length])
        found |= {(v.tag, event.step, v.simple_value, event.wall_time) for v in event.summary.value}
        data = data[16 + length :]
    return found


async def test_every_point_of_every_curve_is_exported(run: RunDirectory) -> None:
    store = await Store.open(run.database)
    points = [
        TrainingStep(step=step, metrics={"loss": step / 4, "value_loss": 1.5}, at=step + 0.5)
        for step in (10, 20)
    ]
    await store.log(points, [])
    await store.close()
    target = run.path / "tensorboard"
    assert export_curves(run, target) == (2, 4)
    expected = {("loss", 10, 2.5, 10.5), ("loss", 20, 5.0, 20.5)}
    expected |= {("value_loss", 10, 1.5, 10.5), ("value_loss", 20, 1.5, 20.5)}
    assert read(target) == expected
    export_curves(run, target)
    assert read(target) == expected


def test_curves_of_imported_games_are_exported_up_to_a_cut_line(run: RunDirectory) -> None:
    point = TrainingStep(step=5, metrics={"policy_loss": 2.0}, at=7.0)
    run.metrics_file.write_bytes(encode(point) + b'{"type":"Tra')
    assert export_curves(run, run.path / "out") == (1, 1)
    assert read(run.path / "out") == {("policy_loss", 5, 2.0, 7.0)}


def test_a_run_without_curves_is_refused(run: RunDirectory) -> None:
    with pytest.raises(RunDirectoryError, match="no curve yet"):
        export_curves(run, run.path / "out")
    assert not (run.path / "out").exists()


def test_without_the_extra_one_line_says_how_to_get_it(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.event_files.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"tensorboardX: pip install .*\[tensorboard\]"):
        export_curves(run, run.path / "out")
