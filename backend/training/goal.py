"""How far a call of `matrix0 train` goes, also where torchrun starts its processes again.

torchrun repeats the whole command after a death, which would count its steps from the last
checkpoint on. So a checkpoint says at which step the group that wrote it was to end.
"""

from collections.abc import Mapping
from typing import Any, Final

from backend.processes import Group

GOAL: Final = "goal"
"""In a checkpoint's data position, under torchrun only: name of the `group`, and the `step`."""


def goal(end: int, group: Group | None) -> dict[str, Any]:
    """What a checkpoint says of a call that is to end at step `end`."""
    return {GOAL: {"group": group.name, "step": end}} if group else {}


def steps_left(step: int, steps: int, position: Mapping[str, Any], group: Group | None) -> int:
    """How many of `steps` are still to be taken at `step`, a checkpoint with this data position.

    All of them, unless it was written by our group, which was started again after a death.
    """
    before = position.get(GOAL)
    if group is None or not group.is_again or before is None or before["group"] != group.name:
        return steps
    return max(0, int(before["step"]) - step)
