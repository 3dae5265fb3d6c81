"""The count that is shown while kernels compile is the true one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.search.warmup import needed_kernels, warm_up

REPORT = """
from backend.search.warmup import warm_up
warm_up(lambda name, number, total: print(name, number, total))
"""


def test_warm_kernels_are_not_compiled_again() -> None:
    warm_up(lambda name, number, total: None)
    heard: list[str] = []
    warm_up(lambda name, number, total: heard.append(name))
    assert heard == []


@pytest.mark.slow
def test_a_first_start_reports_every_kernel_once_and_a_second_none(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}

    def start() -> list[list[str]]:
        finished = subprocess.run(
            [sys.executable, "-c", REPORT],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [line.split() for line in finished.stdout.splitlines()]

    total = len(needed_kernels())
    reports = start()
    assert [int(number) for _, number, _ in reports] == list(range(1, total + 1))
    assert {name for name, _, _ in reports} == {k.py_func.__name__ for k in needed_kernels()}
    assert start() == []
