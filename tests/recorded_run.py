"""A run's database as its supervisor writes it, from events that a test tells."""

from collections.abc import Iterable

from backend import events as e
from backend.config import Config
from backend.ledger import Ledger
from backend.recovery import open_ledger
from backend.rundir import RunDirectory
from backend.state import RunState
from backend.store.store import GameRow


async def record(
    run: RunDirectory, events: Iterable[e.Event], remembered: Iterable[e.Event] = ()
) -> RunState:
    """The state that the supervisor had at the end. `remembered` is what a later start finds."""
    run.create()
    if not run.exists:
        run.settle(Config(), "tiny")
    ledger, journal, _ = await open_ledger(run)
    ledger.remember(list(remembered))
    for event in events:
        await _hear(ledger, event)
    await ledger.flush()
    await ledger.store.close()
    journal.close()
    return ledger.state


async def _hear(ledger: Ledger, event: e.Event) -> None:
    match event:
        case e.MatchFinished() | e.GateDecided() | e.Promoted() | e.CycleFinished():
            await ledger.commit(event)
            return
        case e.CheckpointSaved():
            await ledger.store.record(event)
        case e.ShardAdmitted():
            row = GameRow(id=f"{event.name}:0", result=0, outcome=0, plies=2)
            await ledger.store.admit(event, "0" * 64, [row], 0)
    ledger.publish(event)
