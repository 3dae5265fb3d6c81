"""How Matrix0 starts itself again as a child: command line, environment, detached supervisor; and
how a child ends when its parent does."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from backend.errors import WorkerError
from backend.logfile import open_log
from backend.rundir import RunDirectory

THREAD_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
"""Set to 1 in children where the user has not chosen: several workers share the cores."""


def child_command(*args: str) -> list[str]:
    """The argument list that starts `matrix0 ARGS…` with the interpreter of this process."""
    return [sys.executable, "-m", "matrix0", *args]


def child_environment() -> dict[str, str]:
    """Our environment, with the directory that holds the `matrix0` package first on PYTHONPATH."""
    environment = dict(os.environ)
    search = environment.get("PYTHONPATH")
    home = str(package_home())
    environment["PYTHONPATH"] = f"{home}{os.pathsep}{search}" if search else home
    environment["PYTHONUNBUFFERED"] = "1"
    for name in THREAD_LIMITS:
        environment.setdefault(name, "1")
    return environment


def version() -> str:
    """Of Matrix0; empty where the program was not started by its front door."""
    return getattr(sys.modules.get("matrix0"), "__version__", "")


def rank_by_torchrun(environment: Mapping[str, str] = os.environ) -> int | None:
    """Our number among the processes that torchrun started; None where it did not."""
    if "TORCHELASTIC_RUN_ID" not in environment or environment.get("WORLD_SIZE") == "1":
        return None
    return int(environment["RANK"])


class Group(NamedTuple):
    """Processes that one call of torchrun has started."""

    name: str
    """Another one for each call, unless the user has chosen it (`--rdzv-id`)."""
    is_again: bool
    """Whether one of them has died, and they were started once more."""


def group_by_torchrun(environment: Mapping[str, str] = os.environ) -> Group | None:
    """The group we belong to; None where torchrun has not started us."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    restarts = int(environment.get("TORCHELASTIC_RESTART_COUNT", "0"))
    return Group(environment["TORCHELASTIC_RUN_ID"], restarts > 0)


def package_home() -> Path:
    """The directory that contains the `matrix0` package: the checkout's root, or site-packages.

    Raises WorkerError when there is no such package, which means a broken installation.
    """
    spec = find_spec("matrix0")
    if spec is None or spec.origin is None:
        raise WorkerError("the package 'matrix0' cannot be found; is the installation complete?")
    return Path(spec.origin).resolve().parent.parent


def start_detached(run: RunDirectory, *, cycles: int = 0) -> "subprocess.Popen[bytes]":
    """Starts the supervisor of a prepared run outside our terminal's session.

    The caller may ask the process whether it is still there, or leave it behind: closing the
    terminal does not end it. Its output goes to logs/supervisor.log.
    """
    command = child_command("supervise", "--run", str(run.path), "--cycles", str(cycles))
    with open_log(run.log_file("supervisor")) as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=child_environment(),
            start_new_session=True,
        )


def end_with_parent() -> None:
    """The system kills us when whoever started us dies, where it can.

    The end of stdin already ends us; this also reaches a process that is stopped or stuck in C.
    """
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
