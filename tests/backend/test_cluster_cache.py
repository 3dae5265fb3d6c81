"""What goes of the cache of a node, and what never does."""

import fcntl
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from backend.clock import wall
from backend.cluster.cache import FORGOTTEN_S, remove_forgotten
from backend.cluster.slot import Slot, name_on_nodes
from backend.config import Config
from backend.replay.shards import ShardWriter
from backend.rundir import RunDirectory
from matrix0 import __version__
from tests.backend.fakes.worker import random_game
from tests.limits import PATIENCE_S

NOW = 2e9
OLD = NOW - FORGOTTEN_S - 60
NEW = NOW - FORGOTTEN_S + 60


def _place(cache: Path, run: str, worker: str = "w") -> RunDirectory:
    """What a worker of that run leaves."""
    place = RunDirectory(cache / name_on_nodes(RunDirectory(Path("/home/runs") / run)) / worker)
    place.create()
    place.settle(Config())
    place.log_file(worker).write_text("it said something\n")
    return place


def _age(run: Path, at: float) -> None:
    for path in (run, *run.rglob("*")):
        os.utime(path, (at, at), follow_symlinks=False)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "matrix0" / "cluster"


def test_what_nobody_touched_for_a_fortnight_goes_with_all_its_workers(cache: Path) -> None:
    gone, kept = _place(cache, "gone").path.parent, _place(cache, "kept").path.parent
    _place(cache, "gone", "v")
    _age(gone, OLD)
    _age(kept, NEW)
    assert remove_forgotten(cache, now=NOW) == [gone]
    assert list(cache.iterdir()) == [kept]


def test_one_file_that_was_touched_keeps_the_whole_run(cache: Path) -> None:
    place = _place(cache, "r")
    _age(place.path.parent, OLD)
    os.utime(place.log_file("w"), (NEW, NEW))
    assert remove_forgotten(cache, now=NOW) == []
    os.utime(place.log_file("w"), (OLD, OLD))
    assert remove_forgotten(cache, now=NOW) == [place.path.parent]


def test_a_shard_that_nobody_took_keeps_its_run(cache: Path) -> None:
    place = _place(cache, "r")
    _place(cache, "r", "v")
    writer = ShardWriter(place.replay, "sp-w", producer="w", orientation="white", network="n")
    shard = writer.write([random_game(random.Random(1))]).path
    _age(place.path.parent, OLD)
    assert remove_forgotten(cache, now=NOW) == []
    assert shard.exists()
    shard.unlink()
    _age(place.path.parent, OLD)
    assert remove_forgotten(cache, now=NOW) == [place.path.parent]


def test_what_a_process_uses_stays_until_that_has_ended(cache: Path) -> None:
    used, unused = _place(cache, "used").path, _place(cache, "us").path
    command = [sys.executable, "-c", "input()", "--run", str(used)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        for place in (used, unused):
            _age(place.parent, OLD)
        assert remove_forgotten(cache, now=NOW) == [unused.parent]
        child.kill()
    assert remove_forgotten(cache, now=NOW) == [used.parent]


def test_what_is_not_ours_stays(cache: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (cache / "notes").mkdir(parents=True)
    (cache / "r-0123456789ab").symlink_to(elsewhere)
    (cache / "file-0123456789ab").write_text("")
    _age(cache, OLD)
    _age(elsewhere, OLD)
    assert remove_forgotten(cache, now=NOW) == []
    assert len(list(cache.iterdir())) == 3


def test_one_cleans_up_at_a_time_and_a_cache_that_is_not_there_is_clean(cache: Path) -> None:
    assert remove_forgotten(cache, now=NOW) == []
    run = _place(cache, "r").path.parent
    _age(run, OLD)
    (cache / f"{run.name}.tmp.17.0123abcd").mkdir()  # As left by a death while it was removed.
    fd = os.open(cache, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert remove_forgotten(cache, now=NOW) == []
    assert len(list(cache.iterdir())) == 2
    os.close(fd)
    assert remove_forgotten(cache, now=NOW) == [run]
    assert list(cache.iterdir()) == []


def test_the_start_of_a_worker_cleans_up(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    old = _place(cache, "old").path.parent
    mine = _place(cache, "mine").path.parent
    for run in (old, mine):
        _age(run, wall() - FORGOTTEN_S - 60)
    slot = Slot(mine.name, "", __version__, 1)
    slot.start("w", (sys.executable, "-c", "pass"), {}, "")
    while not any(item.code is not None for item in slot.poll(8, PATIENCE_S)):
        pass
    assert list(cache.iterdir()) == [mine]
