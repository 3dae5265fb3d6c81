"""The process of one browser page: the control centre, with pipes in place of a terminal."""

from pathlib import Path

from textual.drivers.web_driver import WebDriver

from tui.app import ControlCentre
from tui.client import Client


class VisitorDriver(WebDriver):
    """Ends the application when its input ends: a server that was killed leaves nobody behind."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.call_from_thread(self._app.exit)


def visit(run_dir: Path, *, read_only: bool) -> int:
    """Attach to the run's supervisor until the page is closed. Nothing is printed: pipes carry the
    screen."""
    client = Client(run_dir / "socket", read_only=read_only)
    return ControlCentre(client, run_dir=run_dir, rings=False).run() or 0
