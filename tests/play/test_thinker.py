"""The engine process, as it is started for a person: real process, real network, real engine."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import chess
import pytest

from backend.play.process import EngineProcess
from backend.play.wire import Answer, Failed, Kind, Think, Thought, TimeLeft
from tests.play.small_network import small_checkpoint

PATIENCE_S = 240.0
"""A first start compiles the kernels."""


class Ear:
    """Hears one engine process and waits for what it says."""

    def __init__(self, engine: EngineProcess) -> None:
        self.engine = engine
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()

    async def ask(
        self,
        id: int,
        kind: Kind,
        player: str,
        *moves: str,
        steady: bool = False,
        simulations: int = 8,
        clock: TimeLeft | None = None,
    ) -> Thought | Failed:
        """The final answer to an order."""
        order = Think(
            id=id,
            kind=kind,
            player=player,
            start=chess.STARTING_FEN,
            moves=moves,
            simulations=simulations,
            steady=steady,
            clock=clock,
        )
        self.engine.send(order)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self.answers.get()
                if isinstance(answer, Failed) or (isinstance(answer, Thought) and answer.final):
                    assert answer.id in (0, id)
                    return answer


@asynccontextmanager
async def process(command: list[str] | None = None) -> AsyncIterator[Ear]:
    engine = EngineProcess(None, command)
    ear = Ear(engine)
    task = asyncio.create_task(engine.run(ear.answers.put_nowait))
    yield ear
    task.cancel()
    await asyncio.wait([task])
    await engine.close()


async def test_movers_move_and_what_is_not_there_is_said() -> None:
    async with process() as ear:
        found = await ear.ask(1, "baseline", "greedy", "e2e4", "d7d5")
        assert isinstance(found, Thought)
        assert found.move == "e4d5"
        missing = await ear.ask(2, "engine", "./nothing-here:nodes=1")
        assert isinstance(missing, Failed)
        assert "no engine './nothing-here'" in missing.error
        again = await ear.ask(3, "baseline", "random")
        assert isinstance(again, Thought)


async def test_an_engine_of_others_plays_and_judges(tmp_path: Path) -> None:
    program = tmp_path / "engine"
    program.write_text(
        f"#!{sys.executable}\n"
        "for line in iter(input, 'quit'):\n"
        "    if line == 'uci': print('id name tiny\\nuciok', flush=True)\n"
        "    if line == 'isready': print('readyok', flush=True)\n"
        "    if line.startswith('go'):\n"
        "        print('info depth 1 nodes 7 score cp 900\\nbestmove e7e5', flush=True)\n"
    )
    program.chmod(0o755)
    async with process() as ear:
        found = await ear.ask(1, "engine", f"{program}:nodes=7", "e2e4")
        assert isinstance(found, Thought)
        assert (found.move, found.simulations) == ("e7e5", 7)
        assert found.wdl is not None
        assert found.wdl[2] > 0.9, "Black, who moved, stands much better"
        illegal = await ear.ask(2, "engine", f"{program}:nodes=7", "e2e4", "e7e6", "d2d4")
        assert isinstance(illegal, Failed)


async def test_a_process_that_dies_is_said_and_started_again_with_the_next_order() -> None:
    async with process([sys.executable, "-c", "raise SystemExit(3)"]) as ear:
        for id in (1, 2):
            answer = await ear.ask(id, "baseline", "random")
            assert answer == Failed(0, "the engine process has ended (exit 3)")


async def test_a_process_that_talks_nonsense_is_ended() -> None:
    async with process([sys.executable, "-c", "print('[31m hello', flush=True); input()"]) as ear:
        answer = await ear.ask(1, "baseline", "random")
        assert isinstance(answer, Failed)
        assert "not an answer" in answer.error


@pytest.mark.slow
async def test_a_network_thinks_steadily_and_a_newer_order_interrupts_it(tmp_path: Path) -> None:
    checkpoint = small_checkpoint(tmp_path)
    async with process() as ear:
        found = await ear.ask(1, "network", str(checkpoint), "e2e4", steady=True, simulations=64)
        assert isinstance(found, Thought)
        assert found.simulations == 64
        assert found.wdl is not None
        assert sum(found.wdl) == pytest.approx(1.0, abs=1e-3)
        board = chess.Board()
        board.push_san("e4")
        for candidate in found.candidates:
            assert board.parse_san(candidate.san).uci() == candidate.uci
        assert found.candidates[0].uci == found.move
        ear.engine.send(
            Think(
                id=2,
                kind="network",
                player=str(checkpoint),
                start=chess.STARTING_FEN,
                moves=(),
                simulations=100_000,
            )
        )
        quick = await ear.ask(3, "baseline", "random")
        assert isinstance(quick, Thought)
        assert ear.answers.empty(), "what was dropped says nothing more"


@pytest.mark.slow
async def test_a_network_keeps_to_its_clock(tmp_path: Path) -> None:
    checkpoint = str(small_checkpoint(tmp_path))
    async with process() as ear:
        await ear.ask(1, "network", checkpoint, "e2e4")  # Loads, and may compile.
        hurried = TimeLeft(white_s=600.0, black_s=3.0, increment_s=0.0)
        found = await ear.ask(2, "network", checkpoint, "e2e4", simulations=100_000, clock=hurried)
        assert isinstance(found, Thought)
        assert found.final
        assert 2 <= found.simulations < 100_000
        assert found.seconds < 3.0
