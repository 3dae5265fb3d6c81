"""The process of one browser page: the control centre, with pipes in place of a terminal."""

from pathlib import Path

from textual.drivers.web_driver import WebDriver

from tui.app import ControlCentre
from tui.client import Client
from tui.pace import REFRESH_S


class VisitorDriver(WebDriver):
    """Ends the application when its input ends: a server that was killed leaves nobody behind."""

    def run_input_thread(self) -> None:
        super().run_input_thread()
        if not self.exit_event.is_set():
            self._app.call_from_thread(self._app.exit)


def visit(run_dir: Path, *, read_only: bool, refresh_s: float = REFRESH_S) -> int:
    """Attach to the run's supervisor until the page is closed. Nothing is printed: pipes carry the
    screen."""
    client = Client(run_dir / "socket", read_only=read_only)
    app = ControlCentre(client, run_dir=run_dir, refresh_s=refresh_s, rings=False)
    return app.run() or 0
