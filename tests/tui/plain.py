"""The screen as lines of text, read back from Textual's own SVG export."""

import html
import re
from dataclasses import dataclass

from rich.cells import cell_len
from textual.app import App

_TEXT = re.compile(
    r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)" textLength="([\d.]+)"[^>]*>(.*?)</text>'
)
CELL_WIDTH = 12.2


@dataclass(frozen=True)
class Plain:
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def __contains__(self, needle: str) -> bool:
        return needle in self.text


def plain(app: App[int]) -> Plain:
    svg = app.export_screenshot()
    rows: dict[float, list[tuple[int, str]]] = {}
    for x, y, _, text in _TEXT.findall(svg):
        content = html.unescape(text).replace("\xa0", " ")
        rows.setdefault(float(y), []).append((round(float(x) / CELL_WIDTH), content))
    lines = []
    for y in sorted(rows):
        line = ""
        for column, text in sorted(rows[y]):
            line += " " * (column - cell_len(line)) + text
        lines.append(line.rstrip())
    return Plain(lines)
