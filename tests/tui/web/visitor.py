"""Stands for the screen behind a page: says its arguments and size, then everything it is told.

With the word `stubborn` it does not end when it is asked to.
"""

import json
import os
import signal
import sys


def say(text: str) -> None:
    data = text.encode()
    os.write(1, b"D" + len(data).to_bytes(4, "big") + data)


def main() -> None:
    is_stubborn = "stubborn" in sys.argv
    if is_stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"__GANGLION__\n")
    say(json.dumps([os.getpid(), *sys.argv[1:], os.environ["COLUMNS"], os.environ["ROWS"]]))
    while kind := sys.stdin.buffer.read(1):
        size = int.from_bytes(sys.stdin.buffer.read(4), "big")
        payload = sys.stdin.buffer.read(size).decode()
        if kind == b"M" and json.loads(payload)["type"] == "quit" and not is_stubborn:
            return
        say(payload)


main()
