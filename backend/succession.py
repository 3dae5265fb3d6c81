"""Who was the best network, in which order, and whom a rollback brings back. Pure."""

from collections.abc import Iterable

from backend.events import Promoted


def reign(promotions: Iterable[Promoted]) -> list[str]:
    """The best networks that still count, the present one last.

    A rollback takes the last one away, so that the next goes one further back.
    """
    names: list[str] = []
    for promoted in promotions:
        if promoted.is_rollback and promoted.name in names:
            while names[-1] != promoted.name:
                names.pop()
        else:
            names.append(promoted.name)
    return names
