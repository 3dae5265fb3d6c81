"""Who works, at what, how fast, and who is being restarted; on a cluster, by machine."""

from typing import Final

from textual.content import Content
from textual.message import Message

from backend.cluster.grouping import Machine, elsewhere, machines
from backend.selfplay.readings import remarks
from backend.state import RunState
from backend.views import WorkerView
from backend.wording import plural
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.panes.quiet import Titles
from tui.panes.table import Cell, Column, StateTable
from tui.status import UP, card_load, ordered_workers, worker_sign

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
FLEET_COLUMNS = (
    Column("worker", "machine", 10),
    Column("state", "state", 14),
    Column("games", "games", 6, "right"),
    Column("speed", "pos/s", 6, "right"),
    Column("memory", "mem", 6, "right"),
    Column("moved", "moved", 6, "right"),
    Column("stale", "old", 4, "right"),
    Column("restarts", "rst", 4, "right"),
)
"""On a cluster: what came home from a machine and what it fetched; shards refused as too old."""
MAX_MACHINES: Final = 64
"""Listed; the title counts all of them."""
MACHINE: Final = "@"
"""Begins the key of a machine's row: no worker's name does."""
STALE_BEAT_S = 5.0


class WorkersPane(StateTable):
    class Chosen(Message):
        """Something should be done with the worker under the cursor: Enter, or a second click."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__("workers", COLUMNS)
        self.glyphs = glyphs
        self._titles = Titles(self)

    def on_data_table_row_selected(self) -> None:
        if self.selected_worker:
            self.post_message(self.Chosen())

    @property
    def selected_worker(self) -> str:
        """Worker under the cursor; empty on a machine and without rows."""
        return "" if self.selected_key.startswith(MACHINE) else self.selected_key

    def to_copy(self) -> str:
        """Name of the worker or machine under the cursor."""
        return self.selected_key.removeprefix(MACHINE)

    def show(self, state: RunState, now: float) -> None:
        dot = f" {self.glyphs.middle_dot} "
        fleet = machines(state)
        if fleet:
            self.use_columns(FLEET_COLUMNS)
            self.show_rows(fleet_rows(state, fleet, now, self.glyphs))
        else:
            self.use_columns(COLUMNS)
            self.show_rows(worker_rows(state, now, self.glyphs))
        facts = dot.join([counts(state, self.glyphs), *_fleet_facts(fleet), *remarks(state)])
        title = Content.assemble(("workers", "bold"), f"  {facts}")
        self._titles.put(title, self._selected(state, fleet))

    def _selected(self, state: RunState, fleet: list[Machine]) -> str:
        """What there is to say of the row under the cursor."""
        key = self.selected_key
        machine = next((m for m in fleet if MACHINE + m.name == key), None)
        view = state.workers.get(key)
        if machine is not None:
            name, facts = machine.address or machine.name, _machine_details(machine)
        else:
            name, facts = key, _details(view) if view else []
        detail = f" {self.glyphs.middle_dot} ".join(facts)
        return f"{fmt.line(name)}: {detail}" if detail else ""


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


def fleet_rows(
    state: RunState, fleet: list[Machine], now: float, glyphs: Glyphs
) -> dict[str, tuple[Cell, ...]]:
    """Every machine with its workers below it, then the workers at home."""
    rows = {}
    for machine in fleet[:MAX_MACHINES]:
        rows[MACHINE + machine.name] = _machine_row(machine, glyphs)
        for view in sorted(machine.workers, key=lambda view: view.worker):
            rows[view.worker] = _fleet_row(view, now, glyphs, indent=" ")
    at_home = {view.worker for view in elsewhere(state)}
    for view in ordered_workers(state):
        if view.worker in at_home:
            rows[view.worker] = _fleet_row(view, now, glyphs, indent="")
    return rows


def _machine_row(machine: Machine, glyphs: Glyphs) -> tuple[Cell, ...]:
    up = machine.is_alive
    moved_mib = (machine.shard_bytes + machine.network_bytes) / (1 << 20)
    return (
        Cell(fmt.line(machine.name), bold=True),
        Cell(f"{glyphs.running} up", "good") if up else Cell(f"{glyphs.failed} gone", "bad"),
        Cell(fmt.count(machine.games_running)),
        Cell(fmt.short(machine.positions_per_s)),
        Cell(fmt.memory(machine.rss_mib, glyphs)),
        Cell(fmt.memory(moved_mib, glyphs)),
        Cell(str(machine.stale_shards), "attention" if machine.stale_shards else "muted"),
        Cell(str(machine.restarts), "attention" if machine.restarts else "muted"),
    )


def _fleet_row(view: WorkerView, now: float, glyphs: Glyphs, indent: str) -> tuple[Cell, ...]:
    cells = dict(zip((c.key for c in COLUMNS), _row(view, now, glyphs), strict=True))
    cells["worker"] = Cell(indent + fmt.line(view.worker), bold=not indent)
    cells["moved"] = Cell(glyphs.dash, "muted")  # Networks are fetched by machines.
    stale = view.stale_shards
    cells["stale"] = Cell(str(stale), "attention" if stale else "muted")
    return tuple(cells[column.key] for column in FLEET_COLUMNS)


def _fleet_facts(fleet: list[Machine]) -> list[str]:
    if not fleet:
        return []
    facts = [f"{sum(m.is_alive for m in fleet)} of {plural(len(fleet), 'machine')}"]
    if len(fleet) > MAX_MACHINES:
        facts.append(f"{MAX_MACHINES} listed")
    return facts


def _machine_details(machine: Machine) -> list[str]:
    """`4 cores`, `3.0 MiB of games`, `0.5 MiB of networks`, `2 too old`."""
    gpus = [f"{machine.gpus:g} GPU"] if machine.gpus else []
    stale = [f"{machine.stale_shards} too old"] if machine.stale_shards else []
    return [
        f"{machine.cpus:g} cores",
        *gpus,
        f"{machine.shard_bytes / (1 << 20):.1f} MiB of games",
        f"{machine.network_bytes / (1 << 20):.1f} MiB of networks",
        *stale,
    ]


def _details(view: WorkerView) -> list[str]:
    """What it is at, and how it computes its network: `openvino int8 21k/s`."""
    chosen = view.inference if view.state in UP else None
    computed = ""
    if chosen is not None:
        speed = fmt.short(chosen.evaluations_per_s)
        computed = f"{fmt.line(chosen.backend)} {fmt.line(chosen.precision)} {speed}/s"
    held = "paused by hand, w resumes" if view.held else ""
    failed = "W starts it again" if view.state == "failed" else ""
    return [
        text for text in (held, failed, fmt.line(view.detail), computed, card_load(view)) if text
    ]


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
