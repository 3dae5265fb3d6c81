"""What every test shares: one thread for each library, patient properties, and device markers.

Compiled kernels are kept in the user's cache folder, which tests and their child processes share
with everything else: only the first run after an edit compiles, in one process for all.
"""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from matrix0 import cli
from tests import warming
from tests.backend.cluster_head import RayHead
from tests.command_line import Outcome, Run

for _library in ("OMP", "MKL", "OPENBLAS"):
    # Before the first import of torch or numpy, and inherited by the processes that tests start.
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

settings.register_profile("matrix0", deadline=None)  # The first example may compile a kernel.
settings.load_profile("matrix0")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`run("perft", "startpos", "3")`: the front door in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str, entry: Callable[[], None] = cli.main) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["matrix0", *words])
        with pytest.raises(SystemExit) as ended:
            entry()
        captured = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture(scope="module")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """A Ray cluster for the tests of one module."""
    head = RayHead(tmp_path_factory.mktemp("head"))
    try:
        yield head
    finally:
        head.close()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Before several processes test, one compiles for all."""
    if session.config.getoption("numprocesses", None) and (compiler := warming.begin()):
        session.config.add_cleanup(lambda: warming.end(compiler))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Each of several processes waits for the compiler once it has its tests."""
    if hasattr(session.config, "workerinput"):
        warming.wait()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip the tests of a device that is not here. Loads torch only if such a test was chosen."""
    if item.get_closest_marker("cuda") or item.get_closest_marker("mps"):
        import torch

        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            pytest.skip("no NVIDIA GPU here")
        if item.get_closest_marker("mps") and not torch.backends.mps.is_available():
            pytest.skip("no Apple GPU here")
