"""Put on PYTHONPATH: every connection of a Python process but to a Unix socket is refused."""

import os
import sys

_REFUSED = ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg")
_LOOKED_UP = ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request", "http.client.connect")


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event in _LOOKED_UP or (event in _REFUSED and isinstance(args[1], tuple)):
        with open(os.environ["MATRIX0_NO_NETWORK"], "a") as file:
            file.write(f"{event} {args[1:]!r} {' '.join(sys.argv)}\n")
        raise PermissionError(f"no network at run time: {event} {args[1:]!r}")


sys.addaudithook(_watch)
with open(os.environ["MATRIX0_NO_NETWORK"] + ".seen", "a") as seen:
    seen.write(f"{os.getpid()} {' '.join(sys.orig_argv[1:6])}\n")
