"""Who is at the other end of a Unix socket, and how fast they may speak."""

import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Final

_PEERCRED: Final = struct.Struct("3i")
"""Linux: pid, uid, gid."""
_XUCRED: Final = struct.Struct("=IIh2x16I")
"""macOS and BSD: version, uid, number of groups, groups."""
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


def peer_uid(link: socket.socket) -> int | None:
    """The user at the other end; None where the system does not say or nobody is there any more."""
    try:
        if sys.platform == "linux":
            data = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
            return int(_PEERCRED.unpack(data)[1])
        return uid_of_xucred(link.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size))
    except (OSError, struct.error):
        return None


def uid_of_xucred(data: bytes) -> int | None:
    """The user in a `struct xucred`; None for another version of it."""
    version, uid = struct.unpack_from("=II", data)
    return uid if version == 0 else None


class Pace:
    """So many at once, then so many a second."""

    def __init__(
        self, burst: float, per_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst, self._per_s, self._clock = burst, per_s, clock
        self._left, self._at = burst, clock()

    def wait_s(self) -> float:
        """Takes one, and tells how long to wait before it."""
        self._refill()
        self._left -= 1
        return max(0.0, -self._left / self._per_s)

    def has_room(self) -> bool:
        """Takes one if it need not wait; else none, so that it has room again soon."""
        self._refill()
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _refill(self) -> None:
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
        self._at = now
