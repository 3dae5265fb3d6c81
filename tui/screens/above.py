"""What screens above the dashboard have in common, so that the application need not know them."""

from typing import ClassVar

from textual.screen import Screen

from tui.action import Context, Place


class Above(Screen[None]):
    """Drawn at every tick; its keys are actions of the table."""

    place: ClassVar[Place]

    def show(self, context: Context, now: float) -> None:
        """Draw what is new."""
        raise NotImplementedError

    def do(self, id: str) -> None:
        """Do an action of this place."""
        raise NotImplementedError

    def back(self) -> None:
        """One step back: out of an entry, or to the dashboard."""
        self.app.pop_screen()
