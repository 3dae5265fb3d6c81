"""An order for a run from the command line, whether a supervisor is at work on it or not.

A live supervisor is asked over its socket. Without one the order is obeyed here, under the run's
lock, by the same code; either way it is in the journal.
"""

import asyncio

from backend.commands import Promote, RecordMatch, Rollback
from backend.cycle import Director
from backend.dialogue import Dialogue
from backend.errors import RunDirectoryError
from backend.events import Role
from backend.gating import Gating
from backend.recovery import open_ledger
from backend.rundir import RunDirectory
from backend.wire import Reply

Order = Promote | Rollback | RecordMatch


def carry_out(run: RunDirectory, order: Order, role: str) -> str:
    """What was done. `role` is the command as a person types it, for who finds the run locked.

    Raises RunDirectoryError when the order is refused, RunLockedError when another command is at
    work on the run.
    """
    holder = run.holder()
    if holder is not None and holder.is_supervisor:
        with Dialogue(run) as supervisor:
            answer = supervisor.ask(order)
    else:
        with run.lock(role):
            answer = asyncio.run(_obey(run, order, role))
    if answer.refused:
        raise RunDirectoryError(f"{run.path}: {answer.refused}")
    return answer.text


async def _obey(run: RunDirectory, order: Order, by: str) -> Reply:
    config = run.read_config()
    ledger, journal, _ = await open_ledger(run)
    try:
        director = Director(
            config.evaluation,
            simulations=config.search.simulations,
            seed=config.seed,
            best=await ledger.store.best(),
        )
        gating = Gating(
            run, config, ledger, director, order=_nobody_hears, on_cycle=lambda cycle: None
        )
        refused, text = await gating.obey(order, by)
        if not refused:
            await ledger.commit(order)
        await ledger.flush()
        return Reply(id=0, refused=refused, text=text)
    finally:
        await ledger.store.close()
        journal.close()


async def _nobody_hears(role: Role, command: object) -> None:
    """No worker runs: the next start tells them."""
