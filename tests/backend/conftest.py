"""A run for those who look at what is on disk."""

import pytest

from backend.rundir import RunDirectory
from tests.backend.fakes.process import SupervisorProcess, prepare


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """One cycle of a real supervisor with fake workers, stopped; to be copied, not changed."""
    path = prepare(tmp_path_factory.mktemp("whole") / "run")
    with SupervisorProcess(path, "--cycles", "1") as supervisor:
        assert supervisor.finish() == 0
    return RunDirectory(path)
