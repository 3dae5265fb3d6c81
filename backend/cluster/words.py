"""What the supervisor and its relay say to each other: JSON lines, as between it and a worker."""

from typing import Final

import msgspec

from backend.cluster.events import ClusterSeen


class _Word(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    pass


# Supervisor to relay ------------------------------------------------------------------------------


class Begin(_Word, frozen=True, kw_only=True):
    """Start a worker somewhere in the cluster; answered by Begun or Refused."""

    worker: str
    argv: tuple[str, ...]
    """As it would be started here; interpreter and run directory are replaced by the node's."""
    environment: dict[str, str]


class Tell(_Word, frozen=True, kw_only=True):
    """An order for a worker."""

    worker: str
    line: bytes
    network: str = ""
    """Checkpoint of the run that the worker must have before it reads the order."""


class SignalTo(_Word, frozen=True, kw_only=True):
    """Signal a worker's process group."""

    worker: str
    number: int


class Drop(_Word, frozen=True, kw_only=True):
    """Do not wait any longer for a place for this worker."""

    worker: str


Order = Begin | Tell | SignalTo | Drop

# Relay to supervisor ------------------------------------------------------------------------------


class Connected(_Word, frozen=True, kw_only=True):
    """The cluster answers; what was ordered meanwhile begins."""


class Begun(_Word, frozen=True, kw_only=True):
    worker: str
    pid: int
    node: str


class Refused(_Word, frozen=True, kw_only=True):
    """It could not be started."""

    worker: str
    reason: str


class Heard(_Word, frozen=True, kw_only=True):
    """A line of a worker. The shard that it may announce is on this machine's disk."""

    worker: str
    line: bytes


class Gone(_Word, frozen=True, kw_only=True):
    """A worker's process has ended."""

    worker: str
    code: int
    last_words: bytes = b""
    """The end of its stderr; the log itself stays on the node."""


class Vanished(_Word, frozen=True, kw_only=True):
    """A worker and the node that it ran on cannot be reached any more."""

    worker: str
    reason: str


Report = Connected | Begun | Refused | Heard | Gone | Vanished | ClusterSeen

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
