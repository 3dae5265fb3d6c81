"""Kernels are compiled once for all test processes, not by each of them at the same time.

The first process starts a child that compiles into the user's cache; a lock on a file that only the
child holds says when it is done. Meanwhile the others collect their tests.
"""

import fcntl
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from model.rules.kernel import cache_folder

ROOT: Final = Path(__file__).resolve().parents[1]
_LOCK: Final = "MATRIX0_TESTS_WARMING"
"""The environment of the test processes names the file that is locked."""
_CODE: Final = "from backend.search.warmup import warm_up; warm_up(lambda *_: None)"


def begin() -> "subprocess.Popen[bytes] | None":
    """The compiler, if nothing is compiled yet; to be called before test processes start."""
    folder = cache_folder()
    if folder is None or any(folder.rglob("*.nbi")):
        return None
    descriptor, name = tempfile.mkstemp(prefix="matrix0-warming-")
    fcntl.flock(descriptor, fcntl.LOCK_EX)  # Held by whoever has inherited the descriptor.
    os.environ[_LOCK] = name
    compiler = subprocess.Popen([sys.executable, "-c", _CODE], cwd=ROOT, pass_fds=[descriptor])
    os.close(descriptor)
    return compiler


def wait() -> None:
    """Returns when the compiler has ended, well or not; at once if there is none."""
    if name := os.environ.get(_LOCK):
        with open(name, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def end(compiler: "subprocess.Popen[bytes]") -> None:
    """Ends it if it still runs, and removes what `begin` left."""
    compiler.terminate()
    compiler.wait()
    Path(os.environ.pop(_LOCK)).unlink()
