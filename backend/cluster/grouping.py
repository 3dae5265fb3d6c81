"""The workers of a run by the machine they are on: one truth for screen, command line and JSON."""

import msgspec

from backend.state import RunState
from backend.views import WorkerView


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine of the cluster with what it does for the run."""

    name: str
    address: str
    is_alive: bool
    cpus: float
    gpus: float
    positions_per_s: float
    games_running: int
    rss_mib: float
    """Of its workers."""
    restarts: int
    shard_bytes: int
    """Of games, brought home from it."""
    network_bytes: int
    """Of networks that it has fetched."""
    stale_shards: int
    """Played on it, and refused since their network was too old."""
    workers: tuple[WorkerView, ...]


def machines(state: RunState) -> list[Machine]:
    """Those of the cluster, first the ones that are up; none without a cluster."""
    if state.cluster is None:
        return []
    found = []
    for node in sorted(state.cluster.nodes, key=lambda node: (not node.is_alive, node.name)):
        workers = tuple(w for w in state.workers.values() if w.node == node.name)
        playing = [w.progress for w in workers if w.progress and w.state == "running"]
        found.append(
            Machine(
                name=node.name,
                address=node.address,
                is_alive=node.is_alive,
                cpus=node.cpus,
                gpus=node.gpus,
                positions_per_s=sum(p.positions_per_s for p in playing),
                games_running=sum(p.games_running for p in playing),
                rss_mib=sum(w.rss_mib for w in workers if w.state in ("running", "paused")),
                restarts=sum(w.restarts for w in workers),
                shard_bytes=node.shard_bytes,
                network_bytes=node.network_bytes,
                stale_shards=state.stale_on.get(node.name, 0),
                workers=workers,
            )
        )
    return found


def elsewhere(state: RunState) -> list[WorkerView]:
    """Workers on none of these machines: those at home, and those that wait for a place."""
    names = {node.name for node in state.cluster.nodes} if state.cluster else set()
    return [worker for worker in state.workers.values() if worker.node not in names]
