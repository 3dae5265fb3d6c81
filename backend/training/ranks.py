"""Whether a trainer has company: processes that the settings ask for, or that torchrun started.

Loads nothing of torch.distributed where it trains alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from backend.config import Config
from backend.processes import rank_by_torchrun
from backend.rundir import RunDirectory
from backend.training.team import Team


@contextmanager
def team_of(run: RunDirectory, config: Config) -> Iterator[Team | None]:
    """The leader's end of the team that trains `run`; None where it trains alone.

    Leaving the context ends the other processes. WorkerError when they do not come.
    """
    is_by_torchrun = rank_by_torchrun() is not None
    if config.training.processes == 1 and not is_by_torchrun:
        yield None
        return
    from backend.training.gathering import by_torchrun, gathered

    with by_torchrun(run) if is_by_torchrun else gathered(run, config) as team:
        yield team
