"""The bytes of a file from a stranger: gzip or zstd undone where its first bytes say so.

Memory is bounded whatever the file unpacks to, and a stream that was cut ends with an error: the
readers of both libraries' own would end there as if nothing more had been written.
"""

import gzip
import io
import zlib
from typing import TYPE_CHECKING, Final, cast

import zstandard

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


def decompressed(raw: io.BufferedReader) -> io.BufferedReader:
    """What the file holds. Reading on raises one of DAMAGE where it is damaged or cut."""
    magic = raw.peek(4)
    if magic.startswith(_GZIP):
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)), MAX_READ)
    if magic.startswith(_ZSTD):
        return io.BufferedReader(_ZstdStream(raw), MAX_READ)
    return raw


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
        count = min(len(target), len(self._output))
        target[:count] = self._output[:count]
        self._output = self._output[count:]
        return count
