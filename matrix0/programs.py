"""`matrix0-tui` and `matrix0-uci`, without the commands of `matrix0`: they start at once."""

import typer

from matrix0.commands import screen, uci
from matrix0.frame import PLAIN, run

tui_app = typer.Typer(**PLAIN)
tui_app.command()(screen.control_centre)

uci_app = typer.Typer(**PLAIN)
uci_app.command()(uci.uci)


def tui_main() -> None:
    """`matrix0-tui …`; ends the process."""
    run(tui_app, "matrix0-tui")


def uci_main() -> None:
    """`matrix0-uci …`; ends the process."""
    run(uci_app, "matrix0-uci")
