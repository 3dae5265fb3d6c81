"""How long a move may take when there is a clock, for networks and for engines of others."""

from typing import Final

import chess
import chess.engine

from backend.engine.limits import Clock, Limits, plan_time
from backend.evaluation.engines import EngineSpec
from backend.play.wire import Think

OVERHEAD_S: Final = 0.1
"""Between the clock on the screen and the thinking process: two pipes and a drawing."""
HANG_S: Final = 60.0
"""An engine without a time limit is silent for good after this."""
MARGIN_S: Final = 2.0


def thinking_s(order: Think, board: chess.Board) -> float:
    """Seconds that a network thinks; infinite without a clock."""
    return plan_time(Limits(clock=_clock(order, board)), OVERHEAD_S).soft_s


def engine_limit(order: Think, board: chess.Board, spec: EngineSpec) -> chess.engine.Limit:
    """The budget of an engine of others, and the clocks that it plans by."""
    clock, own = order.clock, spec.limit
    if clock is None:
        return own
    longest_s = plan_time(Limits(clock=_clock(order, board)), OVERHEAD_S).hard_s
    is_uci = spec.protocol == "uci"  # XBoard takes no nodes or time beside clocks.
    return chess.engine.Limit(
        nodes=own.nodes if is_uci else None,
        depth=own.depth,
        time=min(own.time, longest_s) if is_uci and own.time is not None else None,
        white_clock=max(0.001, clock.white_s - OVERHEAD_S),
        black_clock=max(0.001, clock.black_s - OVERHEAD_S),
        white_inc=clock.increment_s,
        black_inc=clock.increment_s,
    )


def patience_s(limit: chess.engine.Limit, side: chess.Color) -> float:
    """How long an engine with this limit may be silent before it is taken for hung."""
    if limit.time is not None:
        return limit.time + MARGIN_S
    left_s = limit.white_clock if side == chess.WHITE else limit.black_clock
    return HANG_S if left_s is None else left_s + MARGIN_S


def _clock(order: Think, board: chess.Board) -> Clock | None:
    clock = order.clock
    if clock is None:
        return None
    left_s = clock.white_s if board.turn == chess.WHITE else clock.black_s
    return Clock(remaining_s=left_s, increment_s=clock.increment_s)
