"""A disk that fills up under a run: it waits, says on which volume, and goes on by itself."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from backend.disk import NoRoomError, Reserve, writing_to
from backend.errors import ExitCode
from backend.events import (
    Alert,
    CheckpointSaved,
    CycleFinished,
    Heartbeat,
    ShardAdmitted,
    WorkerExited,
    WorkerFailed,
)
from backend.patience import Patience
from backend.wire import encode
from tests.backend.fakes.process import CONFIG, SupervisorProcess, prepare
from tests.run_process import RunProcess
from tests.run_witness import Event, Witness, faults

VOLUME_MIB = 64
WAIT_S = 3.0


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    place = tmp_path / "volume"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_MIB}m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk, and not everywhere")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(volume: Path, leave_mib: int = 0) -> Path:
    """A file that leaves so much room."""
    ballast = volume / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while free_mib(volume) > leave_mib:
            try:
                file.write(bytes(4096))
            except OSError:  # The run was quicker to take the last page.
                break
    return ballast


def free_mib(volume: Path) -> float:
    found = os.statvfs(volume)
    return found.f_bavail * found.f_frsize / 2**20


def test_a_reserve_is_looked_at_now_and_then_and_names_the_volume(tmp_path: Path) -> None:
    now = 0.0
    endless = Reserve(tmp_path, 1 << 40, clock=lambda: now)
    assert endless.lacking().startswith("for room on /")
    assert endless.lacking().endswith("of 1099511627776 MiB free")
    assert Reserve(tmp_path, 0).lacking() == ""


def test_a_reserve_on_a_volume_of_its_own_is_that_volumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[Path] = []

    def usage(path: Path) -> SimpleNamespace:
        sizes.append(path)
        return SimpleNamespace(free=0)

    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path)
    monkeypatch.setattr("shutil.disk_usage", usage)
    assert f"room on {tmp_path}: 0 of" in Reserve(tmp_path, 1).lacking()
    assert sizes == [tmp_path]


async def test_what_failed_for_lack_of_room_is_tried_again_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.patience.RETRY_S", 0.0)
    said: list[tuple[str, str]] = []
    tries = 0

    async def write() -> int:
        nonlocal tries
        tries += 1
        with writing_to(tmp_path / "file"):
            if tries < 4:
                raise OSError(28, "No space left on device")
        return tries

    patience = Patience(lambda level, text: said.append((level, text)))
    assert await patience.until_there_is_room(write) == 4
    assert [level for level, _ in said] == ["error", "info"]
    assert str(tmp_path / "file") in said[0][1]
    tries = 0
    patience.end()
    with pytest.raises(NoRoomError):
        await patience.until_there_is_room(write)
    assert tries == 1


@pytest.mark.slow
def test_a_run_on_a_full_disk_waits_and_goes_on_by_itself(volume: Path) -> None:
    run = prepare(volume / "run", CONFIG + "reserve_mib = 0\n")
    witness = Witness()
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(CheckpointSaved)
        supervisor.wait_for(ShardAdmitted)
        ballast = fill(volume)
        waiting = supervisor.wait_for(
            Heartbeat, lambda e: e.worker == "sp0" and e.detail.startswith("for room")
        )
        assert str(volume) in waiting.detail
        _listen(supervisor, WAIT_S)
        assert not supervisor.of(WorkerExited)
        assert not supervisor.of(WorkerFailed)
        ballast.unlink()
        supervisor.wait_for(ShardAdmitted)
        cycle = len(supervisor.of(CycleFinished))
        supervisor.wait_for(CycleFinished, lambda e: e.cycle > cycle)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == ExitCode.DONE
        assert all(exited.expected for exited in supervisor.of(WorkerExited))
    for event in supervisor.seen:
        if not isinstance(event, Alert):
            witness.hear(json.loads(encode(event)))
    assert witness.games > 0
    assert faults(run, witness) == []


@pytest.mark.slow
def test_real_workers_stop_before_the_disk_is_full_and_go_on_by_themselves(volume: Path) -> None:
    witness = Witness()

    def hear(event: Event) -> None:
        if event["type"] != "Alert":
            witness.hear(event)

    with RunProcess(volume / "run", "--set", "supervisor.reserve_mib=40", hear=hear) as run:
        run.wait_for("TrainingStep")
        ballast = fill(volume, leave_mib=20)
        alert = run.wait_for("Alert", lambda e: e["level"] == "error")
        assert f"waits for room on {volume}: " in alert["text"]
        assert " of 40 MiB free" in alert["text"]
        _wait_until_all_wait(run)
        quiet = len([e for e in run.events if e["type"] in ("ShardWritten", "TrainingStep")])
        run.listen(WAIT_S)
        heard = [e["type"] for e in run.events]
        assert sum(kind in ("ShardWritten", "TrainingStep") for kind in heard) == quiet
        assert "WorkerExited" not in heard
        ballast.unlink()
        run.wait_for("Alert", lambda e: "room on the disk again" in e["text"])
        run.wait_for("ShardWritten")
        run.wait_for("TrainingStep")
        run.process.send_signal(signal.SIGINT)
        assert run.finish() == 0
    assert faults(volume / "run", witness) == []


def _wait_until_all_wait(run: RunProcess) -> None:
    for worker in ("sp0", "trainer"):
        run.wait_for(
            "Heartbeat",
            lambda e, worker=worker: (
                e["worker"] == worker and e.get("detail", "").startswith("for room")
            ),
        )


def _listen(supervisor: SupervisorProcess, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    told: Callable[[float], object] = supervisor._next
    while told(deadline) is not None:
        pass
