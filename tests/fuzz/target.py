"""What a campaign tries: a reader of outside bytes, good inputs to damage, words of its format."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from backend.errors import Matrix0Error
from tests.fuzz.mutations import MAX_BYTES

ROOT: Final = Path(__file__).resolve().parents[2]

Handler = Callable[[bytes], object]


@dataclass(frozen=True, kw_only=True)
class Target:
    name: str
    open: Callable[[Path], AbstractContextManager[Handler]]
    """Given a folder of its own: what is called with each input."""
    seeds: Callable[[], tuple[bytes, ...]]
    tokens: tuple[bytes, ...] = ()
    refusals: tuple[type[Exception], ...] = (Matrix0Error,)
    share: int = 1
    """Of a campaign over all targets."""
    longest: int = MAX_BYTES
    repair: Callable[[bytes], bytes] = field(default=lambda data: data)
    """Mends a checksum, so that what lies behind it is reached."""


def on_file(name: str, read: Callable[[Path], object]) -> Callable[[Path], object]:
    """A context of a reader that wants a path."""

    @contextmanager
    def opened(folder: Path) -> Iterator[Handler]:
        path = folder / name

        def handle(data: bytes) -> object:
            path.write_bytes(data)
            return read(path)

        yield handle

    return opened


def one_line(data: bytes) -> bytes:
    """What a reader of lines or of words is given never holds the end of one."""
    return b" ".join(data.splitlines())


def on_bytes(read: Handler) -> Callable[[Path], AbstractContextManager[Handler]]:
    """A context of a reader of one piece of bytes."""

    @contextmanager
    def opened(_folder: Path) -> Iterator[Handler]:
        yield read

    return opened


def words(text: str) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in text.split())
