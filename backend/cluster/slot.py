"""A place for one worker on a node: the worker's process, its scratch directory, and its shards.

Imports nothing of Ray: the relay makes an actor of it. The worker is the same command as on one
machine and does not know where it runs; its run directory is one of the node, with the run's
settings and the networks that were sent.
"""

import contextlib
import hashlib
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from backend import processes
from backend.cluster.cache import remove_forgotten
from backend.commit import (
    AddFile,
    commit_directory,
    commit_file,
    is_temporary,
    remove,
    remove_directory,
    sweep,
)
from backend.errors import ReplayError, WorkerError
from backend.events import ShardWritten
from backend.logfile import open_log
from backend.pool import LINE_LIMIT, TOO_LONG, sweep_group
from backend.replay.shards import Shard, read_shard
from backend.rundir import RunDirectory
from backend.wire import decode_event, encode

MAX_LINES: Final = 512
"""Lines that wait to be asked for; then the worker waits in its pipe."""
GATHER_S: Final = 0.25
"""Each answer on the network costs about a millisecond of both machines, whatever is in it."""
MAX_LAST_WORDS: Final = 64 * 1024
KEPT_NETWORKS: Final = 4
"""Those sent last, new or old; the worker may still be loading the ones before."""


class Item(NamedTuple):
    """Something a worker said or left."""

    line: bytes
    """Empty for an exit."""
    shard: str = ""
    """Name of the shard that the line announces."""
    content: bytes = b""
    code: int | None = None
    """Exit status; the last item of a worker's life."""
    last_words: bytes = b""
    """With it: the end of its stderr."""


class Slot:
    """One worker at a time. Any thread may call."""

    def __init__(self, run: str, settings: str, version: str, max_shards_waiting: int) -> None:
        """`run` names the run in this node's cache, `settings` is its config.toml.

        WorkerError when this node has another version of Matrix0.
        """
        if version != processes.version():
            raise WorkerError(
                f"{socket.gethostname()} has Matrix0 {processes.version()}, the run is of {version}"
            )
        self._base = scratch() / run
        self._settings = settings
        self._room = threading.Semaphore(max_shards_waiting)
        self._items: queue.Queue[Item] = queue.Queue(MAX_LINES)
        self._run: RunDirectory | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._offered: set[str] = set()
        self._lock = threading.Lock()

    def start(
        self, worker: str, argv: Sequence[str], environment: Mapping[str, str], run: str
    ) -> int:
        """Starts a worker: its process id. `run` is the run's directory at home."""
        self._run = self._prepare(worker)
        words = [str(self._run.path) if word == run else word for word in argv[1:]]
        with open_log(self._run.log_file(worker)) as log:
            said_before = log.tell()
            self._child = subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        threading.Thread(
            target=self._read, args=(worker, self._child, said_before), daemon=True
        ).start()
        return self._child.pid

    def poll(self, max_items: int, timeout_s: float) -> list[Item]:
        """What happened since, in order; waits for the first item, and a little for others."""
        found = []
        try:
            found.append(self._items.get(timeout=timeout_s))
            if found[0].code is None:
                time.sleep(GATHER_S)
            while len(found) < max_items:
                found.append(self._items.get_nowait())
        except queue.Empty:
            pass
        return found

    def acknowledge(self, shards: Sequence[str]) -> None:
        """These are safe at home: they leave this disk."""
        assert self._run is not None
        for name in shards:
            with self._lock:
                is_ours = name in self._offered
                self._offered.discard(name)
            if is_ours:
                remove(self._run.replay / name)
                self._room.release()

    def put_network(self, name: str, files: Mapping[str, bytes]) -> None:
        """Commits a checkpoint's files; what is there already is not written again."""
        assert self._run is not None
        place = self._run.checkpoints / Path(name).name
        if place.exists():
            os.utime(place)
            return

        def fill(add: AddFile) -> None:
            for file, content in files.items():
                add(Path(file).name, content)

        commit_directory(place, fill)
        networks = [p for p in self._run.checkpoints.iterdir() if not is_temporary(p)]
        networks.sort(key=lambda path: path.stat().st_mtime_ns)
        for old in networks[:-KEPT_NETWORKS]:
            remove_directory(old)

    def tell(self, line: bytes) -> None:
        """WorkerError when the worker is gone."""
        child = self._child
        if child is None or child.stdin is None or child.poll() is not None:
            raise WorkerError("the worker is not running")
        try:
            child.stdin.write(line)
            child.stdin.flush()
        except OSError as error:
            raise WorkerError(f"the worker does not take an order: {error}") from error

    def signal(self, number: int) -> None:
        """To the worker's process group; harmless when it is gone."""
        child = self._child
        if child is not None and child.poll() is None:
            try:
                os.killpg(child.pid, number)
            except ProcessLookupError:
                return

    # Inside ---------------------------------------------------------------------------------------

    def _prepare(self, worker: str) -> RunDirectory:
        """The worker's run directory on this node, with the run's settings."""
        run = RunDirectory(self._base / worker)
        run.create()
        for folder in (run.path, run.replay, run.checkpoints):
            sweep(folder)
        commit_file(run.config_file, self._settings.encode())
        remove_forgotten(self._base.parent)
        return run

    def _read(self, worker: str, child: "subprocess.Popen[bytes]", said_before: int) -> None:
        """Hands on what a worker says, to its end; a thread of its own."""
        assert child.stdout is not None
        assert self._run is not None
        for path in sorted(self._run.replay.glob("*.safetensors")):
            self._offer_left_over(worker, path)
        while line := child.stdout.readline(LINE_LIMIT):
            if not line.endswith(b"\n") and len(line) >= LINE_LIMIT:
                while rest := child.stdout.readline(LINE_LIMIT):
                    if rest.endswith(b"\n"):
                        break
                line = TOO_LONG
            self._items.put(self._item(line.rstrip(b"\n")))
        code = child.wait()
        child.stdout.close()
        if child.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # An order that came too late.
                child.stdin.close()
        sweep_group(child.pid)
        said = self._run.log_file(worker).read_bytes()[said_before:]
        self._items.put(Item(b"", code=code, last_words=said[-MAX_LAST_WORDS:]))

    def _item(self, line: bytes) -> Item:
        """A line, with the shard that it announces."""
        if b'"ShardWritten"' not in line:
            return Item(line)
        try:
            event = decode_event(line)
        except WorkerError:
            return Item(line)  # Home says what is wrong with it.
        if not isinstance(event, ShardWritten):
            return Item(line)
        assert self._run is not None
        content = (self._run.replay / Path(event.name).name).read_bytes()
        return self._offer(line, event.name, content)

    def _offer(self, line: bytes, name: str, content: bytes) -> Item:
        self._room.acquire()
        with self._lock:
            self._offered.add(name)
        return Item(line, shard=name, content=content)

    def _offer_left_over(self, worker: str, path: Path) -> None:
        """A shard that an earlier life wrote and nobody took."""
        try:
            shard = read_shard(path)
        except ReplayError:
            remove(path)  # Its games were never announced whole.
            return
        line = encode(announcement(worker, shard)).rstrip(b"\n")
        self._items.put(self._offer(line, path.name, path.read_bytes()))


def announcement(worker: str, shard: Shard) -> ShardWritten:
    """What a worker says of a shard that it has written."""
    return ShardWritten(
        worker=worker,
        name=shard.name,
        sha256=shard.sha256,
        games=shard.num_games,
        positions=shard.num_positions,
    )


def scratch() -> Path:
    """Where this node keeps runs of others: $XDG_CACHE_HOME/matrix0/cluster."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "matrix0" / "cluster"


def name_on_nodes(run: RunDirectory) -> str:
    """The run's name in the cache of every node: no two runs of this machine share one."""
    digest = hashlib.sha256(str(run.path).encode()).hexdigest()[:12]
    return f"{run.name[:40]}-{digest}"
