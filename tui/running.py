"""From the command to the screen, and what is said when it is left."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shutil import get_terminal_size

from backend.config import Config
from backend.rundir import RunDirectory
from backend.state import RunState
from backend.summary import conclusion, cycles_table
from tui import format as fmt
from tui.app import ControlCentre
from tui.client import Client, NoRun
from tui.hangup import end_with_terminal
from tui.pace import Pace


def farewell(state: RunState, run_dir: Path) -> list[str]:
    """What is printed on the terminal after the screen is gone."""
    if state.phase == "stopped":
        lines = [f"The run {fmt.line(state.run)} has ended: {fmt.line(state.stop_reason)}."]
        if state.cycles_done:
            lines += [*cycles_table(state, get_terminal_size().columns), conclusion(state)]
        return lines
    if not state.pid:
        return [f"Left {run_dir} before its supervisor was heard."]
    return [
        f"Training goes on (pid {state.pid}): {conclusion(state)}.",
        f"Come back with: matrix0-tui --run {run_dir}",
    ]


def run_app(
    run_dir: Path,
    *,
    ascii: bool = False,
    read_only: bool = False,
    pace: Pace | None = None,
    supervisor_exit: Callable[[], int | None] = lambda: None,
    keys: Mapping[str, str] | None = None,
) -> int:
    """Attach to the run's supervisor until the user leaves; the exit code for the shell.

    `supervisor_exit` is for a caller that has started the supervisor itself: its exit status, None
    while it lives. With it a supervisor that dies before it opens its socket is seen as such.
    `keys` are the user's own; without them those that the run keeps. Raises ConfigError for keys
    that cannot be.
    """
    client = Client(run_dir / "socket", supervisor_exit=supervisor_exit, read_only=read_only)
    pace = pace or Pace()
    run = RunDirectory(run_dir)
    # A run that is being made just now has no settings yet; those of its start are not known here.
    kept = run.read_config() if run.exists else Config()
    app = ControlCentre(
        client,
        run_dir=run_dir,
        ascii=ascii,
        refresh_s=pace.refresh_s,
        rings=kept.alerts.bell,
        notifies=kept.alerts.notify,
        remark=pace.remark,
        keys=kept.keys if keys is None else keys,
    )
    if pace.is_remote:
        app.animation_level = "none"
    end_with_terminal()
    code = app.run()
    for line in farewell(client.state, run_dir):
        print(line)
    never_heard = not client.state.pid
    return (supervisor_exit() or 0) if never_heard else (code or 0)


def run_replay(run_dir: Path, *, ascii: bool = False) -> int:
    """The past of a run, from its database, until the user leaves."""
    from tui.replaying import Replaying

    link = Replaying(run_dir)
    centre = ControlCentre(link, run_dir=run_dir, ascii=ascii, clock=link.clock, rings=False)
    end_with_terminal()
    return centre.run() or 0


def run_compare(folder: Path, chosen: Sequence[Path], *, ascii: bool = False) -> int:
    """The runs of a folder beside each other, `chosen` marked, until the user leaves."""
    centre = ControlCentre(
        NoRun(), run_dir=folder / "no-run", ascii=ascii, rings=False, compared=chosen
    )
    end_with_terminal()
    return centre.run() or 0
