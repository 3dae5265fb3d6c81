"""The part of the application that goes to other runs: comparing them, and replaying one.

A replay is a session of its own above the one it was opened from: link, dashboard, directory and
clock change together, and come back together. The link below goes on listening.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App, SystemCommand

from tui import format as fmt
from tui.client import Link
from tui.glyphs import Glyphs
from tui.screens.dashboard import Dashboard

# The screens of past runs are imported when they are opened: see app.py.
if TYPE_CHECKING:
    from tui.screens.compare import CompareScreen


@dataclass(frozen=True)
class Session:
    """A run on the screen; a replay lies above the run that is at work."""

    link: Link
    dashboard: Dashboard
    run_dir: Path
    clock: Callable[[], float]


class PastRuns(App[int]):
    def __init__(
        self, link: Link, run_dir: Path, glyphs: Glyphs, clock: Callable[[], float]
    ) -> None:
        super().__init__()
        self.link = link
        self.run_dir = run_dir
        self.glyphs = glyphs
        self.clock = clock
        self.dashboard = self._dashboard_of(link)
        self.compared: Sequence[Path] | None = None
        """The runs that are marked when it begins on the compare screen; None when it does not."""
        self._below: list[Session] = []
        """What a replay is above of."""

    def _dashboard_of(self, link: Link) -> Dashboard:
        if not link.view.is_replay:
            return Dashboard(self.run_dir, self.glyphs)
        from tui.replaying import Replaying
        from tui.screens.replay import ReplayDashboard

        assert isinstance(link, Replaying)
        return ReplayDashboard(link, self.glyphs)

    def tick(self) -> None:
        """Draw what is new."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw at the next opportunity although nothing is new."""
        raise NotImplementedError

    def open_compare(self, chosen: Sequence[Path]) -> None:
        """The compare screen; the one that a replay was opened from is left as it was."""
        from tui.screens.compare import CompareScreen

        if any(isinstance(screen, CompareScreen) for screen in self.screen_stack):
            self.on_replay_dashboard_left()
        else:
            self.push_screen(CompareScreen(self.run_dir.parent, chosen, self.glyphs))

    def run_commands(self) -> Iterable[SystemCommand]:
        """The other runs beside this one, for the palette."""
        runs = sorted(p for p in self.run_dir.parent.glob("*/config.toml") if p.is_file())
        for path in (config.parent for config in runs):
            if path != self.run_dir:
                both = (self.run_dir, path)
                name = fmt.line(path.name)
                yield SystemCommand(
                    f"Run {name}: compare", "With this one", partial(self.open_compare, both)
                )
                yield SystemCommand(
                    f"Run {name}: replay", "From its beginning", partial(self.open_replay, path)
                )

    def on_compare_screen_left(self) -> None:
        if self.compared is not None:
            self.exit(0)
        else:
            self.pop_screen()
            self.redraw()

    def on_compare_screen_replay(self, event: "CompareScreen.Replay") -> None:
        self.open_replay(event.path)

    def open_replay(self, run_dir: Path) -> None:
        from tui.replaying import Replaying

        self._below.append(Session(self.link, self.dashboard, self.run_dir, self.clock))
        link = Replaying(run_dir)
        self.link, self.run_dir, self.clock = link, run_dir, link.clock
        self.dashboard = self._dashboard_of(link)
        self.push_screen(self.dashboard)
        self.run_worker(link.run(), group="replay-link", name="replay-link")
        self.redraw()

    def on_replay_dashboard_left(self) -> None:
        if not self._below:
            self.notify("q leaves the replay", markup=False)
            return
        self.workers.cancel_group(self, "replay-link")
        self.pop_screen()
        session = self._below.pop()
        self.link, self.dashboard = session.link, session.dashboard
        self.run_dir, self.clock = session.run_dir, session.clock
        self.redraw()

    def on_replay_dashboard_ticked(self) -> None:
        self.tick()
