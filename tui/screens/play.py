"""Play in the terminal: keys, clicks and typed moves go to the game; the panes show it."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import ClassVar

import chess
from textual import on
from textual.app import ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen

from backend.errors import Matrix0Error
from backend.play.clock import TimeControl
from backend.play.entry import EntryError, read_move
from backend.play.files import load_game, pgn_of, save_game
from backend.play.game import ending_in_words
from backend.play.opponents import Opponent, opponents
from backend.play.process import EngineProcess
from backend.play.wire import Answer
from backend.rundir import RunDirectory
from backend.state import RunState
from tui import format as fmt
from tui.action import Context
from tui.client import LinkView
from tui.copying import copy
from tui.glyphs import ASCII, UNICODE, Glyphs
from tui.panes.bars import KeyBar, Strip
from tui.panes.beside import GraphPane, MovesPane, ViewPane
from tui.panes.drawn import DrawnPane
from tui.panes.playboard import PlayBoard, targets
from tui.panes.playlines import entry_line, play_header
from tui.panes.quiet import QuietStatic
from tui.play_actions import PLAY_ACTIONS, PLAY_BY_ID
from tui.playing import Playing, Setup
from tui.screens.asking import FileScreen, PromotionScreen, SetupScreen
from tui.screens.confirm import ConfirmScreen
from tui.screens.pages import help_page
from tui.typed import TypedMove

TICK_S = 0.1
"""Between two looks at the clocks."""
ARROWS = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1)}


class PlayScreen(Screen[None]):
    AUTO_FOCUS: ClassVar[str | None] = "#play-board"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(a.key, f"play('{a.id}')", a.title, id=f"matrix0.{a.id}", show=False)
        for a in PLAY_ACTIONS
    ]

    class Left(Message):
        """The person wants to leave the screen; the game waits."""

    def __init__(
        self,
        engine: EngineProcess,
        playing: Playing,
        *,
        run: RunDirectory | None,
        glyphs: Glyphs,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.playing = playing
        self.run_directory = run
        self.glyphs = glyphs
        self.now = now
        self.typed = TypedMove()

    def compose(self) -> ComposeResult:
        yield QuietStatic("header")
        with Horizontal(id="play-table"):
            yield PlayBoard(self.glyphs)
            with Vertical(id="play-side"):
                yield ViewPane(self.glyphs)
                yield GraphPane(self.glyphs)
                yield MovesPane(self.glyphs)
        yield QuietStatic("play-entry")
        yield KeyBar(PLAY_ACTIONS)

    def on_mount(self) -> None:
        self._use(self.glyphs)
        self.board.flipped = self.playing.setup.human == chess.BLACK
        self.run_worker(self.engine.run(self.hear), group="engine")
        self.playing.consider()
        self.set_interval(TICK_S, self._tick)
        self.call_after_refresh(self.show)

    def on_screen_resume(self) -> None:
        self.playing.leave(False)

    def _tick(self) -> None:
        """The clocks, and nothing else, unless somebody's time is up."""
        playing = self.playing
        if playing.clock is None or playing.clock.running is None or not self.query(PlayBoard):
            return
        if playing.tick():
            self._say_ending()
            self.show()
        else:
            self.board.show_clocks(playing)

    async def on_unmount(self) -> None:
        await self.engine.close()

    def on_resize(self) -> None:
        self.call_after_refresh(self.show)

    @property
    def board(self) -> PlayBoard:
        return self.query_one(PlayBoard)

    @property
    def context(self) -> Context:
        return Context(RunState(), LinkView("waiting", ""), play=self.playing)

    def hear(self, answer: Answer) -> None:
        """The engine has said something."""
        version, ply = self.playing.version, self.playing.game.ply
        self.playing.hear(answer)
        if self.playing.version != version:
            if self.playing.game.ply != ply and self.playing.game.ending is not None:
                self._say_ending()
            self.show()

    def show(self) -> None:
        """Draw everything that may have changed."""
        if not self.query(PlayBoard):
            return  # The screen is being taken down, and the engine still speaks.
        playing = self.playing
        with self.app.batch_update():
            self.board.show(playing)
            for pane in (ViewPane, GraphPane, MovesPane):
                self.query_one(pane).show(playing)
            self.query_one("#header", QuietStatic).put(
                play_header(playing, self.size.width or 80, self.glyphs)
            )
            self.query_one("#play-entry", QuietStatic).put(
                entry_line(playing, self.typed.text, self.glyphs)
            )
            self.query_one(KeyBar).show(self.context)

    # What is typed -------------------------------------------------------------------------------

    def on_key(self, event: Key) -> None:
        """Moves are typed without a mode; single keys are actions where no move can begin."""
        char = event.character or ""
        if self.typed.press(event.key, char, self.playing.board):
            if event.key == "enter":
                self._submit()
        elif event.key in ARROWS:
            self.board.move_cursor(*ARROWS[event.key])
        elif event.key in ("enter", "space"):
            self._enter()
        elif event.key == "escape":
            self.board.select(None)
        elif event.key == "tab" or (char.isprintable() and char and not self._is_bound(event)):
            pass  # Keys of the dashboard have no business here.
        else:
            return
        event.stop()
        event.prevent_default()
        self.show()

    def _is_bound(self, event: Key) -> bool:
        return event.key in self._bindings.key_to_bindings

    def _submit(self) -> None:
        try:
            move = read_move(self.playing.board, self.typed.text)
        except EntryError as error:
            self.toast(str(error), "warning")
            return
        self.typed.clear()
        self._move(move)

    def _enter(self) -> None:
        if self.playing.error:
            self.playing.try_again()
        else:
            self.board.pick()

    # Squares -------------------------------------------------------------------------------------

    @on(PlayBoard.Picked)
    def _picked(self, event: PlayBoard.Picked) -> None:
        board, widget = self.playing.board, self.board
        origin, square = widget.selected, event.square
        if square in targets(board, origin):
            assert origin is not None
            widget.select(None)
            self._move_from(origin, square)
        elif square != origin and targets(board, square):
            widget.select(square)
        else:
            widget.select(None)
        self.show()

    def _move_from(self, origin: int, target: int) -> None:
        fits = [
            move
            for move in self.playing.board.legal_moves
            if (move.from_square, move.to_square) == (origin, target)
        ]
        if len(fits) == 1:
            self._move(fits[0])
            return

        def promote(kind: int | None) -> None:
            if kind is not None:
                self._move(chess.Move(origin, target, kind))

        self.app.push_screen(PromotionScreen(), promote)

    def _move(self, move: chess.Move) -> None:
        if reason := self.playing.move(move):
            self.toast(reason, "warning")
        elif self.playing.game.ending is not None:
            self._say_ending()
        self.show()

    # Actions -------------------------------------------------------------------------------------

    def commands(self) -> Iterable[SystemCommand]:
        """The actions for the palette."""
        for action in PLAY_ACTIONS:
            yield SystemCommand(action.title, action.help, partial(self.action_play, action.id))

    @on(Strip.Picked)
    def _key_clicked(self, event: Strip.Picked) -> None:
        event.stop()
        if event.action == "palette":
            self.app.action_command_palette()
        else:
            self.action_play(event.action)

    def action_play(self, id: str) -> None:
        """Do an action, or say why not."""
        action = PLAY_BY_ID[id]
        if reason := action.refused(self.context):
            self.toast(f"{action.title}: {reason}", "warning")
            return
        playing = self.playing
        match id:
            case "take-back":
                playing.take_back()
            case "hints":
                playing.toggle_hints()
            case "analyse":
                playing.toggle_analysis()
            case "turn-board":
                self.board.turn(not self.board.flipped)
            case "new-game":
                self.run_worker(self._new_game(), group="asking")
            case "earlier":
                playing.step(-1)
            case "later":
                playing.step(1)
            case "offer-draw":
                self._offer_draw()
            case "resign":
                self.run_worker(self._resign(), group="asking")
            case "save-pgn":
                self._save()
            case "copy-position":
                copy(self.app, playing.board.fen())
            case "copy-game":
                copy(self.app, pgn_of(playing.game, self.now()))
            case "load-pgn":
                self.run_worker(self._load(), group="asking")
            case "board-size":
                self.board.resize_squares()
            case "play-signs":
                self._use(UNICODE if self.glyphs.ascii else ASCII)
            case "play-theme":
                dark = self.app.current_theme.dark
                self.app.theme = "matrix0-light" if dark else "matrix0-dark"
            case "play-help":
                page = help_page(self.context, self.size.width, PLAY_ACTIONS, PLAY_KEYS)
                self.app.push_screen(page)
            case "leave-game":
                playing.leave()
                self.post_message(self.Left())
            case _:
                raise ValueError(f"no such action: {id!r}")
        self.show()

    def _use(self, glyphs: Glyphs) -> None:
        self.glyphs = glyphs
        self.set_class(glyphs.ascii, "-ascii")
        self.app.set_class(glyphs.ascii, "-ascii")  # Dialogs over it, too.
        for pane in self.query(DrawnPane):
            pane.glyphs = glyphs

    async def _new_game(self) -> None:
        setup = await self.app.push_screen_wait(
            SetupScreen(self.playing.setup, opponents(self.run_directory), self.glyphs)
        )
        if setup is None:
            return
        dropped = self.playing.game.ply > 0 and self.playing.game.ending is None
        if dropped and not await self.app.push_screen_wait(
            ConfirmScreen("Drop the game that is being played?")
        ):
            return
        self.playing.set_up(setup)
        self.board.turn(setup.human == chess.BLACK)
        self.playing.consider()
        self.show()

    def _offer_draw(self) -> None:
        label = self.playing.setup.opponent.label
        if self.playing.offer_draw():
            self._say_ending()
        elif self.playing.opponents_value is None:
            self.toast(f"{label} has no opinion, and plays on")
        else:
            self.toast(f"{label} plays on: it expects {self.playing.opponents_value:+.2f}")

    async def _resign(self) -> None:
        if await self.app.push_screen_wait(ConfirmScreen("Resign the game?")):
            self.playing.resign()
            self._say_ending()
            self.show()

    @property
    def _folder(self) -> Path:
        run = self.run_directory
        return run.games if run is not None and run.games.is_dir() else Path.cwd()

    def _save(self) -> None:
        try:
            path = save_game(self.playing.game, self._folder, self.now())
        except Matrix0Error as error:
            self.toast(f"not saved: {error}", "error")
        else:
            self.toast(f"saved as {path}")

    async def _load(self) -> None:
        path = await self.app.push_screen_wait(FileScreen(self._folder))
        if path is None:
            return
        try:
            game = load_game(path)
        except (OSError, Matrix0Error) as error:
            self.toast(f"not loaded: {error}", "error")
            return
        setup = self.playing.setup
        if game.human is not None:
            setup = Setup(setup.opponent, game.human, setup.simulations, game.control)
        in_analysis = game.human is None
        self.playing.set_up(setup, game)
        if in_analysis:
            self.playing.toggle_analysis()
        self.playing.consider()
        self.show()

    # What is said --------------------------------------------------------------------------------

    def toast(self, text: str, severity: SeverityLevel = "information") -> None:
        self.notify(fmt.line(text), severity=severity, markup=False)

    def _say_ending(self) -> None:
        ending = self.playing.game.ending
        assert ending is not None
        self.toast(ending_in_words(ending))


def new_play(
    run: RunDirectory | None,
    glyphs: Glyphs,
    opponent: Opponent,
    watcher: Opponent | None = None,
    control: TimeControl | None = None,
) -> PlayScreen:
    """The screen of a new game. Without a `watcher` the opponent watches, or the best network."""
    known = (watcher, opponent, *opponents(run))
    networks = [o for o in known if o is not None and o.kind == "network"]
    log = run.log_file("play") if run is not None and run.exists else None
    engine = EngineProcess(log)
    setup = Setup(opponent, control=control)
    playing = Playing(engine, setup, networks[0] if networks else None)
    return PlayScreen(engine, playing, run=run, glyphs=glyphs)


PLAY_KEYS = (
    ("e4 Nf3", "Type a move in SAN or UCI: Tab completes it, Enter makes it, Esc drops it"),
    ("←↑↓→", "Move the cursor; Enter or space takes up a piece and puts it down"),
    ("mouse", "Click a piece, then the square it goes to"),
    ("^p", "Palette: all actions and themes by name"),
)
