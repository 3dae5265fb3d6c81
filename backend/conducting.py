"""One start of a run from its lock to its exit code: recovery, pool, supervisor, and who watches.

What happens in between is for `backend/supervisor.py` to say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from backend.cluster.pool import pool_of
from backend.ledger import Ledger
from backend.recovery import open_ledger, recover
from backend.roster import WorkerCommandLine
from backend.rundir import SUPERVISOR, RunDirectory
from backend.supervisor import Mission, Supervisor, first_of

Watch = Callable[[Ledger], Awaitable[None]]
"""A front end in this process; it reads a listener until that ends."""


async def conduct(
    mission: Mission,
    *,
    watch: Watch | None = None,
    command_line: WorkerCommandLine | None = None,
) -> int:
    """One start of a run whose lock the caller holds: recovery, work, end; the exit code."""
    ledger, journal, remarks = await open_ledger(mission.run)
    try:
        async with asyncio.TaskGroup() as tasks:
            if watch is not None:
                tasks.create_task(_run_watch(watch, ledger))
            try:
                findings = await recover(mission.run, mission.config, ledger, remarks)
                cluster = mission.config.cluster
                async with pool_of(mission.run, cluster, ledger.publish, ledger.alert) as pool:
                    return await Supervisor(mission, findings, pool, command_line).run()
            finally:
                ledger.end()
                await ledger.flush()
    except BaseExceptionGroup as group:
        raise first_of(group) from group
    finally:
        await ledger.store.close()
        journal.close()


def supervise(directory: Path, cycles: int = 0) -> int:
    """`matrix0 supervise`: the detached supervisor of a prepared run. Returns the exit code.

    Raises RunLockedError when another one has the run, ConfigError when there is none.
    """
    run = RunDirectory(directory)
    run.create()
    with run.lock(SUPERVISOR):
        mission = Mission(
            run=run,
            config=run.read_config(),
            preset=run.read_preset(),
            cycles=cycles,
            ignores_hangup=True,
        )
        return asyncio.run(conduct(mission))


async def _run_watch(watch: Watch, ledger: Ledger) -> None:
    await watch(ledger)
