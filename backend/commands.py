"""Orders: from the supervisor to its workers, and from a front end to the supervisor."""

from typing import Final, get_args

import msgspec

from backend.events import MatchFinished


class CommandBase(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    pass


# Supervisor to worker (one JSON line each on the worker's stdin) --------------------------------


class UseNetwork(CommandBase, frozen=True, kw_only=True):
    """Self-play: play with this checkpoint from the next move on."""

    name: str


class AddShard(CommandBase, frozen=True, kw_only=True):
    """Trainer: this admitted shard may be drawn from; saying it twice does no harm."""

    name: str


SAVED_ALREADY: Final = "is saved already"
"""How the trainer's log line ends when there is nothing left to save."""


class SaveCheckpoint(CommandBase, frozen=True, kw_only=True):
    """Trainer: finish the step and save; answered by CheckpointSaved or SAVED_ALREADY."""

    reason: str


class PlayMatch(CommandBase, frozen=True, kw_only=True):
    """Evaluator: play and report. Opponent is a checkpoint or a baseline (random, greedy)."""

    match: str
    candidate: str
    opponent: str
    games: int
    simulations: int
    seed: int
    decides: bool = False
    """It decides on a candidate: the gate's test may end it."""


class UseSetting(CommandBase, frozen=True, kw_only=True):
    """A setting has changed; it counts from the next step, move or match on."""

    name: str
    """table.key"""
    value: str
    """As in config.toml."""


class Pause(CommandBase, frozen=True, kw_only=True):
    """Finish what cannot be interrupted, then wait for Resume."""


class Resume(CommandBase, frozen=True, kw_only=True):
    pass


class Stop(CommandBase, frozen=True, kw_only=True):
    """Finish the step or move, save what must be saved, exit 0."""


WorkerCommand = (
    UseNetwork | AddShard | SaveCheckpoint | PlayMatch | UseSetting | Pause | Resume | Stop
)

# Front end to supervisor (over the socket) ------------------------------------------------------


class PauseRun(CommandBase, frozen=True, kw_only=True):
    pass


class ResumeRun(CommandBase, frozen=True, kw_only=True):
    pass


class CheckpointNow(CommandBase, frozen=True, kw_only=True):
    pass


class EvaluateNow(CommandBase, frozen=True, kw_only=True):
    """Play a checkpoint against the best."""

    name: str = ""
    """Empty: the newest one."""


class Promote(CommandBase, frozen=True, kw_only=True):
    """Make a checkpoint the best by hand."""

    name: str
    reason: str


class Rollback(CommandBase, frozen=True, kw_only=True):
    """Make the best what it was before the last promotion; again, and it goes one further back."""

    reason: str


class RecordMatch(CommandBase, frozen=True, kw_only=True):
    """Take in a match that was played elsewhere; it joins the pool and decides nothing."""

    result: MatchFinished


class VerifyCheckpoint(CommandBase, frozen=True, kw_only=True):
    """Read every byte of a checkpoint and say whether it is what its manifest says."""

    name: str


class DeleteCheckpoint(CommandBase, frozen=True, kw_only=True):
    """Remove a checkpoint that nothing needs from disk."""

    name: str


class ChangeSetting(CommandBase, frozen=True, kw_only=True):
    """Change a setting of the run while it is at work."""

    name: str
    """table.key; the key alone is enough."""
    value: str
    """As in config.toml, or a factor: x0.5."""


class PauseWorker(CommandBase, frozen=True, kw_only=True):
    """Let one worker rest, until it is resumed; the others go on."""

    worker: str


class ResumeWorker(CommandBase, frozen=True, kw_only=True):
    worker: str


class RestartWorker(CommandBase, frozen=True, kw_only=True):
    """Stop one worker in order and start it again; one that waits or was given up starts now.

    Its crashes so far are forgotten.
    """

    worker: str


class StopRun(CommandBase, frozen=True, kw_only=True):
    pass


ClientCommand = (
    PauseRun
    | ResumeRun
    | CheckpointNow
    | EvaluateNow
    | Promote
    | Rollback
    | RecordMatch
    | VerifyCheckpoint
    | DeleteCheckpoint
    | ChangeSetting
    | PauseWorker
    | ResumeWorker
    | RestartWorker
    | StopRun
)

WORKER_COMMANDS: tuple[type[CommandBase], ...] = get_args(WorkerCommand)
CLIENT_COMMANDS: tuple[type[CommandBase], ...] = get_args(ClientCommand)
