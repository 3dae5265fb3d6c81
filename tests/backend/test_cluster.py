"""Self-play on a Ray cluster: what leaves a node arrives once, and nodes may come and go."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from backend.cluster.config import ClusterConfig
from backend.cluster.events import ClusterSeen, NodeSeen
from backend.cluster.pool import RayPool, require_ray
from backend.cluster.relay import prepare_environment
from backend.cluster.slot import Item, Slot
from backend.config import Config
from backend.errors import ConfigError, WorkerError
from backend.events import Promoted, ShardRejected, WorkerStarted
from backend.fold import fold
from backend.pool import Lost, WorkerSpec
from backend.replay.shards import ShardWriter, read_shard
from backend.rundir import RunDirectory
from backend.state import RunState
from backend.wire import decode_event
from matrix0 import __version__
from matrix0.commands.cluster import lines as cluster_lines
from tests.backend.cluster_head import NEEDS_RAY, RayHead
from tests.backend.fakes.worker import random_game
from tests.backend.starting import started
from tests.run_process import SETTINGS, RunProcess
from tests.run_witness import Witness, faults

WRITES_A_SHARD = """
import random, sys
from pathlib import Path
from backend.events import ShardWritten
from backend.replay.shards import ShardWriter
from backend.wire import encode
from tests.backend.fakes.worker import random_game

replay = Path(sys.argv[1]) / "replay"
writer = ShardWriter(replay, "sp-w", producer="w", orientation="white", network="n")
w = writer.write([random_game(random.Random(int(sys.argv[2])))])
event = ShardWritten(worker="w", name=w.name, sha256=w.sha256, games=1, positions=w.num_positions)
sys.stdout.buffer.write(encode(event))
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.settle(Config())
    return run


def slot(run: RunDirectory) -> Slot:
    return Slot("r-1", run.config_file.read_text("utf-8"), __version__, 2)


def start(place: Slot, run: RunDirectory, seed: int = 1) -> None:
    argv = (sys.executable, "-c", WRITES_A_SHARD, str(run.path), str(seed))
    place.start("w", argv, {"PYTHONPATH": str(Path.cwd())}, str(run.path))


def next_shard(place: Slot) -> Item:
    """One at a time: a poll for more would lose what follows."""
    for _ in range(100):
        for item in place.poll(1, 20.0):
            assert item.code is None, item.last_words.decode()
            if item.shard:
                return item
    raise AssertionError("no shard came")


def end(place: Slot) -> None:
    place.signal(9)
    for _ in range(100):
        if (items := place.poll(1, 20.0)) and items[0].code is not None:
            return
    raise AssertionError("it does not end")


def test_a_shard_leaves_a_node_when_it_is_safe_at_home(run: RunDirectory) -> None:
    place = slot(run)
    start(place, run)
    item = next_shard(place)
    (run.replay / item.shard).write_bytes(item.content)
    assert read_shard(run.replay / item.shard).num_games == 1
    scratch = next(Path(os.environ["XDG_CACHE_HOME"]).rglob(item.shard))
    place.acknowledge([item.shard])
    assert not scratch.exists()
    end(place)


def test_what_nobody_took_is_offered_again_by_the_next_life(run: RunDirectory) -> None:
    first = slot(run)
    start(first, run)
    left = next_shard(first)
    end(first)
    second = slot(run)
    start(second, run, seed=2)
    again = next_shard(second)
    assert (again.shard, again.content) == (left.shard, left.content)
    event = decode_event(again.line)
    assert (event.name, event.games) == (left.shard, 1)  # type: ignore[union-attr]
    assert next_shard(second).shard != left.shard
    end(second)


def test_a_worker_rests_while_nobody_takes_its_shards(run: RunDirectory) -> None:
    """Two may wait; the third is held back in the worker's pipe until one is taken."""
    place = slot(run)
    scratch = Path(os.environ["XDG_CACHE_HOME"]) / "matrix0" / "cluster" / "r-1" / "w" / "replay"
    scratch.mkdir(parents=True)
    writer = ShardWriter(scratch, "sp-w", producer="w", orientation="white", network="n")
    for seed in range(3):
        writer.write([random_game(random.Random(seed))])
    place.start("w", (sys.executable, "-c", "input()"), {}, str(run.path))
    offered = [next_shard(place).shard, next_shard(place).shard]
    assert place.poll(8, 0.3) == []
    place.acknowledge(offered[:1])
    assert next_shard(place).shard not in offered
    end(place)


def test_a_node_keeps_the_networks_that_were_sent_last_whatever_their_step(
    run: RunDirectory,
) -> None:
    place = slot(run)
    place.start("w", (sys.executable, "-c", "input()"), {}, str(run.path))
    names = [f"step-{step:08}" for step in range(5)]
    for name in (*names[:4], names[0], names[4]):  # An old one plays again.
        place.put_network(name, {"manifest.json": name.encode()})
    there = Path(os.environ["XDG_CACHE_HOME"]) / "matrix0" / "cluster" / "r-1" / "w" / "checkpoints"
    assert sorted(path.name for path in there.iterdir()) == [names[0], *names[2:]]
    assert (there / names[0] / "manifest.json").read_bytes() == names[0].encode()
    end(place)


def test_a_node_with_another_version_is_refused(run: RunDirectory) -> None:
    with pytest.raises(WorkerError, match=r"has Matrix0 .*, the run is of 0\.0\.0"):
        Slot("r-1", "", "0.0.0", 1)


def test_no_telemetry_and_a_token_that_nobody_else_can_read(run: RunDirectory) -> None:
    environment: dict[str, str] = {}
    prepare_environment(ClusterConfig(pool="ray"), environment, run)
    token = Path(environment["RAY_AUTH_TOKEN_PATH"])
    assert token.stat().st_mode & 0o777 == 0o600
    assert len(token.read_text()) == 64
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_cluster_of_others_is_not_joined_without_a_token(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConfigError, match="there is no token to join it with"):
        prepare_environment(ClusterConfig(pool="ray", address="10.0.0.1:6379"), {}, run)


def test_without_ray_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backend.cluster.pool.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'matrix0\[ray\]'"):
        require_ray()


async def test_games_of_a_network_that_is_too_old_are_refused_and_counted(
    run: RunDirectory,
) -> None:
    config = Config(cluster=ClusterConfig(max_staleness=1))
    async with started(run, config) as findings:
        ledger, intake = findings.ledger, findings.intake
        listener = ledger.listen()
        for step in range(3):
            name, before = f"step-{step:08}", f"step-{step - 1:08}" if step else ""
            await ledger.commit(Promoted(name=name, previous=before, reason="better"))
        shards = []
        for step in range(3):
            writer = ShardWriter(run.replay, f"sp-{step}", producer="sp0", orientation="white")
            writer.network = f"step-{step:08}"
            shards.append(writer.write([random_game(random.Random(step))]))
        admitted = [await intake.admit(shard.name, shard.sha256) for shard in shards]
        assert [each is not None for each in admitted] == [False, True, True]
        while not isinstance((refused := (await listener.next()).event), ShardRejected):  # type: ignore[union-attr]
            pass
        assert refused.is_stale
        assert "2 promotions ago" in refused.reason
        assert ledger.state.totals.stale_shards == 1
        assert not ledger.state.alerts


@pytest.mark.slow
@NEEDS_RAY
async def test_a_worker_on_a_node_without_power_is_lost_and_not_ended(tmp_path: Path) -> None:
    head = RayHead(tmp_path, cpus=0)
    try:
        node = head.join("far")
        run = head.prepared_run(tmp_path / "run")
        async with (
            RayPool(run, lambda seen: None, lambda level, text: None) as pool,
            asyncio.timeout(120),
        ):
            spec = WorkerSpec(
                worker="w",
                role="selfplay",
                argv=(sys.executable, "-c", "input()"),
                environment=dict(os.environ),
                log=tmp_path / "w.log",
            )
            while True:
                try:
                    placed = await pool.start(spec)
                except WorkerError:
                    continue  # The node has not joined yet.
                break
            assert placed.node == "far"
            node.power_off()
            event = await anext(aiter(pool.events()))
            assert isinstance(event, Lost)
            assert pool.running() == frozenset()
    finally:
        head.close()


@pytest.mark.slow
@NEEDS_RAY
def test_a_run_on_three_nodes_loses_and_repeats_no_game_when_three_of_them_die(
    tmp_path: Path,
) -> None:
    """Each that dies has a worker that plays; another node joins in its place."""
    head = RayHead(tmp_path, cpus=0)
    witness = Witness()
    try:
        nodes = {name: head.join(name) for name in ("n0", "n1", "n2")}
        settings = (
            *(setting for setting in SETTINGS if not setting.startswith("selfplay.workers")),
            "cluster.pool=ray",
            "cluster.num_selfplay=2",
            f"cluster.address={head.address}",
        )
        directory = tmp_path / "run"
        with RunProcess(directory, hear=witness.hear, settings=settings) as process:
            for number in range(3, 6):
                ready = process.wait_for("WorkerReady", lambda e: e["role"] == "selfplay")
                process.wait_for("ShardAdmitted")
                at = {e["worker"]: e["node"] for e in process.events if "node" in e}
                nodes.pop(at[ready["worker"]]).power_off()
                nodes[f"n{number}"] = head.join(f"n{number}")
                exited = process.wait_for("WorkerExited")
                assert "does not answer" in exited["reason"]
            process.wait_for("WorkerReady", lambda e: e["role"] == "selfplay")
            process.wait_for("CycleFinished")
            process.process.terminate()
            assert process.finish() == 0
        assert witness.games > 0
        assert faults(directory, witness) == []
    finally:
        head.close()


def test_the_examples_of_docs_cluster_parse() -> None:
    examples = Path(__file__).resolve().parents[2] / "docs" / "cluster"
    assert subprocess.run(["bash", "-n", str(examples / "slurm.sh")], check=False).returncode == 0
    yaml = pytest.importorskip("yaml", reason="the extra [ray] is not here")
    cluster = yaml.safe_load((examples / "ray-up.yaml").read_text("utf-8"))
    assert cluster["head_node_type"] in cluster["available_node_types"]
    assert cluster["provider"]["use_internal_ips"]


def test_status_groups_workers_by_machine() -> None:
    nodes = (
        NodeSeen(name="n0", address="10.0.0.2", is_alive=True, cpus=8),
        NodeSeen(name="n1", address="10.0.0.3", is_alive=False),
    )
    state = RunState(run="r")
    for event in (
        ClusterSeen(nodes=nodes, shard_bytes=3 << 20, network_bytes=1 << 20),
        WorkerStarted(worker="sp0", role="selfplay", pid=1, node="n0"),
    ):
        state = fold(state, event)
    shown = cluster_lines(state)
    assert shown[0].startswith("r: 1 of 2 machines, 0 positions/s, 3.0 MiB of games")
    assert shown[1].startswith("n0 10.0.0.2: up, 8 cores, 0 GPUs, 0 positions/s, 0.0 MiB of games")
    assert shown[2].split()[:2] == ["sp0", "starting"]
    assert shown[3].startswith("n1 10.0.0.3: gone")
    assert cluster_lines(RunState(run="r"))[0].startswith("r: no cluster")
