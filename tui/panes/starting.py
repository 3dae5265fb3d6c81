"""What is shown before the first snapshot: what is waited for, or why it will not come."""

from pathlib import Path

from textual.content import Content

from backend.text import clean
from tui import format as fmt
from tui.client import LinkView
from tui.glyphs import Glyphs
from tui.panes.quiet import QuietStatic

PATIENCE_S = 60.0
"""A supervisor that opens a run of usual size has answered long before."""
TAIL_BYTES = 8192
TAIL_LINES = 12


class StartingPane(QuietStatic):
    def __init__(self, run_dir: Path, glyphs: Glyphs) -> None:
        super().__init__("starting")
        self.run_dir = run_dir
        self.glyphs = glyphs
        self._since: float | None = None

    def show(self, link: LinkView, now: float) -> None:
        self._since = now if self._since is None else self._since
        log = tail(self.run_dir / "logs" / "supervisor.log")
        self.put(starting_text(self.run_dir, link, now - self._since, log, self.glyphs))


def starting_text(
    run_dir: Path, link: LinkView, waited_s: float, log: list[str], glyphs: Glyphs
) -> Content:
    parts: list[str | tuple[str, str]] = [("Matrix0", "bold $accent"), f"  {run_dir}\n\n"]
    if link.status == "waiting":
        text = f"{glyphs.starting} starting: {fmt.line(link.detail)} ({fmt.duration(waited_s)})\n"
        parts += [
            (text, "$attention"),
            "The supervisor opens the run and then starts its workers.\n",
        ]
        if waited_s > PATIENCE_S:
            text = f"Nothing has answered for {fmt.duration(PATIENCE_S)}. q leaves; see below.\n"
            parts.append((text, "bold $bad"))
    else:
        parts += [
            (f"{glyphs.failed} {fmt.line(link.detail)}\n", "bold $bad"),
            "q leaves; start again when the cause is gone.\n",
        ]
    if log and (link.status != "waiting" or waited_s > PATIENCE_S):
        parts.append(("\nlast lines of logs/supervisor.log\n", "$muted"))
        parts += [f"  {line}\n" for line in log]
    return Content.assemble(*parts)


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """The last lines of a log, without control characters; none if there is no such file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [clean(line, 300) for line in text.splitlines()[-lines:]]
