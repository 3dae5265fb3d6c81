"""Tables and blocks of the pages in `docs/`, as tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


class Page:
    """One page of `docs/`."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / name).read_text(encoding="utf-8")

    def tables(self, *header: str) -> Iterator[list[str]]:
        """Cells of every row under this header, in all tables that have it."""
        start = f"| {' | '.join(header)} |\n"
        found = self.text.split(f"\n{start}")[1:]
        assert found, f"no table {start}"
        for rest in found:
            for line in rest.split("\n\n")[0].splitlines()[1:]:
                cells = [cell.strip() for cell in line.strip("|").split(" | ")]
                assert len(cells) == len(header), line
                yield cells

    def fields(self, *header: str) -> dict[str, dict[str, list[str]]]:
        """{owner: {field: the other cells}}, first cells being `Owner.field` or `.field`."""
        found: dict[str, dict[str, list[str]]] = {}
        owner = ""
        for first, *rest in self.tables(*header):
            for name in quoted(first):
                before, _, field = name.rpartition(".")
                owner = before or owner
                assert field not in found.setdefault(owner, {}), f"{owner}.{field} stands twice"
                found[owner][field] = rest
        return found

    def blocks(self, language: str) -> list[str]:
        """Fenced blocks in this language, "" for those without one."""
        blocks = re.findall(r"^```(\w*)\n(.*?)^```$", self.text, flags=re.MULTILINE | re.DOTALL)
        return [text for found, text in blocks if found == language]


def quoted(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)
