"""What the play screen asks: which piece a pawn becomes, who plays the next game, which file."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import chess
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from backend.play.clock import TimeControl
from backend.play.opponents import Opponent
from tui import format as fmt
from tui.glyphs import Glyphs
from tui.playing import SIMULATIONS, Setup

PIECES = (
    (chess.QUEEN, "Queen"),
    (chess.ROOK, "Rook"),
    (chess.BISHOP, "Bishop"),
    (chess.KNIGHT, "Knight"),
)
MAX_FILES = 12
CONTROLS = (
    None,
    *(TimeControl(minutes * 60.0, added) for minutes, added in ((1, 0), (3, 2), (5, 0), (5, 3))),
    *(TimeControl(minutes * 60.0, added) for minutes, added in ((10, 0), (15, 10), (30, 20))),
)
"""Clocks to choose from; any other is given on the command line."""


class PromotionScreen(ModalScreen[int | None]):
    """The piece type; None when the move is not wanted after all."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(name[0].lower() if name != "Knight" else "n", f"choose({kind})")
            for kind, name in PIECES
        ),
        Binding("escape", "choose(0)", "Cancel"),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page"):
            yield Static("The pawn becomes:", markup=False)
            with Horizontal(id="answers"):
                for kind, name in PIECES:
                    key = "n" if kind == chess.KNIGHT else name[0].lower()
                    yield Button(f"{name} ({key})", id=f"piece-{kind}", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        assert event.button.id is not None
        self.dismiss(int(event.button.id.removeprefix("piece-")))

    def action_choose(self, kind: int) -> None:
        self.dismiss(kind or None)


class SetupScreen(ModalScreen[Setup | None]):
    """Four lines that the arrows change: opponent, colour, simulations, clock."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "go(-1)", "Up"),
        Binding("down,j,tab", "go(1)", "Down"),
        Binding("left,h", "change(-1)", "Less"),
        Binding("right,l,space", "change(1)", "More"),
        Binding("enter", "start", "Start"),
        Binding("escape,q", "dismiss(None)", "Cancel"),
    ]

    def __init__(self, setup: Setup, opponents: Sequence[Opponent], glyphs: Glyphs) -> None:
        super().__init__()
        self.setup = setup
        known = [o.player for o in opponents]
        mine = [] if setup.opponent.player in known else [setup.opponent]
        self.opponents = [*mine, *opponents]
        known_control = setup.control in CONTROLS
        self.controls = CONTROLS if known_control else (*CONTROLS, setup.control)
        self.glyphs = glyphs
        self.row = 0

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page") as dialog:
            dialog.border_title = Content("new game")
            dialog.border_subtitle = Content("Enter starts, Esc goes back")
            yield Static(self._text(), id="setup", markup=False)

    def _text(self) -> Content:
        setup = self.setup
        number = [o.player for o in self.opponents].index(setup.opponent.player) + 1
        who = f"{fmt.line(setup.opponent.label)}   {number} of {len(self.opponents)}"
        simulations = str(setup.simulations)
        if setup.opponent.kind != "network":
            simulations = "only a network searches by them"
        rows = (
            ("opponent", who),
            ("you play", "White" if setup.human == chess.WHITE else "Black"),
            ("simulations", simulations),
            ("clock", "none" if setup.control is None else f"{setup.control}"),
        )
        parts: list[str | tuple[str, str]] = []
        for row, (name, value) in enumerate(rows):
            here = row == self.row
            sign = self.glyphs.selected if here else " "
            parts.append((f"{sign} {name:<12}", "bold $accent" if here else "$muted"))
            parts.append((f"< {value} >\n" if here else f"  {value}\n", ""))
        parts.append(("\n  up, down: line   left, right: change it", "$muted"))
        return Content.assemble(*parts)

    def action_go(self, by: int) -> None:
        self.row = (self.row + by) % 4
        self.query_one("#setup", Static).update(self._text())

    def action_change(self, by: int) -> None:
        setup = self.setup
        match self.row:
            case 0:
                players = [o.player for o in self.opponents]
                number = (players.index(setup.opponent.player) + by) % len(players)
                self.setup = replace(setup, opponent=self.opponents[number])
            case 1:
                self.setup = replace(setup, human=not setup.human)
            case 3:
                number = (self.controls.index(setup.control) + by) % len(self.controls)
                self.setup = replace(setup, control=self.controls[number])
            case _:
                nearest = min(SIMULATIONS, key=lambda n: abs(n - setup.simulations))
                number = SIMULATIONS.index(nearest) + by
                number = min(len(SIMULATIONS) - 1, max(0, number))
                self.setup = replace(setup, simulations=SIMULATIONS[number])
        self.query_one("#setup", Static).update(self._text())

    def action_start(self) -> None:
        self.dismiss(self.setup)


class FileScreen(ModalScreen[Path | None]):
    """A PGN file: one of the newest in a folder, or a path that is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.files = sorted(folder.glob("*.pgn"), key=lambda path: -path.stat().st_mtime)[
            :MAX_FILES
        ]

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="page") as dialog:
            dialog.border_title = Content("load a game")
            dialog.border_subtitle = Content("Enter loads, Tab changes to the list, Esc goes back")
            yield Input(placeholder="path of a PGN file", id="path", compact=True)
            options = [
                Option(Content(fmt.line(path.name)), str(n)) for n, path in enumerate(self.files)
            ]
            yield OptionList(*options, id="files", compact=True)

    def on_mount(self) -> None:
        self.query_one("#files" if self.files else "#path").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.dismiss(Path(event.value.strip()).expanduser())

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self.files[event.option_index])
