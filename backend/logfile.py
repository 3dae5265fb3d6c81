"""Log files of processes: appended to, for this user alone, and no link is followed."""

import os
from pathlib import Path
from typing import BinaryIO


def open_log(path: Path) -> BinaryIO:
    """OSError when it cannot be opened, or is a symbolic link."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, 0o600), "ab")
