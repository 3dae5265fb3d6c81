"""What the self-supervised tasks report, in words, and which of them learn nothing."""

import math
from collections.abc import Callable, Mapping
from typing import Final

from model.ssl.tasks import TASKS, TaskName

GUESSING: Final = 0.98
"""A task whose loss is at least this share of what guessing costs has learned nothing."""
PATIENCE: Final = 5
"""So many points of the curves in a row must say so."""


def in_words(latest: Callable[[str], float | None]) -> str:
    """'ssl loss/F1 piece 0.95/41% threat 0.21/52% …'; empty without a task."""
    found = []
    for task in TASKS:
        loss, f1 = latest(f"{task.name}_loss"), latest(f"{task.name}_f1")
        if loss is not None and f1 is not None:
            found.append(f"{task.name} {loss:.2f}/{f1:.0%}")
    return " ".join(["ssl loss/F1", *found]) if found else ""


class DeadHeads:
    """Watches the points of a run's curves for tasks that do no better than guessing."""

    def __init__(self, after_steps: int) -> None:
        """`after_steps`: earlier points are not judged; 0 means none ever is."""
        self._after_steps = after_steps or math.inf
        self._in_a_row: dict[TaskName, int] = {}

    def found(self, step: int, metrics: Mapping[str, float]) -> list[str]:
        """A sentence for each task that this point shows to be dead; once, until it lives again.

        Guessing is to know how frequent each answer is and nothing more (`piece_guess`, …).
        """
        if step < self._after_steps:
            return []
        sentences = []
        for task in TASKS:
            loss, guess = metrics.get(f"{task.name}_loss"), metrics.get(f"{task.name}_guess")
            if loss is None or guess is None:
                continue
            is_guess = loss >= GUESSING * guess > 0
            self._in_a_row[task.name] = self._in_a_row.get(task.name, 0) + 1 if is_guess else 0
            if self._in_a_row[task.name] == PATIENCE:
                sentences.append(
                    f"the {task.name} head has learned nothing by step {step:,}: its loss is "
                    f"{loss:.4f}, guessing how frequent each answer is costs {guess:.4f}; "
                    f"see ssl.{task.name}_weight"
                )
        return sentences
