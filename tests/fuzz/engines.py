"""What engines of others say, heard by the protocol that holds them, without a process.

The first paragraph of an input is the answer to `uci` or `protover`, the rest the answer to a
request for a move.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Final

import chess
import chess.engine
import pytest

from backend.evaluation import external, leash
from backend.text import clean
from tests.fuzz.target import Handler

UCI: Final = (
    b"id name Stockfish 16\noption name Hash type spin default 16 min 1 max 33554432\n"
    b"option name Clear type button\noption name Style type combo default a var a var b\nuciok\n\n"
    b"info depth 12 seldepth 18 multipv 1 score cp 35 wdl 90 800 110 nodes 10048 nps 500000 "
    b"hashfull 3 tbhits 0 time 21 pv e2e4 e7e5\ninfo string hello\n"
    b"info depth 20 score mate -3 currmove e2e4 currmovenumber 1 refutation d1h5 g6h5\n"
    b"bestmove e2e4 ponder e7e5\n",
)
XBOARD: Final = (
    b'feature ping=1 setboard=1 usermove=1 san=0 colors=0 myname="Crafty" variants="normal"\n'
    b'feature option="Hash -spin 16 1 512" option="Go -button" done=1\n\n'
    b"1 12 0 5 e2e4 e7e5\n9 M4 12 100 d2d4\n# a remark\nmove e2e4\noffer draw\n1-0 {White mates}\n",
)


class _Transport(asyncio.SubprocessTransport, asyncio.WriteTransport):
    """Pipes to an engine that says what it was given."""

    def __init__(self, say: Callable[[bytes], None], data: bytes) -> None:
        self._say = say
        self._hello, _, self._answer = data.partition(b"\n\n")
        self._asked = False

    def get_pid(self) -> int:
        return -1  # Of nobody: `kill` is not called with it, see `_heard`.

    def get_returncode(self) -> int:
        return -9

    def get_pipe_transport(self, _fd: int) -> Any:
        return self

    def write(self, data: bytes | bytearray | memoryview) -> None:
        word = bytes(data).split()[0] if bytes(data).split() else b""
        loop = asyncio.get_running_loop()
        if word in (b"uci", b"protover"):
            loop.call_soon(self._say, self._hello + b"\nuciok\nfeature done=1\n")
        elif word == b"isready":
            loop.call_soon(self._say, b"readyok\n")
        elif word == b"ping":
            loop.call_soon(self._say, b"pong" + bytes(data)[4:])
        elif word in (b"go", b"usermove") and not self._asked:
            self._asked = True
            half = len(self._answer) // 2
            loop.call_soon(self._say, self._answer[:half])
            loop.call_soon(self._say, self._answer[half:])


def listener(kind: type[leash.Uci] | type[leash.XBoard]) -> Callable[[Path], Any]:
    @contextmanager
    def opened(_folder: Path) -> Iterator[Handler]:
        with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
            killed: list[int] = []
            patch.setattr(leash, "kill", killed.append)

            def handle(data: bytes) -> object:
                return runner.run(_heard(kind, data, killed))

            yield handle

    return opened


Opened = Callable[[Path], AbstractContextManager[Handler]]


async def _heard(
    kind: type[leash.Uci] | type[leash.XBoard], data: bytes, killed: list[int]
) -> object:
    """A legal move, or a refusal; anything else passes through."""
    killed.clear()
    # python-chess's own timers outlive what they wait for.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    failures: list[BaseException] = []
    protocol = kind()
    protocol.log = leash.CappedLog(None, 0)
    board = chess.Board()

    def say(text: bytes) -> None:
        try:
            protocol.pipe_data_received(1, text)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            failures.append(error)

    protocol.connection_made(_Transport(say, data))

    async def ask() -> object:
        await protocol.initialize()
        found = await protocol.play(board, chess.engine.Limit(nodes=1), info=external._WANTED)
        external._comment(found.info, board.turn, 1.0)
        external._value(found.info, board)
        clean(str(protocol.id.get("name")), 80)
        return found.move

    asking = asyncio.ensure_future(ask())
    for _ in range(40):
        await asyncio.sleep(0)
        if asking.done() or failures or killed:
            break
    if not asking.done():  # It says no more: what a clock would find out.
        protocol.connection_lost(None)
    try:
        move = await asyncio.wait_for(asking, 1)
    except (chess.engine.EngineError, TimeoutError, OSError) as error:
        move = error
    if failures:
        raise failures[0]
    return move
