"""Which shard the trainer was reading when it died, and what is to be done about it.

The trainer notes a name before it reads and clears it afterwards. The note is no promise of
anything after a power cut; it survives the process, which is what it is for.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

DEATHS: Final = 2
"""Of the trainer in the same shard: then it is set aside although its hash is right."""


class ReadingNote:
    """The trainer's side."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Within, a death is put down to this shard; an exception is not."""
        os.pwrite(self._fd, name.encode(), 0)
        try:
            yield
        finally:
            os.ftruncate(self._fd, 0)


class Suspects:
    """The supervisor's side."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._deaths: Counter[str] = Counter()

    def after_a_death(self) -> tuple[str, bool]:
        """The shard that was being read, empty for none, and whether it has killed often enough."""
        name = self._path.read_text("utf-8", "replace") if self._path.exists() else ""
        if not name:
            return "", False
        os.truncate(self._path, 0)
        self._deaths[name] += 1
        is_guilty = self._deaths[name] >= DEATHS
        if is_guilty:
            del self._deaths[name]  # What may be read under this name from now on is another file.
        return name, is_guilty
