"""The games browser: what the run has stored, and each game ply by ply with what was thought."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable

from backend.commit import commit_file
from backend.errors import Matrix0Error, ReplayError
from backend.state import RunState
from tui import format as fmt
from tui.action import Context, Place
from tui.archive import SELFPLAY, StoredGame, stored_games
from tui.copying import copy
from tui.figure import Curve, Figure
from tui.glyphs import Glyphs
from tui.history import History
from tui.panes.bars import KeyBar
from tui.panes.board import BoardPane
from tui.panes.chart import ChartSpec, LineChart
from tui.panes.table import Cell, Column, StateTable
from tui.replayed import Replay, load
from tui.screens.above import Above
from tui.viewport import Axis, Viewport

RESULTS: Final = ("", "1-0", "1/2-1/2", "0-1", "*")
RESULT_WORDS: Final = {"": "any result", "1/2-1/2": "draws", "*": "no result"}
SOURCES: Final = ("all", SELFPLAY, "matches")
MAX_ROWS: Final = 500
"""Of the list that are shown at once; the filters reach the others."""


class GamesTable(StateTable):
    """Its keys to the sides and the ends are those of the game."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "cursor_left", show=False),
        Binding("l", "cursor_right", show=False),
    ]

    def __init__(self) -> None:
        columns = (
            Column("game", "game", 19),
            Column("result", "result", 7),
            Column("plies", "ply", 5, "right"),
            Column("ending", "ending", 14),
        )
        super().__init__("games-table", columns)

    async def _act(self, id: str) -> None:
        await self.run_action(f"app.act('{id}')")

    # Textual awaits an action that is one; its own of these names are not.

    async def action_cursor_right(self) -> None:  # type: ignore[override]
        await self._act("ply-forward")

    async def action_cursor_left(self) -> None:  # type: ignore[override]
        await self._act("ply-back")

    async def action_scroll_home(self) -> None:  # type: ignore[override]
        await self._act("ply-start")

    async def action_scroll_end(self) -> None:  # type: ignore[override]
        await self._act("ply-end")


class GamesScreen(Above):
    place: ClassVar[Place] = "games"
    AUTO_FOCUS: ClassVar[str | None] = "#games-table"

    def __init__(self, run_dir: Path, glyphs: Glyphs) -> None:
        super().__init__()
        self.run_dir = run_dir
        self.glyphs = glyphs
        self.games: list[StoredGame] = []
        self.shown: dict[str, StoredGame] = {}
        self.result, self.source = RESULTS[0], SOURCES[0]
        self.replay: Replay | None = None
        self.ply = 0
        self.fault = "looking for games"
        self._wanted = ""
        self.table = GamesTable()
        self.board = BoardPane(glyphs)
        spec = ChartSpec("evaluation", lambda state: "value for White", _nothing, self._figure)
        self.chart = LineChart(spec, glyphs, History(run_dir / "matrix0.db"))
        self.chart.smoothing = 0.0

    def compose(self) -> ComposeResult:
        with Horizontal(id="games-body"):
            yield self.table
            with Vertical(id="games-game"):
                yield self.board
                yield self.chart
        yield KeyBar()

    def on_mount(self) -> None:
        self.set_class(self.glyphs.ascii, "-ascii")
        self.table.border_title = Content.assemble(("games", "bold"))
        self.run_worker(self._find_games(), group="games")
        self._draw()

    def show(self, context: Context, now: float) -> None:
        self.query_one(KeyBar).show(context)

    async def _find_games(self) -> None:
        self.games = await asyncio.to_thread(stored_games, self.run_dir)
        self._list()

    def _list(self) -> None:
        passing = [game for game in self.games if self._passes(game)]
        self.shown = {game.id: game for game in passing[:MAX_ROWS]}
        self.table.show_rows({id: _cells(game) for id, game in self.shown.items()})
        words = f"{self.source}, {RESULT_WORDS.get(self.result, self.result)}"
        self.table.border_title = Content.assemble(("games", "bold"), f"  {words}")
        newest = f"newest {MAX_ROWS} of " if len(passing) > MAX_ROWS else ""
        self.table.border_subtitle = Content(f"{newest}{fmt.count(len(passing))}")
        if not passing:
            self.replay = None
            self.fault = "no game is stored yet" if not self.games else "no game passes the filters"
            self._draw()
        else:
            self._open(self.table.selected_key)

    def _passes(self, game: StoredGame) -> bool:
        is_selfplay = game.source == SELFPLAY
        of_source = self.source == SOURCES[0] or is_selfplay == (self.source == SELFPLAY)
        return of_source and self.result in ("", game.result)

    @on(DataTable.RowHighlighted)
    def _highlighted(self, event: DataTable.RowHighlighted) -> None:
        event.stop()
        self._open(self.table.selected_key)

    def _open(self, id: str) -> None:
        if id in self.shown and (self.replay is None or self.replay.entry.id != id):
            self._wanted = id
            if self.replay is None:
                self.fault = "opening the game"
                self._draw()
            self.run_worker(self._load(self.shown[id]), group="replay", exclusive=True)

    async def _load(self, game: StoredGame) -> None:
        try:
            replay = await asyncio.to_thread(load, game, self.run_dir)
        except ReplayError as error:
            self.replay, self.fault = None, fmt.line(str(error))
        else:
            if game.id != self._wanted:
                return
            self.replay, self.ply = replay, 0
        self._draw()

    # Drawing -------------------------------------------------------------------------------------

    def _draw(self) -> None:
        replay = self.replay
        frame = None if replay is None else replay.frames[self.ply]
        self.board.empty = self.fault
        self.board.show(RunState(board=frame))
        self.chart.view = Viewport(axis="ply", cursor=float(self.ply) if replay else None)
        self.chart.show(RunState())
        if replay is None:
            self.board.border_subtitle = ""
            return
        end = f"{replay.entry.result} {fmt.line(replay.entry.ending)}".strip()
        dot = self.glyphs.middle_dot
        place = f"{self.ply}/{len(replay.frames) - 1}"
        text = f"{place} {dot} {end} {dot} {replay.note}"
        room = max(0, self.board.size.width - 4)
        self.board.border_subtitle = Content(fmt.fit(text, min(room, len(text)), self.glyphs))

    def _figure(self, state: RunState, history: History, axis: Axis) -> Figure:
        values = () if self.replay is None else self.replay.values
        points = [(ply + 1.0, value) for ply, value in enumerate(values) if value is not None]
        data = np.array(points, np.float64).reshape(-1, 2)
        curves = (Curve("value", data[:, 0], data[:, 1]),) if points else ()
        empty = "" if self.replay is None else "no values are stored with this game"
        return Figure(curves=curves, x_unit="ply", empty=empty)

    # What keys do --------------------------------------------------------------------------------

    def do(self, id: str) -> None:
        last = 0 if self.replay is None else len(self.replay.frames) - 1
        plies = {
            "ply-forward": self.ply + 1,
            "ply-back": self.ply - 1,
            "ply-start": 0,
            "ply-end": last,
        }
        if id in plies:
            self.ply = min(max(plies[id], 0), last)
            self._draw()
            return
        match id:
            case "games-result":
                self.result = RESULTS[(RESULTS.index(self.result) + 1) % len(RESULTS)]
                self._list()
            case "games-source":
                self.source = SOURCES[(SOURCES.index(self.source) + 1) % len(SOURCES)]
                self._list()
            case "flip":
                self.board.flip()
            case "heat":
                self.board.toggle_heat()
            case _:
                self._hand_out(id)

    def _hand_out(self, id: str) -> None:
        """Copy the position or the game, or write the game to a file."""
        if self.replay is None:
            self.notify(self.fault, severity="warning", markup=False)
            return
        match id:
            case "copy-fen":
                fen = self.replay.frames[self.ply].fen
                copy(self.app, fen)
            case "copy-pgn":
                copy(self.app, self.replay.pgn)
            case "write-pgn":
                self._write(self.replay.pgn)
            case _:
                raise ValueError(f"no such action: {id!r}")

    def _write(self, pgn: str) -> None:
        path = Path.cwd() / f"game-{datetime.now():%Y%m%d-%H%M%S}.pgn"
        try:
            commit_file(path, pgn.encode())
        except Matrix0Error as error:
            self.notify(str(error), severity="error", markup=False)
        else:
            self.notify(f"the game is in {path}", markup=False)


def _nothing(state: RunState, history: History) -> tuple[object, ...]:
    return (object(),)  # Another game or ply each time: always drawn.


def _cells(game: StoredGame) -> tuple[Cell, ...]:
    plies = "" if game.plies is None else fmt.count(game.plies)
    result = game.result.replace("1/2-1/2", "draw")
    return (
        Cell(fmt.line(game.label)),
        Cell(result),
        Cell(plies),
        Cell(fmt.line(game.ending), "muted"),
    )
