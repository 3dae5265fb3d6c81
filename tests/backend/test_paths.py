"""Names and paths: a run stays in its directory, its files are ours alone, no link is followed."""

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import Matrix0Error, RunDirectoryError, RunLockedError
from backend.logfile import open_log
from backend.replay.shards import hash_in_name
from backend.rundir import RunDirectory

ODD = (
    "..",
    ".",
    "CON",
    "a\0b",
    "/etc",
    "a/../../b",
    "-rf",
    ".hidden",
    "a b",
    "a\nb",
    "ä",
    "x" * 65,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.one_of(st.sampled_from(ODD), st.text(max_size=80)))
def test_a_run_is_made_under_a_harmless_name_or_not_at_all(tmp_path: Path, name: str) -> None:
    home = tmp_path / "runs"
    home.mkdir(exist_ok=True)
    before = set(tmp_path.iterdir())
    try:
        run = RunDirectory(Path(f"{home}/{name}"))
        run.create()
    except (RunDirectoryError, ValueError):  # ValueError: NUL is no part of any path.
        assert set(tmp_path.iterdir()) == before
        return
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", run.name)
    assert run.path.resolve().is_relative_to(tmp_path.resolve())


def test_what_the_holder_of_a_run_writes_is_for_this_user_alone(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create()
    old = os.umask(0o022)
    try:
        with run.lock("a test"):
            (run.logs / "x").write_text("")
        (tmp_path / "y").write_text("")
    finally:
        os.umask(old)
    assert stat.S_IMODE((run.logs / "x").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "y").stat().st_mode) == 0o644
    for folder in (run.path, *(path for path in run.path.iterdir() if path.is_dir())):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_no_link_is_followed_on_writing(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create()
    victim = tmp_path / "victim"
    run.lock_file.symlink_to(victim)
    with pytest.raises((RunDirectoryError, RunLockedError)):
        run.lock("a test")
    (run.logs / "sp0.log").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        open_log(run.logs / "sp0.log")
    assert not victim.exists()


@pytest.mark.parametrize("prefix", ["../x", "a/b", "a\0"])
def test_a_shard_s_name_names_no_other_directory(prefix: str) -> None:
    with pytest.raises(Matrix0Error):
        hash_in_name(f"{prefix}-000001-0123456789abcdef.safetensors")
