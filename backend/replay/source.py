"""The bytes of a file from a stranger: gzip or zstd undone where its first bytes say so.

Memory is bounded whatever the file unpacks to, and a stream that was cut ends with an error: the
readers of both libraries' own would end there as if nothing more had been written.
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import zstandard

from backend.limits_config import LIMITS, LimitsConfig

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

DAMAGE: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)
"""What reading a damaged file raises."""
MAX_READ: Final = 1 << 16
"""Bytes that are read at once; a line is cut after so many."""
UTF8_MARK: Final = b"\xef\xbb\xbf"
UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_MAX_ZSTD_WINDOW: Final = 1 << 27
_ZSTD_INPUT: Final = 128
"""Four bytes of zstd may become 128 KiB, so that this may become 4 MiB."""


class TooLargeError(OSError):
    """The file unpacks to more than it may."""


def decompressed(raw: io.BufferedReader, limits: LimitsConfig = LIMITS) -> io.BufferedReader:
    """What the file holds. Reading on raises one of DAMAGE where it is damaged, cut or too large;
    TooLargeError at once where the file itself is."""
    size = os.fstat(raw.fileno()).st_size if _is_file(raw) else 0
    if size > limits.file_gib * 2**30:
        raise TooLargeError(f"{size / 2**30:.1f} GiB, more than [limits] file_gib allows")
    magic = raw.peek(4)
    if magic.startswith(_GZIP):
        return _capped(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)), limits)
    if magic.startswith(_ZSTD):
        return _capped(_ZstdStream(raw), limits)
    return raw


def skip_bytes(stream: io.BufferedReader, number: int) -> None:
    """Passes over so much of what the file holds."""
    if not number:
        return
    if stream.seekable():
        stream.seek(number)
        return
    while number and (read := stream.read(min(number, MAX_READ))):
        number -= len(read)


class Line(NamedTuple):
    """A line of a text, in bounded memory."""

    number: int
    content: bytes
    """Its end included; of one that is too long only the beginning."""
    is_too_long: bool
    """Longer than MAX_READ bytes."""


def lines_of(stream: io.BufferedReader, *, first: int = 1) -> Iterator[Line]:
    """One line after the other, the next one being number `first`. One of DAMAGE where the file is
    damaged."""
    for number in count(first):
        content = stream.readline(MAX_READ)
        if not content:
            return
        is_too_long = len(content) == MAX_READ and not content.endswith(b"\n")
        rest = content
        while is_too_long and rest and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_READ)
        yield Line(number, content, is_too_long)


def _is_file(raw: io.BufferedReader) -> bool:
    try:
        raw.fileno()
    except OSError:
        return False
    return True


def _capped(inner: io.RawIOBase, limits: LimitsConfig) -> io.BufferedReader:
    return io.BufferedReader(_Capped(inner, round(limits.unpacked_gib * 2**30)), MAX_READ)


class _Capped(io.RawIOBase):
    """Ends with an error after so many bytes."""

    def __init__(self, inner: io.RawIOBase, most: int) -> None:
        self._inner = inner
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        read = self._inner.readinto(buffer) or 0
        self._left -= read
        if self._left < 0:
            raise TooLargeError("it unpacks to more than [limits] unpacked_gib allows")
        return read


class _ZstdStream(io.RawIOBase):
    """All frames of a zstd file, one after the other."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw = raw
        self._frames = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTD_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        while not self._output:
            if not self._input:
                self._input = self._raw.read(_ZSTD_INPUT)
            if not self._input:
                if self._frame is not None:
                    raise EOFError("the zstd stream was cut")
                return 0
            if self._frame is None:
                self._frame = self._frames.decompressobj()
            self._output = memoryview(self._frame.decompress(self._input))
            self._input = b""
            if self._frame.eof:
                self._input = self._frame.unused_data
                self._frame = None
        taken = min(len(target), len(self._output))
        target[:taken] = self._output[:taken]
        self._output = self._output[taken:]
        return taken
