"""The five self-supervised tasks: what each asks of every square. Imports no torch.

`model/ssl/targets.py` answers them from a position, `docs/encoding.md` draws them.
"""

from dataclasses import dataclass
from typing import Final, Literal, get_args

TaskName = Literal["piece", "threat", "pin", "fork", "control"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question, and where its answers lie in the labels."""

    name: TaskName
    rows: tuple[str, ...]
    """Its rows of the labels, in order."""
    classes: tuple[str, ...] = ("no", "yes")
    """What a row may say, by its number. Two: each row has one logit, for yes. More: the task has
    one row, and one logit for each class."""
    sees_masked: bool = False
    """Asked on boards with hidden squares, about those squares only; else about all squares."""

    @property
    def num_logits(self) -> int:
        """Of each square."""
        return len(self.classes) if self.is_choice else len(self.rows)

    @property
    def is_choice(self) -> bool:
        """One class out of several, not yes or no."""
        return len(self.classes) > 2

    @property
    def span(self) -> slice:
        """Its rows among all labels."""
        first = LABELS.index(self.rows[0])
        return slice(first, first + len(self.rows))


_PIECES = ("pawn", "knight", "bishop", "rook", "queen", "king")

TASKS: Final[tuple[Task, ...]] = (
    Task(
        name="piece",
        rows=("piece",),
        classes=(
            "empty",
            *(f"own {piece}" for piece in _PIECES),
            *(f"other {piece}" for piece in _PIECES),
        ),
        sees_masked=True,
    ),
    Task(name="threat", rows=("own piece is lost", "other piece is lost")),
    Task(
        name="pin",
        rows=(
            "own piece is pinned to its king",
            "own piece is pinned to another",
            "other piece is pinned to its king",
            "other piece is pinned to another",
        ),
    ),
    Task(name="fork", rows=("own piece forks", "other piece forks")),
    Task(name="control", rows=("control",), classes=("contested or none", "own", "other")),
)

LABELS: Final = tuple(row for task in TASKS for row in task.rows)
"""Names of the rows of `model.ssl.targets.make_labels`, in order."""

OPEN_TASKS: Final = tuple(task for task in TASKS if not task.sees_masked)
"""Asked about boards that are shown whole: they add no rows to the trunk's batch."""

assert tuple(task.name for task in TASKS) == get_args(TaskName)
