"""A table that is told all its rows each time and changes only the cells that differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey, RowKey

from tui import format as fmt
from tui.glyphs import ASCII, UNICODE


@dataclass(frozen=True)
class Column:
    key: str
    label: str
    width: int
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True)
class Cell:
    text: str
    colour: str = ""
    """Theme variable without its dollar; empty for the text colour."""
    bold: bool = False


class StateTable(DataTable[Text]):
    """Rows by key; a cursor that was moved stays on its row when others come and go."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "scroll_top", show=False),
        Binding("G", "scroll_bottom", show=False),
    ]

    def __init__(self, id: str, columns: tuple[Column, ...]) -> None:
        super().__init__(
            id=id,
            classes="pane",
            cursor_type="row",
            cell_padding=0,
            cursor_foreground_priority="renderable",
        )
        self.spec: tuple[Column, ...] = ()
        self._shown: dict[str, tuple[Text, ...]] = {}
        self.use_columns(columns)

    def use_columns(self, columns: tuple[Column, ...]) -> None:
        """Shows these instead; the rows that come next are of them."""
        if columns == self.spec:
            return
        self.spec = columns
        self._shown.clear()
        self.clear(columns=True)
        for column in columns:
            label = Text(
                column.label.rjust(column.width - 1) if column.align == "right" else column.label
            )
            self.add_column(label, width=column.width, key=column.key)

    def show_rows(self, rows: Mapping[str, tuple[Cell, ...]]) -> None:
        drawn = {
            key: tuple(self._text(c, cell) for c, cell in zip(self.spec, cells, strict=True))
            for key, cells in rows.items()
        }
        if list(drawn) != list(self._shown):
            self._reorder(drawn)
        changed = False
        for key, texts in drawn.items():
            known = self._shown.get(key)
            for i, text in enumerate(texts):
                if known is None or known[i] != text or known[i].style != text.style:
                    self.update_cell(RowKey(key), ColumnKey(self.spec[i].key), text)
                    changed = True
        if changed:
            # Textual keeps 10,000 cells of before, of which it never draws one again.
            self.notify_style_update()
        self._shown = drawn

    def _reorder(self, rows: Mapping[str, tuple[Text, ...]]) -> None:
        """Rows have come or gone: rare, so all are laid anew. The cursor stays on its row.

        On the first row it stays there while nobody is at the table: what is new is in view.
        """
        stays = self.has_focus or self.cursor_row > 0
        selected = self.selected_key if stays else ""
        self.clear()
        self._shown.clear()
        for key, texts in rows.items():
            self.add_row(*texts, key=key)
            self._shown[key] = texts
        self.select(selected)

    @property
    def selected_key(self) -> str:
        """Key of the row under the cursor; empty without rows."""
        if not self.is_valid_row_index(self.cursor_row):
            return ""
        return str(self.coordinate_to_cell_key(self.cursor_coordinate).row_key.value or "")

    def select(self, key: str) -> None:
        """Put the cursor on the row with this key, if there is one."""
        if key in self._shown:
            self.move_cursor(row=list(self._shown).index(key), animate=False)

    def to_copy(self) -> str:
        """The name that the row under the cursor goes by."""
        return self.selected_key

    def _text(self, column: Column, cell: Cell) -> Text:
        style = "bold " if cell.bold else ""
        if cell.colour:
            style += self.app.theme_variables.get(cell.colour, "")
        # The last cell of a column is the gap to the next one.
        width = column.width - 1
        glyphs = ASCII if self.screen.has_class("-ascii") else UNICODE
        shown = fmt.fit(cell.text, width, glyphs).rstrip()
        text = Text(shown, style=style.strip(), no_wrap=True, end="")
        if column.align == "right":
            text.pad_left(width - text.cell_len)
        return text
