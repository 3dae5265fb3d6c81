"""`matrix0 ctl …`: what the keys of the screen do, for a shell script."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backend.errors import OrderError
from matrix0.commands.options import (
    CheckpointArgument,
    JsonOption,
    ReasonOption,
    RunOption,
    echo,
)

if TYPE_CHECKING:
    from backend.commands import ClientCommand
    from backend.rundir import RunDirectory
    from backend.state import RunState

WaitOption = Annotated[
    bool, typer.Option("--wait", help="Come back when it is carried out, not when it is begun.")
]

NUM_ALERTS = 3
"""So many are shown, the newest."""


WorkerArgument = Annotated[
    str,
    typer.Argument(
        metavar="[WORKER]", help="One alone: sp0, trainer; without it all.", show_default=False
    ),
]


def pause(
    run: RunOption,
    worker: WorkerArgument = "",
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let all workers, or one, finish their step or move, then rest."""
    from backend.commands import PauseRun, PauseWorker

    _order(run, PauseWorker(worker=worker) if worker else PauseRun(), wait, as_json)


def resume(
    run: RunOption,
    worker: WorkerArgument = "",
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let all workers, or one that was paused alone, go on."""
    from backend.commands import ResumeRun, ResumeWorker

    _order(run, ResumeWorker(worker=worker) if worker else ResumeRun(), wait, as_json)


def restart(
    worker: Annotated[
        str, typer.Argument(metavar="WORKER", help="sp0, trainer, …", show_default=False)
    ],
    run: RunOption,
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Start a worker again, also one that was given up; its crashes are forgotten."""
    from backend.commands import RestartWorker

    _order(run, RestartWorker(worker=worker), wait, as_json)


def set_(
    run: RunOption,
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", help="Setting; the key is enough.", show_default=False),
    ] = "",
    value: Annotated[
        str,
        typer.Argument(
            metavar="[VALUE]", help="As in config.toml, or a factor: x0.5.", show_default=False
        ),
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Change a setting of the run at work; without a NAME, say which can be and how they stand."""
    from backend.commands import ChangeSetting

    if name and not value:
        raise OrderError(f"what shall {name} be? `matrix0 ctl set {name} VALUE`")
    if name:
        _order(run, ChangeSetting(name=name, value=value), False, as_json)
        return
    _show_settings(run, as_json)


def _show_settings(run: Path, as_json: bool) -> None:
    import msgspec

    from backend.control import attend
    from backend.live import LIVE

    with attend(_directory(run)) as supervisor:
        settings = supervisor.state.settings
    if as_json:
        echo(msgspec.json.encode(settings))
        return
    for name, value in settings.items():
        takes = f"  {LIVE[name].takes}" if name in LIVE else ""
        echo(f"{name:<28} {value:<10}{takes}")


def checkpoint(run: RunOption, wait: WaitOption = False, as_json: JsonOption = False) -> None:
    """Save a checkpoint after this step."""
    from backend.commands import CheckpointNow

    _order(run, CheckpointNow(), wait, as_json)


def evaluate(
    run: RunOption,
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]", help="Checkpoint; without it the newest.", show_default=False
        ),
    ] = "",
    wait: WaitOption = False,
    as_json: JsonOption = False,
) -> None:
    """Play a checkpoint against the best network; it decides nothing."""
    from backend.commands import EvaluateNow

    _order(run, EvaluateNow(name=name), wait, as_json)


def promote(
    name: CheckpointArgument,
    run: RunOption,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make a checkpoint the best network, whatever the gate said of it."""
    from backend.commands import Promote

    _order(run, Promote(name=name, reason=reason), False, as_json)


def rollback(run: RunOption, reason: ReasonOption = "", as_json: JsonOption = False) -> None:
    """Make the best network what it was before the last promotion; again goes further back."""
    from backend.commands import Rollback

    _order(run, Rollback(reason=reason), False, as_json)


def verify(name: CheckpointArgument, run: RunOption, as_json: JsonOption = False) -> None:
    """Read every byte of a checkpoint and say whether it is sound."""
    from backend.commands import VerifyCheckpoint

    _order(run, VerifyCheckpoint(name=name), False, as_json)


def delete(name: CheckpointArgument, run: RunOption, as_json: JsonOption = False) -> None:
    """Remove a checkpoint from disk; refused for what the run needs."""
    from backend.commands import DeleteCheckpoint

    _order(run, DeleteCheckpoint(name=name), False, as_json)


def stop(run: RunOption, wait: WaitOption = False, as_json: JsonOption = False) -> None:
    """End the run in order: finished games and steps are saved."""
    from backend.commands import StopRun

    _order(run, StopRun(), wait, as_json)


def status(run: RunOption, as_json: JsonOption = False) -> None:
    """Say how the run stands; with --json, all that the screen shows, as in docs/protocol.md."""
    import msgspec

    from backend.control import attend

    with attend(_directory(run)) as supervisor:
        state = supervisor.state
    if as_json:
        echo(msgspec.json.encode(state))
        return
    for line in standing(state):
        echo(line)


def _order(run: Path, command: "ClientCommand", wait: bool, as_json: bool) -> None:
    import msgspec

    from backend.control import carry_through
    from backend.text import clean

    outcome = carry_through(_directory(run), command, wait=wait)
    if as_json:
        echo(msgspec.json.encode(outcome))
        raise typer.Exit(OrderError.exit_code if outcome.refused else 0)
    if outcome.refused:
        raise OrderError(outcome.refused)
    echo(clean(outcome.text))


def _directory(run: Path) -> "RunDirectory":
    from backend.rundir import RunDirectory

    return RunDirectory(run)


def standing(state: "RunState") -> list[str]:
    """The run, its workers and its newest alerts, a line each."""
    from backend import wording
    from backend.headless import progress_line

    preset = f", preset {state.preset}" if state.preset else ""
    lines = [
        f"{state.run}: {state.phase}, process {state.pid}{preset}, in {state.directory}",
        progress_line(state),
        f"best network {wording.network(state.best) if state.best else wording.DASH}",
    ]
    for worker in state.workers.values():
        at = ", ".join(filter(None, (worker.phase, worker.detail)))
        beat = wording.duration(state.now - worker.beat_at) if worker.beat_at else wording.DASH
        lines.append(
            f"{worker.worker:<10} {worker.state:<9} {at or wording.DASH}; heard {beat} ago, "
            f"{worker.rss_mib:.0f} MiB, restarts {worker.restarts}"
        )
    lines += [f"{alert.level}: {alert.text}" for alert in state.alerts[-NUM_ALERTS:]]
    return [wording.line(line) for line in lines]
