"""Who works, at what, how fast, and who is being restarted."""

from textual.content import Content
from textual.message import Message

from backend.selfplay.readings import remarks
from backend.state import RunState
from backend.views import WorkerView
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.quiet import Titles
from tui.panes.table import Cell, Column, StateTable
from tui.status import ordered_workers, worker_sign

COLUMNS = (
    Column("worker", "worker", 11),
    Column("state", "state", 14),
    Column("games", "games", 6, "right"),
    Column("ply", "ply", 4, "right"),
    Column("speed", "pos/s", 6, "right"),
    Column("memory", "mem", 6, "right"),
    Column("beat", "beat", 5, "right"),
    Column("restarts", "rst", 4, "right"),
)
UP = ("running", "paused", "starting")
STALE_BEAT_S = 5.0


class WorkersPane(StateTable):
    class Chosen(Message):
        """Something should be done with the worker under the cursor: Enter, or a second click."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("workers", COLUMNS)
        self.glyphs = glyphs
        self._titles = Titles(self)

    def on_data_table_row_selected(self) -> None:
        self.post_message(self.Chosen())

    def show(self, state: RunState, now: float) -> None:
        self.show_rows(worker_rows(state, now, self.glyphs))
        dot = f" {self.glyphs.middle_dot} "
        facts = dot.join([counts(state, self.glyphs), *remarks(state)])
        title = Content.assemble(("workers", "bold"), f"  {facts}")
        selected = state.workers.get(self.selected_key)
        detail = f" {self.glyphs.middle_dot} ".join(_details(selected)) if selected else ""
        self._titles.put(title, f"{fmt.line(self.selected_key)}: {detail}" if detail else "")


def worker_rows(state: RunState, now: float, glyphs: Glyphs) -> dict[str, tuple[Cell, ...]]:
    return {view.worker: _row(view, now, glyphs) for view in ordered_workers(state)}


def _row(view: WorkerView, now: float, glyphs: Glyphs) -> tuple[Cell, ...]:
    sign, word, colour = worker_sign(view, now, glyphs)
    seen = view.progress if view.state == "running" else None
    silent_s = now - view.beat_at if view.beat_at else None
    alive = view.state in UP
    stale = alive and silent_s is not None and silent_s > STALE_BEAT_S
    fresh = f"<{STALE_BEAT_S:.0f}s"  # Its exact age would only flicker.
    known = alive and silent_s is not None
    beat = fmt.duration(silent_s, glyphs) if stale else fresh if known else glyphs.dash
    memory_mib = view.rss_mib if view.device_mib is None else view.device_mib
    none = Cell(glyphs.dash, "muted")
    return (
        Cell(fmt.line(view.worker), bold=True),
        Cell(f"{sign} {word}", colour),
        Cell(fmt.count(seen.games_running)) if seen else none,
        Cell(f"{seen.mean_ply:.0f}") if seen else none,
        Cell(fmt.short(seen.positions_per_s)) if seen else none,
        Cell(fmt.memory(memory_mib, glyphs)) if alive else none,
        Cell(beat, "attention" if stale else "", bold=stale),
        Cell(str(view.restarts), "attention" if view.restarts else "muted"),
    )


def _details(view: WorkerView) -> list[str]:
    """What it is at, and how it computes its network: `openvino int8 21k/s`."""
    chosen = view.inference if view.state in UP else None
    computed = ""
    if chosen is not None:
        speed = fmt.short(chosen.evaluations_per_s)
        computed = f"{fmt.line(chosen.backend)} {fmt.line(chosen.precision)} {speed}/s"
    held = "paused by hand, w resumes" if view.held else ""
    failed = "W starts it again" if view.state == "failed" else ""
    return [text for text in (held, failed, fmt.line(view.detail), computed) if text]


def counts(state: RunState, glyphs: Glyphs) -> str:
    """`3 up · 1 restarting`; what there is none of is left out."""
    states = [w.state for w in state.workers.values()]
    groups = (
        (sum(s in UP for s in states), "up"),
        (states.count("backoff"), "restarting"),
        (states.count("failed"), "failed"),
        (states.count("exited"), "ended"),
    )
    dot = f" {glyphs.middle_dot} "
    return dot.join(f"{n} {word}" for n, word in groups if n) or "none started yet"
