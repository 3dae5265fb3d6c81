"""What a run has promised, as a few names and numbers: games counted once, who is the best network,
which cycle it is, what is being measured."""

from dataclasses import dataclass, field

from backend.config import BASELINES
from backend.cycle import match_name


@dataclass
class Measured:
    """A candidate whose turn it is."""

    candidate: str
    best: str
    ending: str = ""
    """Of the names of its matches, when a person wanted them."""


@dataclass
class Model:
    """What has been promised."""

    games: int = 0
    saved: dict[str, str] = field(default_factory=dict)
    """Checkpoints that count, in their order: why each was saved."""
    reign: list[str] = field(default_factory=list)
    cycle: int = 0
    decided: list[str] = field(default_factory=list)
    matches: dict[str, bool] = field(default_factory=dict)
    """Those that are finished: whether the candidate won."""
    measured: Measured | None = None
    waiting: str = ""
    is_paused: bool = False
    learning_rate: str = ""
    refused_shards: set[str] = field(default_factory=set)

    @property
    def best(self) -> str:
        return self.reign[-1] if self.reign else ""

    def checkpoint(self, name: str, reason: str) -> None:
        self.saved[name] = reason
        if not self.best:
            self.reign.append(name)
        elif reason == "cycle":
            self.waiting = name
            self._go_on()

    def promote(self, name: str) -> None:
        self.reign.append(name)
        if self.waiting == name:
            self.waiting = ""

    def roll_back(self) -> None:
        before = self.reign[-2]
        while self.reign[-1] != before:
            self.reign.pop()
        if self.waiting == self.best:
            self.waiting = ""

    def finish(self, match: str, won: bool) -> None:
        self.matches[match] = won
        self._go_on()

    def restart(self) -> None:
        """What is in nobody's memory is found again on disk."""
        self.is_paused = False
        self.measured, self.waiting = None, ""
        newest = [name for name, reason in self.saved.items() if reason == "cycle"][-1:]
        if newest and newest[0] not in (*self.decided, self.best):
            self.waiting = newest[0]
        self._go_on()

    def next_match(self) -> str:
        """The name of the match that shall be played; empty when there is none."""
        if self.measured is None:
            return ""
        opponents = [self.measured.best, *(() if self.measured.ending else BASELINES)]
        names = [match_name(self.measured.candidate, o) + self.measured.ending for o in opponents]
        return next((name for name in names if name not in self.matches), "")

    def _go_on(self) -> None:
        while True:
            if self.measured is None and self.waiting:
                self.measured = Measured(self.waiting, self.best)
                self.waiting = ""
            if self.measured is None or self.next_match():
                return
            done, self.measured = self.measured, None
            if not done.ending:
                self.cycle += 1
                self.decided.append(done.candidate)
                if self.matches[match_name(done.candidate, done.best)] and done.best == self.best:
                    self.promote(done.candidate)
