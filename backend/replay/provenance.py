"""Where the games of a shard came from: its sources, once each, in the metadata of the shard.

Each game names its source by number and says where in it it stood, how strong it was and what it is
about. Whoever chooses what to learn from (`[training.mix]`, a curriculum) chooses by these.
"""

from typing import Final, Literal, get_args

import msgspec

SourceKind = Literal["selfplay", "pgn", "puzzles", "epd", "teacher"]
KINDS: Final[tuple[str, ...]] = get_args(SourceKind)
MAX_SOURCES: Final = 1 << 12
"""In one shard."""
MAX_THEMES: Final = 1 << 12
"""In one shard; Lichess has about seventy."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of games, or a worker."""

    name: str
    """The file's name without its folders; `selfplay` for our own games."""
    kind: SourceKind
    sha256: str = ""
    """Of the file as it lay on disk; empty for standard input and self-play."""


SELFPLAY: Final = Source(name="selfplay", kind="selfplay")


def source_of_before(producer: str) -> Source:
    """The one source of a shard that was written before shards said it."""
    return Source(name="pgn", kind="pgn") if producer == "pgn" else SELFPLAY
