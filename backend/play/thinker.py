"""The engine process of a person's game: reads orders, thinks, answers. Loads torch when asked.

    stdin ─► one task for each order; a newer one cancels it ─► stdout
                 network: a thread searches, looking at `stop` between leaves
                 engine:  a process of its own, by python-chess
                 baseline: at once

When stdin ends the process does.
"""

import asyncio
import contextlib
import os
import secrets
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import chess
import chess.engine

from backend.errors import ExitCode, Matrix0Error
from backend.evaluation.engines import EngineSpec, parse_engine
from backend.evaluation.leash import Leash, Metered, kill
from backend.evaluation.players import GreedyPlayer, RandomPlayer
from backend.play.thinking import engine_limit, patience_s
from backend.play.wire import (
    MAX_LINE_BYTES,
    Answer,
    Busy,
    Failed,
    Think,
    Thought,
    decode_order,
    encode,
)
from backend.text import clean

if TYPE_CHECKING:
    from backend.play.network import Network

START_S: Final = 20.0
KILL_S: Final = 1.0


def main() -> None:
    """Serve stdin and stdout; whatever libraries print goes to stderr."""
    out = os.dup(1)
    os.dup2(2, 1)

    def say(answer: Answer) -> None:
        line = encode(answer)
        with writing:
            while line:
                line = line[os.write(out, line) :]

    writing = threading.Lock()
    with contextlib.suppress(BrokenPipeError):
        asyncio.run(_serve(Thinker(say)))
    # Nothing is left to write, and Python takes three seconds to take torch and numba apart.
    os._exit(ExitCode.DONE)


async def _serve(thinker: "Thinker") -> None:
    reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    task: asyncio.Task[None] | None = None
    async for line in reader:
        order = decode_order(line)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        if isinstance(order, Think):
            task = asyncio.create_task(thinker.answer(order))
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
    await thinker.close()


class Thinker:
    """Keeps the last network and the last engine; for one order at a time."""

    def __init__(self, say: Callable[[Answer], None]) -> None:
        self._say = say
        self._movers = {
            "random": RandomPlayer(secrets.randbits(32)),
            "greedy": GreedyPlayer(secrets.randbits(32)),
        }
        self._networks: dict[str, Network] = {}
        self._engine: Metered | None = None
        self._engine_word = ""

    async def answer(self, order: Think) -> None:
        """Think; says Thought or Failed. Cancelled, it says no more."""
        board = chess.Board(order.start)
        for uci in order.moves:
            board.push_uci(uci)
        try:
            match order.kind:
                case "baseline":
                    (move,) = self._movers[order.player].think([0], [board])
                    self._say(Thought(id=order.id, final=True, move=move.uci()))
                case "engine":
                    self._say(await self._ask_engine(order, board))
                case "network":
                    await self._search(order, board)
        except (Matrix0Error, chess.engine.EngineError, OSError, TimeoutError) as error:
            self._say(Failed(order.id, clean(str(error), 300) or type(error).__name__))

    async def close(self) -> None:
        """End the engine of others, if one runs."""
        engine, self._engine = self._engine, None
        if engine is not None:
            assert engine.transport is not None
            kill(engine.transport.get_pid())
            with contextlib.suppress(TimeoutError):  # A stray that holds its pipes open.
                await asyncio.wait_for(asyncio.shield(engine.returncode), KILL_S)
            engine.transport.close()

    # Engines of others ---------------------------------------------------------------------------

    async def _ask_engine(self, order: Think, board: chess.Board) -> Thought:
        spec = parse_engine(order.player)
        engine = await self._started(spec)
        engine.said = 0
        began = time.monotonic()
        limit = engine_limit(order, board, spec)
        allowed_s = patience_s(limit, board.turn)
        try:
            async with asyncio.timeout(allowed_s):
                wanted = chess.engine.INFO_BASIC | chess.engine.INFO_SCORE
                found = await engine.play(board, limit, info=wanted)
        except TimeoutError:
            await self.close()
            raise TimeoutError(f"{order.player} did not answer in {allowed_s:.0f} s") from None
        except chess.engine.EngineError:
            await self.close()
            raise
        if found.move is None or not board.is_legal(found.move):
            await self.close()
            raise chess.engine.EngineError(f"{order.player} made no legal move")
        score = found.info.get("score")
        wdl = None
        if score is not None:
            shares = score.white().wdl(model="sf", ply=board.ply())
            wdl = (shares.wins / 1000, shares.draws / 1000, shares.losses / 1000)
        return Thought(
            id=order.id,
            final=True,
            move=found.move.uci(),
            wdl=wdl,
            simulations=int(found.info.get("nodes", 0)),
            seconds=time.monotonic() - began,
        )

    async def _started(self, spec: EngineSpec) -> Metered:
        if self._engine is not None and self._engine_word == spec.word:
            return self._engine
        await self.close()
        self._say(Busy(clean(f"starting {spec.command[0]}", 300)))
        leash = Leash()
        kind = leash.protocol(spec.word, spec.protocol, [])
        _, self._engine = await kind.popen(list(spec.command), **leash.popen_arguments())
        self._engine_word = spec.word
        try:
            async with asyncio.timeout(START_S):
                await self._engine.initialize()
                await self._engine.configure(spec.options)
        except (chess.engine.EngineError, TimeoutError):
            await self.close()
            raise
        return self._engine

    # Networks ------------------------------------------------------------------------------------

    async def _search(self, order: Think, board: chess.Board) -> None:
        """Search in a thread, which is heard out even when the order is cancelled."""
        stop = threading.Event()
        job = asyncio.ensure_future(asyncio.to_thread(self._search_here, order, board, stop))
        try:
            await asyncio.shield(job)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([job])
            raise

    def _search_here(self, order: Think, board: chess.Board, stop: threading.Event) -> None:
        network = self._networks.get(order.player)
        if network is None:
            words = f"loading {Path(order.player).name}; a first start compiles for a minute"
            self._say(Busy(words))
            from backend.play.network import Network

            network = self._networks[order.player] = Network(Path(order.player))
        for thought in network.think(order, board, stop):
            self._say(thought)
