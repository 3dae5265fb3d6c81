"""A cluster that goes away as a whole: the run goes on without it and takes it up again."""

import socket
import time
from pathlib import Path

import psutil
import pytest

from backend.cluster.pool import RayPool
from backend.cluster.slot import name_on_nodes
from backend.config import Config
from backend.errors import NoPlaceError
from backend.pool import WorkerSpec
from backend.rundir import RunDirectory
from tests.backend.cluster_head import NEEDS_RAY, RayHead
from tests.limits import PATIENCE_S
from tests.run_process import SETTINGS, RunProcess
from tests.run_witness import Witness, faults


async def test_a_head_that_is_not_there_is_said_once_and_the_worker_tries_again(
    tmp_path: Path,
) -> None:
    """Without Ray: nothing of it is started before somebody listens at the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.settle(Config())
    said: list[tuple[str, str]] = []
    spec = WorkerSpec(
        worker="w", role="selfplay", argv=("x",), environment={}, log=tmp_path / "w.log"
    )
    async with RayPool(run, lambda seen: None, lambda *alert: said.append(alert), address) as pool:
        for _ in range(3):
            with pytest.raises(NoPlaceError, match=f"the Ray cluster at {address} does not answer"):
                await pool.start(spec)
        assert pool.running() == frozenset()
    assert [level for level, _ in said] == ["error"]
    assert "its workers wait and are started again when it answers" in said[0][1]
    assert not run.log_file("relay").exists()


def of_fleet(run: RunDirectory) -> list[psutil.Process]:
    """Workers on the nodes: their run directories are in the nodes' cache."""
    name = name_on_nodes(run)
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(name in word for word in process.info["cmdline"] or ())
    ]


def all_gone(run: RunDirectory) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while of_fleet(run) and time.monotonic() < deadline:
        time.sleep(0.2)
    return not of_fleet(run)


@pytest.mark.slow
@NEEDS_RAY
def test_a_fleet_goes_on_after_its_supervisor_is_killed_and_after_its_head_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ray's own patience with a head that is gone is a minute.
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "3")
    head = RayHead(tmp_path, cpus=0)
    witness = Witness()
    try:
        head.join("n0", cpus=2)
        settings = (
            *(setting for setting in SETTINGS if not setting.startswith("selfplay.workers")),
            "cluster.pool=ray",
            "cluster.num_selfplay=2",
            f"cluster.address={head.address}",
        )
        directory = tmp_path / "run"
        run = RunDirectory(directory)
        with RunProcess(directory, hear=witness.hear, settings=settings) as process:
            for _ in range(2):
                process.wait_for("WorkerReady", lambda e: e["role"] == "selfplay")
            process.wait_for("ShardAdmitted")
            assert len(of_fleet(run)) == 2
            assert process.kill("group") == 0
            assert all_gone(run), "workers on the nodes outlive their supervisor"
        with RunProcess(directory, hear=witness.hear, settings=settings) as process:
            for _ in range(2):
                process.wait_for("WorkerReady", lambda e: e["role"] == "selfplay")
            process.wait_for("ShardAdmitted")
            assert len(of_fleet(run)) == 2
            head.nodes[0].power_off()
            process.wait_for("Alert", lambda e: "is lost" in e["text"])
            for _ in range(2):
                lost = process.wait_for("WorkerExited", lambda e: e["worker"] != "trainer")
                assert lost["is_told"]
            assert all_gone(run), "workers on the nodes outlive their cluster"
            process.wait_for("Heartbeat", lambda e: e["worker"] == "trainer")
            head.power_on()
            head.join("n1", cpus=2)
            process.wait_for("Alert", lambda e: "answers again" in e["text"])
            process.wait_for("WorkerReady", lambda e: e["role"] == "selfplay")
            process.wait_for("ShardAdmitted")
            process.process.terminate()
            assert process.finish() == 0
        assert all_gone(run)
        assert witness.games > 0
        (only,) = witness.complaints  # The witness takes every error for one too many.
        assert f"the Ray cluster at {head.address} is lost: the relay to Ray ended" in only
        witness.complaints.clear()
        assert faults(directory, witness) == []
    finally:
        head.close()
