"""What an examination of a run comes to."""

from collections import Counter

import msgspec


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something that is not as it should be, in one line."""

    file: str
    """Relative to the run directory."""
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class Audit(msgspec.Struct, kw_only=True):
    """Everything that was found. Problems are damage; notes are what the next start puts right."""

    problems: list[Problem] = msgspec.field(default_factory=list)
    notes: list[Problem] = msgspec.field(default_factory=list)
    counted: Counter[str] = msgspec.field(default_factory=Counter)
    """How many of each kind were looked at: 'shards', 'games', 'checkpoints', …"""

    @property
    def is_whole(self) -> bool:
        return not self.problems

    def problem(self, file: str, what: str) -> None:
        self.problems.append(Problem(file, what))

    def note(self, file: str, what: str) -> None:
        self.notes.append(Problem(file, what))

    def in_words(self) -> str:
        """'12 shards, 340 games, 5 checkpoints: whole'."""
        seen = ", ".join(f"{number:,} {what}" for what, number in self.counted.items())
        faults = len(self.problems)
        verdict = f"{faults} problem{'s' if faults > 1 else ''}" if faults else "whole"
        return f"{seen or 'nothing to look at'}: {verdict}"
