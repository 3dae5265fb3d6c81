"""Second line: the four stations of the loop: which works, until when, or why it does not."""

from collections.abc import Sequence
from typing import Final

from textual.content import Content

from backend.events import Role
from backend.forecast import candidate_step, is_evaluating, match_left_s, steps_left_s
from backend.selfplay.readings import policy_surprise
from backend.state import RunState
from backend.views import WorkerView
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.quiet import QuietStatic
from tui.status import worker_sign

ACTIVE = "bold $good"
IDLE = "$muted"
PREPARING = ("starting", "loading", "tuning", "compiling")
"""Phases in which a worker is not at its work yet."""


class Pipeline(QuietStatic):
    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("pipeline")
        self.glyphs = glyphs

    def show(self, state: RunState, now: float) -> None:
        self.put(pipeline(state, now, self.size.width or 120, self.glyphs))


def pipeline(state: RunState, now: float, width: int, glyphs: Glyphs) -> Content:
    best = _best(state, glyphs)
    arrow = f" {glyphs.flow} "
    room = width - 2 - len(best) - 3 - len(arrow) * 3
    stations = [
        _selfplay(state, now, glyphs),
        _training(state, now, glyphs),
        _evaluation(state, now, glyphs),
        _gate(state),
    ]
    for number, more in ((2, _left(state, now, glyphs)), (0, _about_searches(state, now, glyphs))):
        if _length(stations) + len(more) <= room:  # Half of it would say nothing.
            stations[number] = (stations[number][0] + more, stations[number][1])
    if _length(stations) > room:
        stations[0] = _selfplay(state, now, glyphs, brief=True)
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


def _selfplay(
    state: RunState, now: float, glyphs: Glyphs, *, brief: bool = False
) -> tuple[str, str]:
    speed = state.positions_per_s
    games = f"{fmt.short(state.totals.games)} games"
    if speed and state.phase == "running":
        parts = ["self-play", *([] if brief else [games]), f"{fmt.short(speed)} pos/s"]
        return " ".join(parts), ACTIVE
    distance, halt = _halt(state, "selfplay", now, glyphs)
    text = f"self-play {games}"
    return (f"{text} {halt}" if distance > AT_WORK else text), IDLE


Halt = tuple[int, str]
"""How far from work somebody is, and why; no text where he works or waits for work."""

AT_WORK: Final = 1
"""Or about to be."""


def _halt(state: RunState, role: Role, now: float, glyphs: Glyphs) -> Halt:
    """Of the worker of a role that is nearest to its work."""
    if state.phase == "stopped":
        return 0, ""
    if state.phase == "paused":
        return 3, f"{glyphs.paused} paused"
    halts = [_halted(view, now, glyphs) for view in state.workers.values() if view.role == role]
    return min(halts, default=(0, ""))


def _halted(view: WorkerView, now: float, glyphs: Glyphs) -> Halt:
    sign, word, _ = worker_sign(view, now, glyphs)
    match view.state:
        case "running" if view.phase in PREPARING:
            return AT_WORK, f"{sign} {word}"
        case "running":
            return 0, ""
        case "paused" if view.held:
            return 4, f"{sign} paused by hand"
        case "failed":
            return 5, f"{sign} given up"
        case "exited":
            return 3, f"{sign} {word}"
        case _:
            return 2, f"{sign} {word}"


def _about_searches(state: RunState, now: float, glyphs: Glyphs) -> str:
    """What they add to the policy, or what comes before the first of them."""
    distance, halt = _halt(state, "selfplay", now, glyphs)
    if distance == AT_WORK:
        return f" {halt}"
    surprise = policy_surprise(state) if state.positions_per_s else None
    return "" if surprise is None else f" KL {surprise:.2f}"


def _training(state: RunState, now: float, glyphs: Glyphs) -> tuple[str, str]:
    if state.phase == "stopped":
        return f"train {glyphs.stopped} step {fmt.count(state.step)}", IDLE
    distance, halt = _halt(state, "trainer", now, glyphs)
    waiting = state.trainer.waiting if state.trainer else ""
    if waiting and distance <= AT_WORK:  # It has been heard since it was ready.
        return f"train {glyphs.waiting} {fmt.line(waiting)}", IDLE
    if halt:
        return f"train {halt}", IDLE
    if state.trainer is None:
        return "train: not started", IDLE
    samples = state.latest("samples_per_s")
    phase = state.phase_of_training
    text = f"train {glyphs.running}" + ("" if phase is None else f" {fmt.line(phase.name)}")
    return (f"{text} {fmt.short(samples)} samples/s" if samples else text), ACTIVE


def _evaluation(state: RunState, now: float, glyphs: Glyphs) -> tuple[str, str]:
    distance, halt = _halt(state, "evaluator", now, glyphs)
    if state.match is not None and state.phase != "stopped":
        match = state.match
        against = "" if match.opponent == state.best else f" {fmt.network(match.opponent)}"
        score = f" {fmt.percent(match.score)}" if match.played else ""
        stands = f"evaluate{against} {match.played}/{match.games}{score}"
        return (f"{stands} {halt}", IDLE) if halt else (stands, ACTIVE)
    step = candidate_step(state)
    text = f"evaluate @{fmt.count(step)}" if step else "evaluate"
    # Before its turn only what will not pass by itself is worth a word.
    is_stuck = distance > AT_WORK and state.phase == "running"
    return (f"{text} {halt}" if is_stuck else text), IDLE


def _left(state: RunState, now: float, glyphs: Glyphs) -> str:
    """When the evaluation ends, or when the steps before it are made; empty when nobody can say."""
    if state.phase != "running":
        return ""
    if state.match is not None:
        left_s = match_left_s(state, now)
        return "" if left_s is None else f" {fmt.duration(left_s, glyphs)} left"
    left_s = None if is_evaluating(state) else steps_left_s(state, now)
    return "" if left_s is None else f" in {fmt.duration(left_s, glyphs)}"


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
