"""States of the run and of workers as sign, word and colour; alone, the word is enough."""

from collections.abc import Mapping
from typing import Final

from rich.style import Style

from backend.events import Level
from backend.state import RunState
from backend.views import WorkerView
from tui import format as fmt
from tui.client import LinkView
from tui.glyphs import Glyphs

UP: Final = ("running", "paused", "starting")
"""States of a worker that is there."""

Sign = tuple[str, str, str]
"""Glyph, word, and a theme variable without its dollar."""


def run_sign(state: RunState, link: LinkView, glyphs: Glyphs) -> Sign:
    if link.is_replay:
        return glyphs.starting, "REPLAY", "accent"
    if state.phase == "stopped":
        return glyphs.stopped, "STOPPED", "muted"
    if link.status != "connected":
        word = "CONNECTING" if link.status == "waiting" else "DISCONNECTED"
        return glyphs.failed if word[0] == "D" else glyphs.starting, word, "bad"
    match state.phase:
        case "paused":
            return glyphs.paused, "PAUSED", "attention"
        case "stopping":
            return glyphs.stopped, "STOPPING", "attention"
        case "starting":
            return glyphs.starting, "STARTING", "accent"
        case _:
            return glyphs.running, _activity(state), "good"


def _activity(state: RunState) -> str:
    if any(w.role == "trainer" and w.phase == "training" for w in state.workers.values()):
        return "TRAINING"
    return "EVALUATING" if state.match else "RUNNING"


def card_load(view: WorkerView) -> str:
    """`GPU 87% 312 W`, of the card that a worker is on; what nobody tells is left out."""
    if view.state not in UP:
        return ""
    busy = [] if view.device_busy_frac is None else [fmt.percent(view.device_busy_frac)]
    watts = [] if view.device_watts is None else [f"{view.device_watts:.0f} W"]
    return " ".join(["GPU", *busy, *watts]) if busy or watts else ""


def busiest_card(state: RunState) -> str:
    """The same, of the card that computes most."""
    views = sorted(state.workers.values(), key=lambda view: -(view.device_busy_frac or 0.0))
    return next((text for view in views if (text := card_load(view))), "")


_ORDER = {"selfplay": 0, "trainer": 1, "evaluator": 2}


def ordered_workers(state: RunState) -> list[WorkerView]:
    """In the order in which data flows, then by name."""
    return sorted(state.workers.values(), key=lambda w: (_ORDER[w.role], w.worker))


def worker_sign(view: WorkerView, now: float, glyphs: Glyphs) -> Sign:
    match view.state:
        case "running" if view.phase in ("waiting", "loading", "tuning", "compiling", "starting"):
            return glyphs.waiting, view.phase, "accent"
        case "running":
            return glyphs.running, view.phase or "running", "good"
        case "paused":
            return glyphs.paused, "paused", "attention"
        case "backoff":
            left = None if view.retry_at is None else max(0.0, view.retry_at - now)
            word = "restarting" if left is None else f"retry in {fmt.duration(left)}"
            return glyphs.backoff, word, "attention"
        case "failed":
            return glyphs.failed, "failed", "bad"
        case "exited":
            return glyphs.stopped, "ended", "muted"
        case _:
            return glyphs.starting, view.state, "accent"


def level_sign(level: Level) -> tuple[str, str]:
    """Word of five cells and a theme variable."""
    match level:
        case "debug":
            return "DEBUG", "muted"
        case "info":
            return "INFO ", "muted"
        case "warning":
            return "WARN ", "attention"
        case "error":
            return "ERROR", "bad"


def style_of(variables: Mapping[str, str], name: str) -> Style:
    """A foreground from a theme variable; none when there is no such variable."""
    value = variables.get(name, "") if name else ""
    return Style.parse(value) if value else Style()
