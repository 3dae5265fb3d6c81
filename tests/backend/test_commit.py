"""The commit protocol when any of its system calls fails."""

import errno
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.commit import (
    AddFile,
    DurabilityUncertainError,
    NotCommittedError,
    Writer,
    commit_directory,
    commit_file,
    is_temporary,
    remove_directory,
    sha256_of,
    sweep,
)
from backend.errors import Matrix0Error
from backend.filesystem import OsFileSystem


class FailingFileSystem(OsFileSystem):
    """Fails from the n-th call on (or only at it); writes at most 7 bytes at a time."""

    def __init__(self, fail_at: int | None = None, *, for_good: bool = True) -> None:
        self.calls: list[str] = []
        self.fail_at = fail_at
        self.for_good = for_good

    def _call(self, name: str) -> None:
        self.calls.append(name)
        number = len(self.calls)
        if self.fail_at is None:
            return
        if number == self.fail_at or (self.for_good and number > self.fail_at):
            raise OSError(errno.ENOSPC, f"call {number} ({name})")

    def create(self, path: Path) -> int:
        self._call("create")
        return super().create(path)

    def write(self, fd: int, data: memoryview) -> int:
        self._call("write")
        return super().write(fd, data[:7])

    def sync(self, fd: int) -> None:
        self._call("sync")
        super().sync(fd)

    def close(self, fd: int) -> None:
        super().close(fd)  # The descriptor is gone even when close reports an error.
        self._call("close")

    def make_directory(self, path: Path) -> None:
        self._call("make_directory")
        super().make_directory(path)

    def sync_directory(self, path: Path) -> None:
        self._call("sync_directory")
        OsFileSystem().sync_directory(path)

    def rename(self, old: Path, new: Path) -> None:
        self._call("rename")
        super().rename(old, new)

    def remove(self, path: Path) -> None:
        self._call("remove")
        super().remove(path)


OLD, NEW = b"old content", b"new content, longer than seven bytes"


def fill(add: AddFile) -> None:
    add("a.bin", NEW)
    add("b.json", b"{}")


def fail_each_call(commit: Callable[[FailingFileSystem], object], num_calls: int) -> list[str]:
    """Runs `commit` once for each call and each kind of failure; what came of it, in order."""
    outcomes = []
    for for_good in (True, False):
        for number in range(1, num_calls + 1):
            with pytest.raises(Matrix0Error) as error:
                commit(FailingFileSystem(number, for_good=for_good))
            outcomes.append(type(error.value).__name__)
    return outcomes


def test_a_file_is_hashed_while_it_is_written_in_the_order_of_the_protocol(tmp_path: Path) -> None:
    fs = FailingFileSystem()
    path, sha256 = commit_file(tmp_path / "file", NEW, fs=fs)
    assert path.read_bytes() == NEW
    assert sha256 == hashlib.sha256(NEW).hexdigest() == sha256_of(path)
    writes = ["write"] * -(-len(NEW) // 7)
    assert fs.calls == ["create", *writes, "sync", "close", "rename", "sync_directory"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_function_may_write_the_content(tmp_path: Path) -> None:
    def content(writer: Writer) -> None:
        writer.write(b"one ")
        writer.write(memoryview(b"two"))

    path, sha256 = commit_file(tmp_path / "file", content)
    assert path.read_bytes() == b"one two"
    assert sha256 == hashlib.sha256(b"one two").hexdigest()


def test_whatever_call_fails_the_old_file_stays_or_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def commit(fs: FailingFileSystem) -> None:
        path.write_bytes(OLD)
        try:
            commit_file(path, NEW, fs=fs)
        except NotCommittedError:
            assert path.read_bytes() == OLD
            raise
        except DurabilityUncertainError:
            assert path.read_bytes() == NEW
            raise
        finally:
            sweep(tmp_path)
            assert list(tmp_path.iterdir()) == [path]

    good = FailingFileSystem()
    commit(good)
    outcomes = fail_each_call(commit, len(good.calls))
    once = ["NotCommittedError"] * (len(good.calls) - 1) + ["DurabilityUncertainError"]
    assert outcomes == once * 2


def test_whatever_call_fails_a_directory_is_absent_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "dir"

    def commit(fs: FailingFileSystem) -> None:
        if path.exists():
            remove_directory(path)
        try:
            commit_directory(path, fill, fs=fs)
        except NotCommittedError:
            assert not path.exists()
            raise
        except DurabilityUncertainError:
            assert (path / "a.bin").read_bytes() == NEW
            assert (path / "b.json").read_bytes() == b"{}"
            raise
        finally:
            sweep(tmp_path)
            assert [entry for entry in tmp_path.iterdir() if entry != path] == []

    good = FailingFileSystem()
    commit(good)
    assert good.calls[-3:] == ["sync_directory", "rename", "sync_directory"]
    assert good.calls.count("sync") == 2
    outcomes = fail_each_call(commit, len(good.calls))
    once = ["NotCommittedError"] * (len(good.calls) - 1) + ["DurabilityUncertainError"]
    assert outcomes == once * 2


def test_one_failure_leaves_no_temporary_file(tmp_path: Path) -> None:
    good = FailingFileSystem()
    commit_file(tmp_path / "file", NEW, fs=good)
    for number in range(1, len(good.calls)):
        with pytest.raises(NotCommittedError):
            commit_file(tmp_path / "file", NEW, fs=FailingFileSystem(number, for_good=False))
        assert not any(map(is_temporary, tmp_path.iterdir()))


def test_a_failed_fsync_is_not_repeated(tmp_path: Path) -> None:
    good = FailingFileSystem()
    commit_file(tmp_path / "file", NEW, fs=good)
    fs = FailingFileSystem(good.calls.index("sync") + 1, for_good=False)
    with pytest.raises(NotCommittedError):
        commit_file(tmp_path / "file", NEW, fs=fs)
    assert fs.calls.count("sync") == 1


def test_an_exception_of_the_producer_passes_through_and_leaves_nothing(tmp_path: Path) -> None:
    def broken(add: AddFile) -> None:
        add("a.bin", NEW)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        commit_directory(tmp_path / "dir", broken)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_is_never_replaced(tmp_path: Path) -> None:
    commit_directory(tmp_path / "dir", fill)
    with pytest.raises(NotCommittedError, match="exists already"):
        commit_directory(tmp_path / "dir", fill)
    assert (tmp_path / "dir" / "a.bin").read_bytes() == NEW


def test_sweep_removes_leftovers_of_any_process_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "step-1.tmp.77.0123abcd").mkdir()
    (tmp_path / "step-1.tmp.77.0123abcd" / "half").write_bytes(b"x")
    (tmp_path / "shard.tmp.1.00000000").write_bytes(b"x")
    kept = [tmp_path / name for name in ("notes.tmp", "a.tmp.txt", "shard")]
    for path in kept:
        path.write_bytes(b"x")
    assert len(sweep(tmp_path)) == 2
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_full_sync_falls_back_only_where_the_volume_does_not_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    code = errno.ENOTSUP

    def refuse(fd: int, command: int) -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr("fcntl.F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr("fcntl.fcntl", refuse)
    monkeypatch.setattr("os.fsync", lambda fd: synced.append("fsync"))
    commit_file(tmp_path / "file", NEW)
    assert synced == ["fsync", "fsync"]
    code = errno.EIO
    with pytest.raises(NotCommittedError):
        commit_file(tmp_path / "file", OLD)
    assert (tmp_path / "file").read_bytes() == NEW
    assert len(synced) == 2
