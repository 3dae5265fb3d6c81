"""Backups: made while the run works, brought back whole, never trusted unseen."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backend.audit.run import examine
from backend.backups.make import back_up, rotate
from backend.backups.manifest import FILES, list_backups, read_manifest, write_manifest
from backend.backups.restore import check, find_backup, restore
from backend.backups.schedule import Backups
from backend.config import SupervisorConfig
from backend.errors import BackupError
from backend.events import CheckpointSaved, LogLine, Promoted, ShardAdmitted
from backend.ledger import Ledger
from backend.replay.provenance import Rescoring
from backend.replay.shards import read_shard
from backend.rundir import RunDirectory
from backend.store.journal import Journal
from backend.store.store import Store
from tests.backend.fakes.process import CONFIG, SupervisorProcess, prepare
from tests.backend.replay.games import white_mates, write, write_columns
from tests.command_line import Run


def contents(run: RunDirectory) -> dict[str, bytes]:
    """Files that training goes on from; the database is compared by its rows."""
    return {
        path.relative_to(run.path).as_posix(): path.read_bytes()
        for folder in (run.replay, run.checkpoints, run.games)
        for path in folder.rglob("*")
        if path.is_file()
    } | {"journal": run.journal.read_bytes(), "config": run.config_file.read_bytes()}


def rows(run: RunDirectory) -> dict[str, list[tuple[object, ...]]]:
    tables = ("shards", "games", "checkpoints", "matches", "promotions", "metrics", "meta")
    with closing(sqlite3.connect(f"file:{run.database}?mode=ro", uri=True)) as database:
        return {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}


def test_a_backup_brings_back_what_was_there(whole: RunDirectory, tmp_path: Path, run: Run) -> None:
    made = run("backup", str(whole.path), str(tmp_path / "kept"))
    assert (made.code, made.err) == (0, "")
    back = tmp_path / "back"
    shown = run("restore", str(tmp_path / "kept"), str(back))
    assert (shown.code, shown.err) == (0, ""), shown.out
    assert contents(RunDirectory(back)) == contents(whole)
    assert rows(RunDirectory(back)) == rows(whole)
    assert examine(RunDirectory(back)).problems == examine(RunDirectory(back)).notes == []


@pytest.mark.slow
def test_a_run_that_was_brought_back_goes_on(whole: RunDirectory, tmp_path: Path) -> None:
    made = back_up(whole, tmp_path / "kept")
    assert restore(made.path, RunDirectory(tmp_path / "back")).faults == {}
    with SupervisorProcess(tmp_path / "back", "--cycles", "2") as supervisor:
        assert supervisor.finish() == 0


def test_a_second_backup_stores_only_what_is_new_and_three_are_kept(
    whole: RunDirectory, tmp_path: Path
) -> None:
    made = [back_up(whole, tmp_path, clock=lambda: 1e9) for _ in range(5)]
    assert made[0].files >= made[0].new_files > 10
    assert all(later.new_files == 0 for later in made[1:])
    assert [path.name for path in list_backups(tmp_path)] == [m.path.name for m in made[2:]]
    assert [name for m in made for name in m.removed] == [m.path.name for m in made[:2]]
    stored = {path.name for path in (tmp_path / FILES).iterdir()}
    assert stored == {file.sha256 for file in read_manifest(made[-1].path).files.values()}
    earlier = back_up(whole, tmp_path, clock=lambda: 1e8)
    assert list_backups(tmp_path)[-1] == earlier.path, "the clock was put back"
    with pytest.raises(BackupError, match="at least 3"):
        back_up(whole, tmp_path, keep=2)


def test_a_manifest_that_cannot_be_read_costs_no_file(whole: RunDirectory, tmp_path: Path) -> None:
    first = back_up(whole, tmp_path, clock=lambda: 1e9)
    stored = set((tmp_path / FILES).iterdir())
    first.path.write_bytes(first.path.read_bytes()[:-2])
    manifest = tmp_path / "run-20300101-000000.json"
    shutil.copy(first.path, manifest)
    rotate(tmp_path, "run", 3)
    assert set((tmp_path / FILES).iterdir()) == stored


def test_in_its_own_folder_a_run_shares_files_that_never_change(
    whole: RunDirectory, tmp_path: Path
) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    made = back_up(run, run.backups)
    shards = list(run.replay.iterdir())
    assert all(shard.stat().st_nlink == 2 for shard in shards)
    assert run.journal.stat().st_nlink == 1
    for shard in shards:
        shard.unlink()
    assert check(made.path).faults == {}


def test_what_is_damaged_is_left_out_and_said_of_each_file(
    whole: RunDirectory, tmp_path: Path, run: Run
) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    damaged = sorted((tmp_path / "run" / "replay").iterdir())[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    made = run("backup", str(tmp_path / "run"), str(tmp_path / "kept"))
    assert made.code == 65
    assert made.out.startswith(f"left out: replay/{damaged.name}: damaged: SHA-256")

    (manifest,) = list_backups(tmp_path / "kept")
    name, file = next(
        (name, file)
        for name, file in read_manifest(manifest).files.items()
        if name.endswith("ema.safetensors")
    )
    stored = tmp_path / "kept" / FILES / file.sha256
    flipped = bytearray(stored.read_bytes())
    flipped[-1] ^= 1
    stored.write_bytes(flipped)
    told = run("restore", str(tmp_path / "kept"))
    assert told.code == 65
    assert f"damaged: {name}" in told.out
    assert "whole: matrix0.db" in told.out.splitlines()
    brought = run("restore", str(tmp_path / "kept"), str(tmp_path / "back"))
    assert brought.code == 65
    assert f"damaged: {name}" in brought.out
    assert "the directory is gone" in brought.out or "cannot be read" in brought.out


def test_a_folder_with_backups_of_several_runs_asks_which(
    whole: RunDirectory, tmp_path: Path, run: Run
) -> None:
    shutil.copytree(whole.path, tmp_path / "run-2")
    kept = tmp_path / "kept"
    back_up(whole, kept, clock=lambda: 1e9)
    newest = back_up(whole, kept, clock=lambda: 2e9).path
    other = back_up(RunDirectory(tmp_path / "run-2"), kept, clock=lambda: 1.5e9).path
    told = run("restore", str(kept), str(tmp_path / "back"))
    assert told.code == 65
    assert f"2 runs; name one: run (newest: {newest}), run-2 (newest: {other})" in told.err
    assert not (tmp_path / "back").exists()
    assert run("restore", str(other), str(tmp_path / "back")).code == 0


def test_shards_that_a_pass_has_rescored_come_back_too(whole: RunDirectory, tmp_path: Path) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    of_pass = RunDirectory(tmp_path / "run")
    played = write(of_pass.replay, [white_mates()])
    plan = Rescoring(
        of=played.name,
        blunder=0.0,
        width=0.0,
        search_frac=0.5,
        everywhere=True,
        syzygy="",
        tables="",
    )
    rescored = write_columns(of_pass.rescored, read_shard(played).columns, rescoring=plan)
    back = RunDirectory(tmp_path / "back")
    assert restore(back_up(of_pass, tmp_path / "kept").path, back).faults == {}
    assert (back.rescored / rescored.name).read_bytes() == rescored.read_bytes()


def test_a_run_is_never_restored_over_another_nor_outside_its_directory(
    whole: RunDirectory, tmp_path: Path
) -> None:
    made = back_up(whole, tmp_path / "kept")
    with pytest.raises(BackupError, match="is not empty"):
        restore(made.path, whole)
    manifest = read_manifest(made.path)
    for name in ("../x", "/etc/x", "games/../../x", "replay/.x", "logs/x", "checkpoints/x/y.json"):
        files = {name: next(iter(manifest.files.values()))}
        changed = type(manifest)(run="run", created=0.0, shards=0, games=0, best="", files=files)
        write_manifest(tmp_path / "x.json", changed)
        with pytest.raises(BackupError, match="is no file of a run"):
            read_manifest(tmp_path / "x.json")


def test_a_flipped_bit_in_a_manifest_and_a_newer_one_are_refused(
    whole: RunDirectory, tmp_path: Path
) -> None:
    made = back_up(whole, tmp_path)
    content = made.path.read_bytes()
    for bit in range(0, 8 * len(content), 997):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        made.path.write_bytes(flipped)
        with pytest.raises(BackupError):
            check(made.path)
    made.path.write_bytes(content.replace(b'"schema": 1', b'"schema": 2'))
    with pytest.raises(BackupError, match="made by a newer Matrix0"):
        check(made.path)
    with pytest.raises(BackupError, match="no backup in this folder"):
        find_backup(whole.logs)


@pytest.mark.parametrize(
    "rounds", [2, pytest.param(15, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_of_a_run_at_work_every_backup_holds_all_that_was_announced_before(
    tmp_path: Path, rounds: int
) -> None:
    path = prepare(tmp_path / "run")
    (path / "config.toml").write_text(CONFIG.replace("min_positions = 8", "window_positions = 100"))
    with SupervisorProcess(path) as supervisor:
        supervisor.wait_for(Promoted)
        for number in range(rounds):
            supervisor.wait_for(ShardAdmitted)
            shards = {event.name for event in supervisor.of(ShardAdmitted)}
            saved = supervisor.of(CheckpointSaved)[-1].name
            made = back_up(RunDirectory(path), tmp_path / "kept")
            assert made.left_out == []
            back = RunDirectory(tmp_path / f"back{number}")
            assert restore(made.path, back).faults == {}
            audit = examine(back, replays=number == 0)
            assert audit.problems == []
            kept = {row[1]: row[3] for row in rows(back)["shards"]}
            assert shards <= kept.keys()
            assert {n for n in shards if kept[n] == "admitted"} <= {
                shard.name for shard in back.replay.iterdir()
            }
            assert saved in {c.name for c in back.checkpoints.iterdir()} or number
    assert len(list_backups(tmp_path / "kept")) == min(rounds, 3)


@pytest.mark.slow
def test_a_run_at_work_backs_itself_up_when_it_is_time(tmp_path: Path) -> None:
    path = prepare(tmp_path / "run", CONFIG + "backup_every_s = 0.3\n")
    with SupervisorProcess(path) as supervisor:
        said = supervisor.wait_for(LogLine, lambda e: e.text.startswith("backed up to "))
    assert "0 of them new" not in said.text
    assert check(list_backups(path / "backups")[-1]).faults == {}


async def test_the_time_since_the_last_backup_counts_across_starts(
    whole: RunDirectory, tmp_path: Path
) -> None:
    shutil.copytree(whole.path, tmp_path / "run")
    run = RunDirectory(tmp_path / "run")
    back_up(run, run.backups, clock=lambda: 1000.0)
    store, journal = await Store.open(tmp_path / "other.db"), Journal(tmp_path / "journal")
    config = SupervisorConfig(backup_every_s=600.0)
    for now, age in ((1100.0, 100.0), (9000.0, 600.0), (0.0, 0.0)):
        backups = Backups(run, config, Ledger(store, journal, clock=lambda now=now: now))
        assert backups._age_s() == age
    # Another run's in the same folder is none of ours; without any the run's own age counts.
    other = RunDirectory(tmp_path / "elsewhere" / "run-2")
    other.create()
    other.settle(None)
    os.utime(other.preset_file, (2000.0, 2000.0))
    shared = SupervisorConfig(backup_every_s=600.0, backup_folder=str(run.backups))
    backups = Backups(other, shared, Ledger(store, journal, clock=lambda: 2150.0))
    assert backups._age_s() == 150.0
    await store.close()
    journal.close()


def test_a_backup_is_broken_off_when_the_run_ends(whole: RunDirectory, tmp_path: Path) -> None:
    looks = iter([False, False, True])
    with pytest.raises(BackupError, match="broken off"):
        back_up(whole, tmp_path / "kept", is_over=lambda: next(looks))
    assert list_backups(tmp_path / "kept") == []
    assert check(back_up(whole, tmp_path / "kept").path).faults == {}


def test_at_least_three_backups_must_be_kept() -> None:
    with pytest.raises(ValueError, match="keep_backups"):
        SupervisorConfig(keep_backups=2)
