"""`matrix0 cluster status`: the machines that a run's self-play is spread over."""

from typing import TYPE_CHECKING

from matrix0.commands.options import JsonOption, RunOption, echo

if TYPE_CHECKING:
    from backend.state import RunState


def status(run: RunOption, as_json: JsonOption = False) -> None:
    """Say which machines play for a run at work, how fast, and what has moved."""
    import msgspec

    from backend.control import attend
    from backend.rundir import RunDirectory

    with attend(RunDirectory(run)) as supervisor:
        state = supervisor.state
    if as_json:
        echo(msgspec.json.encode(state.cluster))
        return
    for line in lines(state):
        echo(line)


def lines(state: "RunState") -> list[str]:
    """One for the whole, one for each machine, one for each worker on it."""
    from backend import wording

    seen = state.cluster
    if seen is None:
        return [f"{state.run}: no cluster; its workers run on this machine (cluster.pool)"]
    alive = [node for node in seen.nodes if node.is_alive]
    found = [
        f"{state.run}: {len(alive)} of {len(seen.nodes)} machines, "
        f"{state.positions_per_s:,.0f} positions/s, {_mib(seen.shard_bytes)} of games brought "
        f"here, {_mib(seen.network_bytes)} of networks sent, "
        f"{state.totals.stale_shards} shards refused as stale"
    ]
    for node in seen.nodes:
        workers = [w for w in state.workers.values() if w.node == node.name]
        rate = sum(w.progress.positions_per_s for w in workers if w.progress)
        found.append(
            f"{node.name} {node.address}: {'up' if node.is_alive else 'gone'}, "
            f"{node.cpus:g} cores, {node.gpus:g} GPUs, {rate:,.0f} positions/s"
        )
        found += [
            f"  {w.worker:<10} {w.state:<9} {w.phase or wording.DASH}, restarts {w.restarts}"
            for w in workers
        ]
    return [wording.line(line) for line in found]


def _mib(num_bytes: int) -> str:
    return f"{num_bytes / (1 << 20):.1f} MiB"
