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


class Teacher(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An engine of others whose opinion a policy and a value are; all that decides what it says."""

    engine: str
    """What it calls itself, with its version."""
    limit: str
    """What it may spend on a position, with its options: nodes=5000,Hash=32."""
    multipv: int
    """Best moves that it was asked for."""
    temperature: float
    """Of the softmax over expected scores (0 to 1) that made the policy."""
    values: str
    """Where win, draw, loss are from: UCI_ShowWDL, or the name of a model of centipawns."""


class Rescoring(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pass that decided value targets; together with the shard `of` it gives them again."""

    of: str
    """File of the same games as they were played."""
    blunder: float
    """A move is a blunder that loses more than this of the expected score (-1 to 1); 0: none is."""
    width: float
    """Of the transition around it: at its lower end a blunder counts 0, at its upper end 1."""
    search_frac: float
    """Share of the search's value (0 to 1) in a target that is not exact."""
    everywhere: bool
    """Whether that is so where neither blunder nor table has a say: else training decides there."""
    syzygy: str
    """Directory of the tables; empty where none was asked."""
    tables: str
    """First digits of the SHA-256 of the names of all of them; empty where none was asked."""


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of games, or a worker."""

    name: str
    """The file's name without its folders; `selfplay` for our own games."""
    kind: SourceKind
    sha256: str = ""
    """Of the file as it lay on disk; empty for standard input and self-play."""
    teacher: Teacher | None = None
    """Whose opinion it is; for kind teacher only."""


SELFPLAY: Final = Source(name="selfplay", kind="selfplay")


def source_of_before(producer: str) -> Source:
    """The one source of a shard that was written before shards said it."""
    return Source(name="pgn", kind="pgn") if producer == "pgn" else SELFPLAY
