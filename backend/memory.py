"""How much memory a worker may hold before it is started again."""

from typing import Final

import psutil

from backend.config import SupervisorConfig

SHARE: Final = 0.75
"""Of the machine's memory, where no limit is set."""


def memory_limit_mib(config: SupervisorConfig) -> float:
    """Resident memory of one worker, MiB."""
    if config.memory_limit_gib:
        return config.memory_limit_gib * 1024
    return float(SHARE * psutil.virtual_memory().total / 2**20)
