"""Recipes: settings for real situations, as files that say in their head what to expect.

    # One line of what it is for.
    #
    # Memory: 4 GiB
    # ... what was measured, where, and what was not ...
    preset = "tiny"

They lie in `recipes/` and travel with an installation; wherever a settings file is asked for, the
name of a recipe does as well.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).resolve().parents[1] / "recipes"
"""Beside `backend/`, in a checkout as in an installation."""
_MEMORY: Final = re.compile(r"Memory: (\d+) GiB")


@dataclass(frozen=True)
class Recipe:
    """What the head of a file says."""

    name: str
    path: Path
    title: str
    memory_gib: int
    """What the machine needs."""
    text: str
    """The rest of the head."""


def list_recipes() -> list[Recipe]:
    """All, by name."""
    return [_read(path) for path in sorted(FOLDER.glob("*.toml"))]


def settings_file(asked: Path) -> Path:
    """`asked` itself, or the recipe of that name where there is no such file."""
    recipe = FOLDER / f"{asked}.toml"
    is_name = asked.name == str(asked) and not asked.exists()
    return recipe if is_name and recipe.is_file() else asked


def _read(path: Path) -> Recipe:
    head = []
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.removeprefix("#").strip())
    text = "\n".join(head[1:]).strip()
    memory = _MEMORY.search(text)
    assert memory is not None, f"{path}: its head does not say 'Memory: N GiB'"
    return Recipe(path.stem, path, head[0], int(memory.group(1)), text)
