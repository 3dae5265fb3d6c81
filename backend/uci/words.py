"""Reports as `info` lines and thoughts as `bestmove`, in the words of the protocol."""

import math

from backend.engine.thinker import Report, Thought
from backend.search.lines import MoveLine


def centipawns(value: float) -> int:
    """A value of -1 to 1 as a number of the size that interfaces expect.

    90 tan(1.5637541897 value), the formula of Leela Chess Zero: 100 stands for an expected score of
    about 77 %, and a sure win for 12780. It is no count of pawns.
    """
    return round(90 * math.tan(1.5637541897 * max(-1.0, min(1.0, value))))


def info_lines(report: Report, *, show_wdl: bool) -> list[str]:
    """One `info` line for each line of the report."""
    head = f"info depth {report.depth} seldepth {max(report.depth, report.deepest)}"
    tail = (
        f"nodes {report.nodes} nps {round(report.nodes_per_s)} "
        f"hashfull {round(1000 * report.fill_frac)} tbhits {report.table_hits} "
        f"time {round(1000 * report.elapsed_s)}"
    )
    lines = []
    for number, line in enumerate(report.lines, 1):
        wdl = f" wdl {_thousandths(line.wdl)}" if show_wdl else ""
        pv = " ".join(line.pv)
        lines.append(f"{head} multipv {number} score {score(line)}{wdl} {tail} pv {pv}")
    return lines


def score(line: MoveLine) -> str:
    """`cp N`, or `mate N` in moves where one is proven."""
    if line.mate is None:
        return f"cp {centipawns(line.value)}"
    moves = (abs(line.mate) + 1) // 2
    return f"mate {moves if line.mate > 0 else -moves}"


def best_move(thought: Thought) -> str:
    """`bestmove`, with the reply that is expected."""
    if not thought.best:
        return "bestmove (none)"
    return f"bestmove {thought.best}" + (f" ponder {thought.ponder}" if thought.ponder else "")


def _thousandths(wdl: tuple[float, float, float]) -> str:
    win, loss = round(1000 * wdl[0]), round(1000 * wdl[2])
    loss = min(loss, 1000 - win)
    return f"{win} {1000 - win - loss} {loss}"
