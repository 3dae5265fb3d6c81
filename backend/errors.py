"""The errors a caller may want to treat differently, and the exit codes they become."""

import math
from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """What a process of Matrix0 says when it ends; documented in docs/protocol.md."""

    DONE = 0
    """The work was finished, or stopped cleanly on request."""
    NO = 1
    """The answer is no: an order was refused or came to nothing, or something will not work."""
    USAGE = 2
    """The command line could not be understood."""
    CONFIG = 64
    """Configuration, run directory or preset is wrong; starting again will not help."""
    BAD_DATA = 65
    """A file is damaged or not what it claims to be."""
    INTERNAL = 70
    """A bug, or a worker that could not be kept alive."""
    DEVICE = 71
    """The device was lost or ran out of memory."""
    LOCKED = 73
    """Another process holds the run directory."""


class Matrix0Error(Exception):
    """Something went wrong that can be said in one line."""

    exit_code = ExitCode.INTERNAL


class ConfigError(Matrix0Error):
    """A setting, preset or command-line value cannot be used."""

    exit_code = ExitCode.CONFIG


class RunDirectoryError(Matrix0Error):
    """The run directory cannot be created, read or written."""

    exit_code = ExitCode.CONFIG


class OrderError(Matrix0Error):
    """An order was refused, or it came to nothing."""

    exit_code = ExitCode.NO


class RunLockedError(Matrix0Error):
    """Another process holds the run."""

    exit_code = ExitCode.LOCKED


class CheckpointError(Matrix0Error):
    """A checkpoint is missing, incomplete, damaged or of another shape."""

    exit_code = ExitCode.BAD_DATA


class NewerCheckpointError(CheckpointError):
    """A newer Matrix0 made it: it is whole, and not for us."""


class BackupError(Matrix0Error):
    """A backup is damaged or cannot be made or brought back."""

    exit_code = ExitCode.BAD_DATA


class NonFiniteStateError(CheckpointError):
    """A checkpoint would hold a number that is NaN or infinite; nothing was written."""


class ReplayError(Matrix0Error):
    """A shard is missing, damaged, or holds something that is not chess."""

    exit_code = ExitCode.BAD_DATA


class NewerShardError(ReplayError):
    """A newer Matrix0 made it: it is whole, and not for us."""


class WorkerError(Matrix0Error):
    """A worker broke the protocol or could not be kept alive."""


class NoPlaceError(WorkerError):
    """A cluster has no room for a worker just now."""


class NonFiniteError(Matrix0Error):
    """A loss, gradient or network output is NaN or infinite; nothing was changed."""

    def __init__(
        self, text: str, *, step: int = 0, values: Mapping[str, float] | None = None
    ) -> None:
        """`step` that was not taken, 0 where it was none; `values` that are not finite, by name."""
        super().__init__(text)
        self.step = step
        self.values: Mapping[str, float] = {"output": math.nan} if values is None else values


class DeviceError(Matrix0Error):
    """The device is absent, lost or out of memory."""

    exit_code = ExitCode.DEVICE
