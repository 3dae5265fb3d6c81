"""`matrix0 promote` and `matrix0 rollback`: another best network, by hand and with a reason."""

from matrix0.commands.options import CheckpointArgument, ReasonOption, RunOption, echo


def promote(
    name: CheckpointArgument,
    run: RunOption,
    reason: ReasonOption = "",
) -> None:
    """Make a checkpoint the best network, whatever the gate said of it."""
    from backend.commands import Promote
    from backend.errand import carry_out
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    directory.read_config()
    echo(carry_out(directory, Promote(name=name, reason=reason), "matrix0 promote"))


def rollback(run: RunOption, reason: ReasonOption = "") -> None:
    """Make the best network what it was before the last promotion; again goes further back."""
    from backend.commands import Rollback
    from backend.errand import carry_out
    from backend.rundir import RunDirectory

    directory = RunDirectory(run)
    directory.read_config()
    echo(carry_out(directory, Rollback(reason=reason), "matrix0 rollback"))
