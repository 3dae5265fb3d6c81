"""Where compiled kernels are kept, and when they are compiled again."""

import os
import subprocess
import sys
from pathlib import Path

import numba.core.config
import pytest

from model.rules.kernel import cache_folder, source_hash

ROOT = Path(__file__).parents[2]
_ASK_IN_CHECK = """
import sys
from model.rules import in_check, kernel
import numpy as np
pos = np.zeros(8, np.uint64); pos[5] = 1 << 4 | 1 << 60; pos[6] = 1 << 4
in_check(pos)
print(sum(in_check.stats.cache_hits.values()), sum(in_check.stats.cache_misses.values()))
"""

KERNEL_FILES = (
    *("model/rules/a.py", "backend/search/b.py", "backend/inference/c.py"),
    "backend/replay/d.py",
)


def _start(code: str, cache: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    environment |= {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for name in KERNEL_FILES:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("@kernel\ndef step(): ...\n")
    (tmp_path / "model" / "net.py").write_text("no compiled function\n")
    return tmp_path


@pytest.mark.parametrize("file", KERNEL_FILES)
def test_an_edited_kernel_file_names_another_folder(sources: Path, file: str) -> None:
    before = source_hash(sources)
    edited = sources / file
    text = edited.read_text()
    edited.write_text(text.replace("...", "pass"))
    assert source_hash(sources) != before
    edited.write_text(text)
    assert source_hash(sources) == before


def test_files_without_kernels_do_not_matter(sources: Path) -> None:
    before = source_hash(sources)
    (sources / "model" / "net.py").write_text("changed\n")
    assert source_hash(sources) == before


def test_the_folder_is_named_after_the_sources_of_this_checkout() -> None:
    folder = cache_folder()
    assert folder is not None
    assert folder.name == f"numba-{source_hash(ROOT)}"


def test_other_users_of_numba_keep_their_own_cache_setting() -> None:
    assert str(numba.core.config.CACHE_DIR) == os.environ.get("NUMBA_CACHE_DIR", "")


def test_a_second_process_finds_the_compiled_kernel(tmp_path: Path) -> None:
    assert _start(_ASK_IN_CHECK, tmp_path).stdout.split() == ["0", "1"]
    assert _start(_ASK_IN_CHECK, tmp_path).stdout.split() == ["1", "0"]


def test_only_the_newest_folders_are_kept(tmp_path: Path) -> None:
    for number in range(20):
        folder = tmp_path / f"numba-{number:02}"
        folder.mkdir()
        os.utime(folder, (number + 1, number + 1))
    (tmp_path / "other").mkdir()
    _start("import model.rules.kernel", tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == 9
    assert "other" in kept
    assert {f"numba-{number:02}" for number in range(13, 20)} < set(kept)


def test_a_folder_that_cannot_be_written_is_said_aloud(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    finished = _start("from model.rules.kernel import cache_folder as c; print(c())", blocked)
    assert finished.stdout.strip() == "None"
    assert "every start will compile them again" in finished.stderr
