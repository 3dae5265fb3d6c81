"""Pieces of work that are lent to slots which may die, slow down or come back.

    waiting ──► lent to a slot, until a time ──► done, once
       ▲───── the slot is lost, or the time is over

A piece whose time is over is lent again while the first slot may still be at it: whichever result
comes first counts, and no other. Results may come in any order. Pure: the caller has the clock.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

Work = TypeVar("Work")


@dataclass(slots=True)
class _Lease(Generic[Work]):
    work: Work
    slot: str
    until: float


class Leases(Generic[Work]):
    """Knows of each piece whether it waits, who has it, or that it is done."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._next = 0
        self._waiting: OrderedDict[int, Work] = OrderedDict()
        self._lent: dict[int, _Lease[Work]] = {}
        self.num_again = 0
        """Times that a piece was given back to be lent again."""

    def __len__(self) -> int:
        """Pieces that are not done."""
        return len(self._waiting) + len(self._lent)

    def lend(self, work: Work, slot: str, now: float) -> int:
        """A new piece, for `slot`; its number."""
        number = self._next
        self._next += 1
        self._lent[number] = _Lease(work, slot, now + self._lease_s)
        return number

    def lend_waiting(self, slot: str, now: float) -> tuple[int, Work] | None:
        """The piece that has waited longest, for `slot`; None when none waits."""
        if not self._waiting:
            return None
        number, work = self._waiting.popitem(last=False)
        self._lent[number] = _Lease(work, slot, now + self._lease_s)
        return number, work

    def renew(self, slot: str, now: float) -> None:
        """The slot gives a sign of life: all that it has is lent from now on."""
        for lease in self._lent.values():
            if lease.slot == slot:
                lease.until = now + self._lease_s

    def held_by(self, slot: str) -> int:
        """Pieces that the slot has."""
        return sum(lease.slot == slot for lease in self._lent.values())

    def done(self, number: int) -> Work | None:
        """The piece, the first time that its result comes; None ever after."""
        if number in self._waiting:  # From a slot that was given up too early.
            return self._waiting.pop(number)
        lease = self._lent.pop(number, None)
        return None if lease is None else lease.work

    def lose(self, slot: str) -> int:
        """The slot is gone: what it had waits again. How many these are."""
        return self._give_back([n for n, lease in self._lent.items() if lease.slot == slot])

    def expire(self, now: float) -> int:
        """What was lent for too long waits again. How many these are."""
        return self._give_back([n for n, lease in self._lent.items() if lease.until <= now])

    def drain(self) -> list[Work]:
        """All that is not done, oldest first; nothing is left."""
        lent = {number: lease.work for number, lease in self._lent.items()}
        found = [work for _, work in sorted((lent | self._waiting).items())]
        self._waiting.clear()
        self._lent.clear()
        return found

    def _give_back(self, numbers: list[int]) -> int:
        for number in numbers:
            self._waiting[number] = self._lent.pop(number).work
        self.num_again += len(numbers)
        return len(numbers)
