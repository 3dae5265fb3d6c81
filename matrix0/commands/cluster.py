"""`matrix0 cluster status`: the machines that a run's self-play is spread over."""

from typing import TYPE_CHECKING, Any

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
        echo(msgspec.json.encode(facts(state)))
        return
    for line in lines(state):
        echo(line)


def facts(state: "RunState") -> dict[str, Any]:
    """For machines: what `lines` says, and every worker as in the protocol."""
    from backend.cluster.grouping import elsewhere, machines

    seen = state.cluster
    return {
        "run": state.run,
        "is_cluster": seen is not None,
        "positions_per_s": state.positions_per_s,
        "shard_bytes": seen.shard_bytes if seen else 0,
        "network_bytes": seen.network_bytes if seen else 0,
        "stale_shards": state.totals.stale_shards,
        "machines": machines(state),
        "elsewhere": elsewhere(state),
    }


def lines(state: "RunState") -> list[str]:
    """One for the whole, one for each machine, one for each worker on it."""
    from backend import wording
    from backend.cluster.grouping import machines

    seen = state.cluster
    if seen is None:
        return [f"{state.run}: no cluster; its workers run on this machine (cluster.pool)"]
    fleet = machines(state)
    found = [
        f"{state.run}: {sum(m.is_alive for m in fleet)} of {len(fleet)} machines, "
        f"{state.positions_per_s:,.0f} positions/s, {_mib(seen.shard_bytes)} of games brought "
        f"here, {_mib(seen.network_bytes)} of networks sent, "
        f"{state.totals.stale_shards} shards refused as stale"
    ]
    for machine in fleet:
        found.append(
            f"{machine.name} {machine.address}: {'up' if machine.is_alive else 'gone'}, "
            f"{machine.cpus:g} cores, {machine.gpus:g} GPUs, "
            f"{machine.positions_per_s:,.0f} positions/s, {_mib(machine.shard_bytes)} of games, "
            f"{_mib(machine.network_bytes)} of networks, {machine.stale_shards} stale"
        )
        found += [
            f"  {w.worker:<10} {w.state:<9} {w.phase or wording.DASH}, restarts {w.restarts}"
            for w in machine.workers
        ]
    return [wording.line(line) for line in found]


def _mib(num_bytes: int) -> str:
    return f"{num_bytes / (1 << 20):.1f} MiB"
