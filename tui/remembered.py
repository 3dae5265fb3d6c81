"""What the screen keeps for its user from one start to the next: the theme, and the last copy.

    $XDG_STATE_HOME/matrix0, else ~/.local/state/matrix0     theme  copied.txt

None of it is needed: what cannot be read is not there, what cannot be written is not kept.
"""

import os
from pathlib import Path
from typing import Final

THEME: Final = "theme"
COPIED: Final = "copied.txt"


def folder() -> Path:
    """Of the user, not of a run."""
    root = os.environ.get("XDG_STATE_HOME", "")
    return (Path(root) if root else Path.home() / ".local" / "state") / "matrix0"


def keep(name: str, text: str) -> Path | None:
    """Where it is kept; None where nothing can be written."""
    path = folder() / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError:
        return None
    return path


def kept(name: str) -> str:
    """What was kept; empty when nothing was, or it cannot be read."""
    try:
        return (folder() / name).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
