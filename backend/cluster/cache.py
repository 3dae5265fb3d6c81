"""What runs of others have left in this node's cache, and what of it goes.

    ~/.cache/matrix0/cluster/tiny-1f0c8c3a5b7e/selfplay-0/    a run, and the place of a worker of it

No run says here that it is over, so what nobody has used for long is removed. A shard that has not
come home never is: the next start of its run asks for it.
"""

import fcntl
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from backend.clock import wall
from backend.commit import remove_directory, sweep
from backend.errors import Matrix0Error

FORGOTTEN_S: Final = 14 * 86400.0
_RUN: Final = re.compile(r".+-[0-9a-f]{12}")
"""As `slot.name_on_nodes` calls them; what is called otherwise is not ours to remove."""


def remove_forgotten(cache: Path, *, now: float | None = None) -> list[Path]:
    """Removes the runs of `cache` that no process uses and nobody has touched for FORGOTTEN_S.

    Returns what it has removed: nothing while another process is at it. One that cannot be removed
    stays, and stderr says why. `now`: seconds since 1970.
    """
    removed: list[Path] = []
    since = (wall() if now is None else now) - FORGOTTEN_S
    with _alone(cache) as is_alone:
        if not is_alone:
            return removed
        sweep(cache)
        old = [run for run in _runs(cache) if _touched_at(run) < since and not _has_shards(run)]
        words = _words_of_processes() if old else []
        for run in old:
            if any(word.startswith(f"{run}{os.sep}") for word in words):
                continue
            try:
                remove_directory(run)
            except Matrix0Error as error:
                print(error, file=sys.stderr)
            else:
                removed.append(run)
    return removed


@contextmanager
def _alone(cache: Path) -> Iterator[bool]:
    """Whether nobody else cleans up now: the workers of a run come to a node all at once."""
    try:
        fd = os.open(cache, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def _runs(cache: Path) -> list[Path]:
    return [
        Path(entry.path)
        for entry in os.scandir(os.path.abspath(cache))
        if _RUN.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
    ]


def _touched_at(run: Path) -> float:
    """When something in it was changed last, seconds since 1970; infinity while that goes on."""
    newest = 0.0
    try:
        for folder, _, files in os.walk(run):
            for place in (folder, *(os.path.join(folder, file) for file in files)):
                newest = max(newest, os.lstat(place).st_mtime)
    except FileNotFoundError:
        return math.inf
    return newest


def _has_shards(run: Path) -> bool:
    """Whether games wait in it to be fetched."""
    return any(run.glob("*/replay/*.safetensors"))


def _words_of_processes() -> list[str]:
    """Of their command lines: a worker is told its place in one."""
    return [
        word
        for process in psutil.process_iter(["cmdline"])
        for word in process.info["cmdline"] or ()  # None: of another user.
    ]
