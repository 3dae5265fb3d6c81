"""An engine process that thinks nothing until the test makes it answer."""

import asyncio
from collections.abc import Callable

import chess

from backend.play.opponents import Opponent
from backend.play.wire import Answer, Candidate, Order, Think, Thought

NETWORK = Opponent("network", "/run/checkpoints/step-00002100", "step-00002100 (best)")
GREEDY = Opponent("baseline", "greedy", "greedy")


class Script:
    """Keeps the orders; `hear` is the screen that listens."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self.hear: Callable[[Answer], None] = lambda answer: None

    def send(self, order: Order) -> None:
        self.orders.append(order)

    async def run(self, hear: Callable[[Answer], None]) -> None:
        self.hear = hear
        await asyncio.Event().wait()

    async def close(self) -> None:
        pass

    @property
    def asked(self) -> Think:
        """The newest order, which must be to think."""
        order = self.orders[-1]
        assert isinstance(order, Think)
        return order

    def reply(self, move: str, white: float = 0.0, *, final: bool = True) -> None:
        """Answer the newest order: the best move, and White's expected score."""
        order = self.asked
        board = chess.Board(order.start)
        for uci in order.moves:
            board.push_uci(uci)
        others = [m for m in board.legal_moves if m.uci() != move][:5]
        candidates = tuple(
            Candidate(
                uci=m.uci(), san=board.san(m), prior=0.6 / (k + 1), visits=60 - 9 * k, q=0.1 - k / 9
            )
            for k, m in enumerate([chess.Move.from_uci(move), *others])
        )
        draw = 0.3 * (1 - abs(white))
        wdl = ((1 - draw + white) / 2, draw, (1 - draw - white) / 2)
        self.hear(
            Thought(
                id=order.id,
                final=final,
                move=move,
                wdl=wdl,
                candidates=candidates,
                simulations=order.simulations,
                seconds=0.5,
            )
        )
