"""What a power cut may leave: a file system that remembers its calls, and the disks they allow.

A second cut may come while a start puts in order what the first one left: then the recorder takes
what it finds there for durable.

After ALICE (Pillai et al., OSDI 2014). What was fsynced survives. Of the rest of a file a random
legal part does: nothing, a prefix, a subset or all of its writes, the last one torn at 512 bytes or
followed by zeros. Of the rest of a directory a prefix of its changes does; either each directory
has its own prefix, or, as on a file system with one journal, all of them share one, and any fsync
takes along all that came before. What goes from one directory to another does so in one instant, as
on every file system with a journal: it may be in both, never in none.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from backend.filesystem import OsFileSystem

SECTOR: Final = 512


@dataclass(frozen=True)
class Write:
    at: int
    """Position in the log."""
    offset: int
    data: bytes


@dataclass(frozen=True)
class Truncate:
    at: int
    length: int


@dataclass(frozen=True)
class Entry:
    """A change of a directory, in one instant: names that appear, with their node, or go."""

    at: int
    names: dict[str, int | None]


@dataclass
class File:
    changes: list[Write | Truncate] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    length: int = 0


@dataclass
class Directory:
    changes: list[Entry] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)
    """As they are now."""


class Recorder(OsFileSystem):
    """Does what it is told, below `root`, and remembers it. `ignore` names the calls it forgets.

    A call is in the log once it has returned; of one that was not synced any part may be there.
    """

    def __init__(self, root: Path, *, ignore: frozenset[str] = frozenset()) -> None:
        self.root = root
        self.clock = 0
        """Length of the log."""
        self.all_syncs: list[int] = []
        self.nodes: list[File | Directory] = [Directory()]
        self._ignore = ignore
        self.moves: list[tuple[int, Directory, Directory]] = []
        """When something went from one directory to another."""
        self._open: dict[int, tuple[int, int]] = {}
        """File descriptor -> node, offset."""
        self._adopt(root, self.nodes[0])

    # Files ----------------------------------------------------------------------------------------

    def create(self, path: Path) -> int:
        fd = super().create(path)
        self._open[fd] = (self._new(path, File()), 0)
        return fd

    def open(self, path: Path) -> int:
        fd = super().open(path)
        known = self._parent(path).names.get(path.name)
        self._open[fd] = (self._new(path, File()) if known is None else known, 0)
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        node, offset = self._open[fd]
        written = self.write_at(fd, data, offset)
        self._open[fd] = (node, offset + written)
        os.lseek(fd, offset + written, os.SEEK_SET)
        return written

    def write_at(self, fd: int, data: memoryview, offset: int) -> int:
        written = super().write_at(fd, data, offset)
        file = self._file(fd)
        file.changes.append(Write(self._tick(), offset, bytes(data[:written])))
        file.length = max(file.length, offset + written)
        return written

    def truncate(self, fd: int, length: int) -> None:
        super().truncate(fd, length)
        file = self._file(fd)
        if file.length != length:
            file.changes.append(Truncate(self._tick(), length))
            file.length = length

    def sync(self, fd: int) -> None:
        # The real one would cost time and tell nothing.
        if fd in self._open and "sync" not in self._ignore:
            self._file(fd).syncs.append(self._tick())
            self.all_syncs.append(self.clock)

    def close(self, fd: int) -> None:
        super().close(fd)
        del self._open[fd]

    # Directories ----------------------------------------------------------------------------------

    def make_directory(self, path: Path) -> None:
        super().make_directory(path)
        self._new(path, Directory())

    def sync_directory(self, path: Path) -> None:
        kind = "sync_temporary" if ".tmp." in path.name else "sync_directory"
        if kind not in self._ignore:
            self._directory(path).syncs.append(self._tick())
            self.all_syncs.append(self.clock)

    def rename(self, old: Path, new: Path) -> None:
        super().rename(old, new)
        source, target = self._parent(old), self._parent(new)
        node = source.names.pop(old.name, None)
        if node is None:  # SQLite made it.
            node = self._durable(new)
        target.names[new.name] = node
        at = self._tick()
        if source is target:
            source.changes.append(Entry(at, {old.name: None, new.name: node}))
        else:
            self.moves.append((at, source, target))
            source.changes.append(Entry(at, {old.name: None}))
            target.changes.append(Entry(at, {new.name: node}))

    def remove(self, path: Path) -> None:
        super().remove(path)
        parent = self._parent(path)
        if parent.names.pop(path.name, None) is not None:
            parent.changes.append(Entry(self._tick(), {path.name: None}))

    # The model ------------------------------------------------------------------------------------

    def unseen(self, theirs: Callable[[Path], bool]) -> list[Path]:
        """What is on the disk or in the log and not in both, unless it is `theirs`: SQLite's."""
        on_disk = {path for path in self.root.rglob("*") if not theirs(path)}
        return sorted(on_disk ^ {path for path in self._known(self.root, 0) if not theirs(path)})

    def _known(self, place: Path, number: int) -> Iterator[Path]:
        node = self.nodes[number]
        for name, child in node.names.items() if isinstance(node, Directory) else ():
            yield place / name
            yield from self._known(place / name, child)

    def _adopt(self, place: Path, directory: File | Directory) -> None:
        """What lies there already is durable."""
        assert isinstance(directory, Directory)
        for path in sorted(place.iterdir()):
            directory.names[path.name] = self._durable(path)
        directory.changes.append(Entry(0, dict(directory.names)))

    def _durable(self, path: Path) -> int:
        self.nodes.append(Directory() if path.is_dir() else File())
        number = len(self.nodes) - 1
        node = self.nodes[number]
        if isinstance(node, Directory):
            self._adopt(path, node)
        else:
            content = path.read_bytes()
            node.changes.append(Write(0, 0, content))
            node.length = len(content)
        return number

    def _tick(self) -> int:
        self.clock += 1
        return self.clock

    def _file(self, fd: int) -> File:
        node = self.nodes[self._open[fd][0]]
        assert isinstance(node, File)
        return node

    def _directory(self, path: Path) -> Directory:
        place = self.nodes[0]
        for part in path.relative_to(self.root).parts:
            assert isinstance(place, Directory)
            place = self.nodes[place.names[part]]
        assert isinstance(place, Directory)
        return place

    def _parent(self, path: Path) -> Directory:
        return self._directory(path.parent)

    def _new(self, path: Path, node: File | Directory) -> int:
        number = len(self.nodes)
        self.nodes.append(node)
        parent = self._parent(path)
        parent.names[path.name] = number
        parent.changes.append(Entry(self._tick(), {path.name: number}))
        return number


def materialise(recorder: Recorder, cut: int, target: Path, rng: Random) -> None:
    """Writes into `target` one disk that a power cut after `cut` entries of the log may leave."""
    shared = None
    if rng.random() < 0.5:
        durable = max((at for at in recorder.all_syncs if at <= cut), default=0)
        shared = rng.randint(durable, cut)
    kept = {
        id(node): _last_kept(node, cut, shared, rng)
        for node in recorder.nodes
        if isinstance(node, Directory)
    }
    for _ in recorder.moves:  # What one takes along may take along another.
        for at, source, to in recorder.moves:
            if kept[id(source)] >= at:
                kept[id(to)] = max(kept[id(to)], at)
    _write_directory(recorder, 0, cut, kept, target, rng)


def _last_kept(node: Directory, cut: int, shared: int | None, rng: Random) -> int:
    """The last change of a directory that is on the disk; -1 for none."""
    changes = [change for change in node.changes if change.at <= cut]
    durable = max((at for at in node.syncs if at <= cut), default=0)
    num_kept = sum(change.at <= durable for change in changes)
    if shared is None:
        num_kept = rng.randint(num_kept, len(changes))
    else:
        num_kept = max(num_kept, sum(change.at <= shared for change in changes))
    return changes[num_kept - 1].at if num_kept else -1


def _write_directory(
    recorder: Recorder, number: int, cut: int, kept: dict[int, int], target: Path, rng: Random
) -> None:
    target.mkdir(exist_ok=True)
    node = recorder.nodes[number]
    assert isinstance(node, Directory)
    names: dict[str, int] = {}
    for change in (change for change in node.changes if change.at <= kept[id(node)]):
        for name, child in change.names.items():
            if child is None:
                names.pop(name, None)
            else:
                names[name] = child
    for name, child in names.items():
        found = recorder.nodes[child]
        if isinstance(found, Directory):
            _write_directory(recorder, child, cut, kept, target / name, rng)
        else:
            (target / name).write_bytes(_content(found, cut, rng))


def _content(file: File, cut: int, rng: Random) -> bytes:
    changes = [change for change in file.changes if change.at <= cut]
    durable = max((at for at in file.syncs if at <= cut), default=0)
    settled = [change for change in changes if change.at <= durable]
    content = bytearray()
    for change in settled + _part(changes[len(settled) :], rng):
        _apply(content, change)
    return bytes(content)


def _part(changes: list[Write | Truncate], rng: Random) -> list[Write | Truncate]:
    """A legal part of changes that were not synced."""
    way = rng.choice(("nothing", "prefix", "subset", "all"))
    if way == "nothing" or not changes:
        return []
    kept = list(changes)
    if way == "prefix":
        kept = kept[: rng.randint(1, len(kept))]
    elif way == "subset":
        kept = [change for change in kept if rng.random() < 0.5]
    if kept and isinstance(kept[-1], Write) and (way != "all" or rng.random() < 0.3):
        kept[-1] = _torn(kept[-1], rng)
    return kept


def _torn(write: Write, rng: Random) -> Write:
    """Whole sectors of it from the front, then nothing or zeros."""
    first = SECTOR - write.offset % SECTOR
    edges = [0, *range(first, len(write.data), SECTOR)]
    edge = rng.choice(edges)
    tail = bytes(len(write.data) - edge) if rng.random() < 0.5 else b""
    return Write(write.at, write.offset, write.data[:edge] + tail)


def _apply(content: bytearray, change: Write | Truncate) -> None:
    if isinstance(change, Truncate):
        del content[change.length :]
        content.extend(bytes(change.length - len(content)))
        return
    end = change.offset + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.data
