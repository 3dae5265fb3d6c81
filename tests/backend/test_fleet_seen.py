"""What is told of a cluster: each machine once, with its workers, its bytes and its refusals."""

import msgspec

from backend.cluster.grouping import elsewhere, machines
from backend.cluster.relay import seen_nodes
from backend.events import WorkerStarted
from backend.fold import fold
from backend.state import RunState
from matrix0.commands.cluster import facts, lines
from tests.tui import scenario


def fleet() -> RunState:
    return scenario.fold_all(scenario.fleet(scenario.START))


def test_machines_sum_up_their_workers_and_those_that_are_gone_come_last() -> None:
    found = {machine.name: machine for machine in machines(fleet())}
    assert list(found) == ["a-long-name", "n0", "n2"]
    n0, gone = found["n0"], found["n2"]
    assert [w.worker for w in n0.workers] == ["sp0", "sp1"]
    assert (n0.positions_per_s, n0.games_running, n0.rss_mib) == (60.0, 192, 1200.0)
    assert (n0.shard_bytes, n0.network_bytes, n0.stale_shards) == (9 << 20, 3 << 20, 1)
    assert [w.worker for w in gone.workers] == ["sp2"]
    assert (gone.is_alive, gone.positions_per_s, gone.rss_mib) == (False, 0, 0)


def test_a_refusal_stays_with_the_machine_when_the_worker_moves_on() -> None:
    moved = WorkerStarted(worker="sp1", role="selfplay", pid=8, node="a-long-name")
    found = {machine.name: machine for machine in machines(fold(fleet(), moved))}
    assert found["n0"].stale_shards == 1
    assert found["a-long-name"].stale_shards == 0
    assert [w.stale_shards for w in found["a-long-name"].workers] == [1, 0]


def test_a_worker_at_home_is_on_no_machine_of_the_cluster() -> None:
    state = fold(fleet(), WorkerStarted(worker="trainer", role="trainer", pid=1))
    assert [view.worker for view in elsewhere(state)] == ["trainer"]
    assert len(elsewhere(RunState())) == 0 == len(machines(RunState()))


def test_status_says_the_same_in_words_and_in_json() -> None:
    state = fleet()
    told = msgspec.json.decode(msgspec.json.encode(facts(state)))
    n0 = next(machine for machine in told["machines"] if machine["name"] == "n0")
    assert (n0["positions_per_s"], n0["stale_shards"], len(n0["workers"])) == (60.0, 1, 2)
    assert (told["stale_shards"], told["shard_bytes"]) == (1, 10 << 20)
    said = next(line for line in lines(state) if line.startswith("n0 "))
    assert said == (
        "n0 10.0.0.2: up, 8 cores, 0 GPUs, 60 positions/s, 9.0 MiB of games, "
        "3.0 MiB of networks, 1 stale"
    )


def test_a_machine_that_came_back_under_its_name_is_told_once_and_up() -> None:
    def node(name: str, alive: bool) -> dict[str, object]:
        return {"NodeName": name, "NodeManagerAddress": "10.0.0.2", "Alive": alive}

    nodes = [node("a", True), node("a", False), node("b", False), node("b", True), node("c", False)]
    assert [(n.name, n.is_alive) for n in seen_nodes(nodes)] == [
        ("a", True),
        ("b", True),
        ("c", False),
    ]
