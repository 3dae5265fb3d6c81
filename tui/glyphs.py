"""The signs on the screen, once in Unicode and once in ASCII.

No common terminal draws one two cells wide or as an emoji; a state is always sign and word.
"""

from dataclasses import dataclass
from typing import Final

TEXT_STYLE: Final = "\ufe0e"
"""Variation selector that keeps a black pawn from becoming an emoji."""


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    ascii: bool
    running: str
    waiting: str
    paused: str
    backoff: str
    failed: str
    stopped: str
    starting: str
    best: str
    checkpoint: str
    changed: str
    """A setting."""
    up: str
    down: str
    level: str
    flow: str
    done: str
    selected: str
    bar_full: str
    bar_parts: str
    """Partial fillings of one cell, least first; empty where there are none."""
    bar_empty: str
    spark: str
    """Heights of a small curve, least first."""
    ellipsis: str
    plus_minus: str
    middle_dot: str
    dash: str
    axis: str
    tick: str
    floor: str
    x_tick: str
    limit: str
    corner: str
    shade: str
    """Dark squares where there is no colour."""
    cursor: str
    """After what is being typed."""
    target: str
    """An empty square that a piece may go to."""
    capture: str
    """A piece that may be taken."""
    pieces: str
    """K Q R B N P of White, then of Black."""


UNICODE: Final = Glyphs(
    ascii=False,
    running="●",
    waiting="○",
    paused="‖",
    backoff="↻",
    failed="✗",
    stopped="■",
    starting="◌",
    best="★",
    checkpoint="^",
    changed="◆",
    up="▲",
    down="▼",
    level="=",
    flow="─▸",
    done="✓",
    selected="▸",
    bar_full="█",
    bar_parts="▏▎▍▌▋▊▉",
    bar_empty="░",
    spark="▁▂▃▄▅▆▇█",
    ellipsis="…",
    plus_minus="±",
    middle_dot="·",
    dash="—",
    axis="│",
    tick="┤",
    floor="─",
    x_tick="┴",
    limit="╌",
    corner="└",
    shade="░",
    cursor="▏",
    target="•",
    capture="x",
    pieces="♚♛♜♝♞♟♚♛♜♝♞♟",
)

ASCII: Final = Glyphs(
    ascii=True,
    running="*",
    waiting="o",
    paused="=",
    backoff="~",
    failed="x",
    stopped="#",
    starting=".",
    best="*",
    checkpoint="^",
    changed="=",
    up="^",
    down="v",
    level="=",
    flow="->",
    done="+",
    selected=">",
    bar_full="#",
    bar_parts="",
    bar_empty=".",
    spark="_.-=#",
    ellipsis="~",
    plus_minus="+-",
    middle_dot="-",
    dash="-",
    axis="|",
    tick="+",
    floor="-",
    x_tick="+",
    limit="-",
    corner="+",
    shade=":",
    cursor="_",
    target="o",
    capture="x",
    pieces="KQRBNPkqrbnp",
)
