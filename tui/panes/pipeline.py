"""Second line: the four stations of the loop, and which of them works."""

from collections.abc import Sequence

from textual.content import Content

from backend.forecast import candidate_step
from backend.selfplay.readings import policy_surprise
from backend.state import RunState
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.quiet import QuietStatic

ACTIVE = "bold $good"
IDLE = "$muted"


class Pipeline(QuietStatic):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("pipeline")
        self.glyphs = glyphs

    def show(self, state: RunState) -> None:
        self.put(pipeline(state, self.size.width or 120, self.glyphs))


def pipeline(state: RunState, width: int, glyphs: Glyphs) -> Content:
    best = _best(state, glyphs)
    arrow = f" {glyphs.flow} "
    room = width - 2 - len(best) - 3 - len(arrow) * 3
    stations = [
        _selfplay(state),
        _training(state, glyphs),
        _evaluation(state),
        _gate(state),
    ]
    surprise = _surprise(state)
    if _length(stations) + len(surprise) <= room:  # Half of it would say nothing.
        stations[0] = (stations[0][0] + surprise, stations[0][1])
    over = _length(stations) - room
    if over > 0:
        longest = max(range(4), key=lambda i: len(stations[i][0]))
        text, style = stations[longest]
        stations[longest] = (fmt.fit(text, max(8, len(text) - over), glyphs), style)
    parts: list[str | tuple[str, str]] = [" "]
    for i, station in enumerate(stations):
        if i:
            parts.append((arrow, IDLE))
        parts.append(station)
    used = sum(len(p if isinstance(p, str) else p[0]) for p in parts)
    parts.append(" " * max(2, width - used - len(best) - 1))
    parts.append((best, "bold $best"))
    return Content.assemble(*parts)


def _length(stations: Sequence[tuple[str, str]]) -> int:
    return sum(len(text) for text, _ in stations)


def _selfplay(state: RunState) -> tuple[str, str]:
    speed = state.positions_per_s
    text = f"self-play {fmt.short(state.totals.games)} games"
    if speed:
        text += f" {fmt.short(speed)} pos/s"
    return text, ACTIVE if speed and state.phase == "running" else IDLE


def _surprise(state: RunState) -> str:
    surprise = policy_surprise(state) if state.positions_per_s else None
    return "" if surprise is None else f" KL {surprise:.2f}"


def _training(state: RunState, glyphs: Glyphs) -> tuple[str, str]:
    if state.phase == "stopped":
        return f"train {glyphs.stopped} step {fmt.count(state.step)}", IDLE
    if state.phase == "paused":
        return f"train {glyphs.paused} paused", IDLE
    if state.trainer is None:
        return "train: not started", IDLE
    if state.trainer.waiting:
        return f"train {glyphs.waiting} {fmt.line(state.trainer.waiting)}", IDLE
    samples = state.latest("samples_per_s")
    text = f"train {glyphs.running}"
    return (f"{text} {fmt.short(samples)} samples/s" if samples else text), ACTIVE


def _evaluation(state: RunState) -> tuple[str, str]:
    if state.match is not None and state.phase != "stopped":
        match = state.match
        against = "" if match.opponent == state.best else f" {fmt.network(match.opponent)}"
        score = f" {fmt.percent(match.score)}" if match.played else ""
        return f"evaluate{against} {match.played}/{match.games}{score}", ACTIVE
    step = candidate_step(state)
    return (f"evaluate @{fmt.count(step)}" if step else "evaluate"), IDLE


def _gate(state: RunState) -> tuple[str, str]:
    decided = [c for c in state.checkpoints if c.verdict]
    if not decided or decided[-1].name == state.best:
        return "promote", IDLE
    return f"{decided[-1].verdict} {fmt.network(decided[-1].name)}", IDLE


def _best(state: RunState, glyphs: Glyphs) -> str:
    if not state.best:
        return "no network yet"
    text = f"{glyphs.best} best {fmt.network(state.best)}"
    view = next((c for c in state.checkpoints if c.name == state.best), None)
    if view is None or view.elo is None:
        return text
    return f"{text} {fmt.elo(view.elo, view.elo_low, view.elo_high, glyphs)} Elo"
