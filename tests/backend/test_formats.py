"""Files of each version that was ever written are read by this one; newer ones are refused whole.

tests/golden/formats/<kind>-<version>/ was written by the commit that last wrote that version (for
checkpoints, which are at their first, by the first commit that wrote them): databases by 77ef094
and ff1c4b9, shards by bd0dae3, ebc3c2e, ff1c4b9 and 313a190, the checkpoint by 82cfd07, the journal
by 77ef094, the backup by ff1c4b9. They are never made anew.
"""

import hashlib
import shutil
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pytest
import safetensors.numpy

from backend import checkpoints
from backend.backups import manifest as backups
from backend.backups.restore import restore
from backend.commands import PauseRun
from backend.device import DeviceConfig, choose_device
from backend.errors import (
    BackupError,
    NewerCheckpointError,
    NewerShardError,
    RunDirectoryError,
)
from backend.events import GateDecided, MatchFinished, Promoted
from backend.recovery import open_ledger
from backend.replay import schema, shards
from backend.replay.admission import admit
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.store import reading
from backend.store.journal import Journal, read_journal
from backend.store.schema import MIGRATIONS
from backend.store.store import Store
from backend.training.trainer import Trainer
from tests.backend.replay.games import black_mates, cut_game, white_mates
from tests.positions import random_batch

GOLDEN: Final = Path(__file__).resolve().parents[1] / "golden" / "formats"
VERSIONS: Final = {
    "database": len(MIGRATIONS),
    "shard": schema.SCHEMA_VERSION,
    "checkpoint": checkpoints.SCHEMA,
    "backup": backups.SCHEMA,
    "journal": 1,
}
SHARD: Final = "sp-sp0-000000-0123456789abcdef.safetensors"


def golden(kind: str, version: int, tmp_path: Path) -> Path:
    """A copy of the folder."""
    return Path(shutil.copytree(GOLDEN / f"{kind}-{version}", tmp_path / f"{kind}-{version}"))


def each(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("version", range(1, VERSIONS[kind] + 1))


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def assert_are_the_facts(facts: list[object]) -> None:
    match, decision, promoted = facts
    assert isinstance(match, MatchFinished)
    assert (match.match, match.wins, match.pairs, match.elo) == ("m", 4, (0, 0, 0, 0, 2), 100.0)
    assert isinstance(decision, GateDecided)
    assert (decision.candidate, decision.verdict, decision.llr) == (
        *("step-00000100", "rejected"),
        None,
    )
    assert promoted == Promoted(
        at=12.0, name="step-00000100", previous="step-00000000", reason="won its match"
    )


@pytest.mark.parametrize("kind", VERSIONS)
def test_there_is_a_file_of_each_version(kind: str) -> None:
    """Whoever changes a format writes one with the version before, and one with the new."""
    there = {path.name for path in GOLDEN.glob(f"{kind}-*")}
    assert there == {f"{kind}-{version}" for version in range(1, VERSIONS[kind] + 1)}


# Older versions -----------------------------------------------------------------------------------


@each("database")
async def test_a_database_comes_to_this_version_with_all_that_it_holds(
    version: int, tmp_path: Path
) -> None:
    path = golden("database", version, tmp_path) / "matrix0.db"
    store = await Store.open(path)
    assert_are_the_facts(
        [*await store.matches(), *await store.decisions(), *await store.promotions()]
    )
    (admitted,) = await store.admissions()
    assert (admitted.name, admitted.games, admitted.positions) == (SHARD, 2, 10)
    assert [row.state for row in await store.shards()] == ["admitted", "rejected"]
    assert [saved.step for saved in await store.checkpoints()] == [100]
    assert await store.curves() == [("policy_loss", ((10.0, 3.0),), 1, 10)]
    await store.close()
    assert reading.best_network(path) == "step-00000100"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert (path.parent / "backups" / f"v{version}.db").exists() == (version < len(MIGRATIONS))


@each("shard")
def test_a_shard_has_todays_columns_and_its_games_are_played_again(
    version: int, tmp_path: Path
) -> None:
    path = only_file(golden("shard", version, tmp_path))
    shard = shards.read_shard(path)
    assert shard.metadata.schema == version
    expected = shards.build_columns([white_mates(), cut_game(), black_mates()])
    for name in schema.COLUMNS:
        np.testing.assert_array_equal(shard.columns[name], expected[name], err_msg=name)
    assert len(admit(path).games) == 3


@each("checkpoint")
def test_a_checkpoint_is_gone_on_from_and_learns_what_it_would_have_learned(
    version: int, tmp_path: Path
) -> None:
    folder = golden("checkpoint", version, tmp_path)
    path, faults = checkpoints.newest_valid(folder)
    assert (path, faults) == (folder / "step-00000002", [])
    checkpoint = checkpoints.load(path)
    assert checkpoint.manifest.data_position == {"sampler": {"state": 7}}
    assert checkpoint.manifest.metrics == {"policy_loss": 1.5}
    config = build_config()
    trainer = Trainer(
        checkpoint.manifest.model,
        config.ssl,
        replace(config.training, batch_size=8, warmup_steps=1, precision="float32"),
        choose_device(DeviceConfig(kind="cpu")),
        seed=1,
    )
    trainer.restore(checkpoint)
    assert (trainer.num_steps, trainer.num_samples) == (2, 16)
    found = trainer.step(random_batch(8, seed=7, orientation="mover"))
    assert {name: found[name] for name in ("policy_loss", "value_loss", "piece_loss")} == (
        pytest.approx(
            # What the commit that wrote it got for its third step.
            {
                "policy_loss": 3.1766676902770996,
                "value_loss": 1.09139883518219,
                "piece_loss": 2.6329598426818848,
            },
            rel=1e-5,
        )
    )


@each("journal")
def test_a_journal_says_what_it_said_and_is_gone_on_with(version: int, tmp_path: Path) -> None:
    path = only_file(golden("journal", version, tmp_path))
    journal = Journal(path)
    *facts, paused = [entry.fact for entry in journal.reading.entries]
    assert_are_the_facts(list(facts))
    assert paused == PauseRun()
    journal.append([(14.0, PauseRun())])
    journal.close()
    found = read_journal(path)
    assert [entry.seq for entry in found.entries] == [1, 2, 3, 4, 5]
    assert found.damaged == found.unknown == ()


@each("backup")
def test_a_backup_is_brought_back_whole(version: int, tmp_path: Path) -> None:
    folder = golden("backup", version, tmp_path)
    (path,) = backups.list_backups(folder)
    run = RunDirectory(tmp_path / "back")
    restored = restore(path, run)
    assert (restored.faults, restored.manifest.run) == ({}, "old")
    assert (restored.manifest.games, restored.manifest.best) == (2, "step-00000100")
    assert len(read_journal(run.journal).entries) == 4
    assert reading.best_network(run.database) == "step-00000100"
    assert len(admit(only_file(run.replay)).games) == 3
    assert run.config_file.read_text() == "seed = 3\n"


# Newer versions -----------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """With a shard, a checkpoint and a journal that are whole."""
    directory = RunDirectory(tmp_path / "run")
    directory.create()
    for kind, place in (("shard", directory.replay), ("checkpoint", directory.checkpoints)):
        newest = GOLDEN / f"{kind}-{VERSIONS[kind]}"
        shutil.copytree(newest, place, dirs_exist_ok=True)
    shutil.copy(GOLDEN / "journal-1" / "journal.jsonl", directory.journal)
    return directory


def newer_shard(run: RunDirectory) -> str:
    """With metadata and a column that we do not know."""
    said = {"schema": schema.SCHEMA_VERSION + 1, "producer": "sp0", "of_later": [1]}
    columns = shards.build_columns([white_mates()]) | {"of_later": np.zeros(1)}
    content = safetensors.numpy.save(columns, {"matrix0": msgspec.json.encode(said).decode()})
    digest = hashlib.sha256(content).hexdigest()
    path = run.replay / f"sp-sp0-000001-{digest[:16]}.safetensors"
    path.write_bytes(content)
    with pytest.raises(NewerShardError, match="newer Matrix0"):
        shards.read_shard(path)
    return path.name


def newer_checkpoint(run: RunDirectory) -> str:
    path = run.checkpoints / "step-00000002" / checkpoints.MANIFEST
    document = msgspec.json.decode(path.read_bytes())
    del document["checksum"]
    document |= {"schema": checkpoints.SCHEMA + 1, "of_later": {}}
    path.write_bytes(checkpoints._text(document))
    with pytest.raises(NewerCheckpointError, match="newer Matrix0"):
        checkpoints.read_manifest(path.parent)
    return checkpoints.MANIFEST


def newer_journal(run: RunDirectory) -> str:
    """A line of ours whose fact has another name, its checksum made anew."""
    line = run.journal.read_bytes().splitlines()[-1]
    entry = bytes(msgspec.json.decode(line, type=dict[str, msgspec.Raw])["entry"])
    later = entry.replace(b"PauseRun", b"OfLater")
    with run.journal.open("ab") as file:
        file.write(b'{"crc32":%d,"entry":%s}\n' % (zlib.crc32(later), later))
    assert read_journal(run.journal).unknown == (5,)
    return "journal.jsonl: line 5"


def newer_database(run: RunDirectory) -> str:
    shutil.copy(GOLDEN / f"database-{len(MIGRATIONS)}" / "matrix0.db", run.database)
    with closing(sqlite3.connect(run.database)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    return "matrix0.db"


@pytest.mark.parametrize("make", [newer_shard, newer_checkpoint, newer_journal, newer_database])
async def test_a_run_that_a_newer_version_worked_on_is_refused_and_left_as_it_is(
    make: Callable[[RunDirectory], str], run: RunDirectory
) -> None:
    named = make(run)
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(RunDirectoryError, match="newer Matrix0") as refusal:
        await open_ledger(run)
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)
    after = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize("kind", ["shard", "manifest"])
async def test_damage_that_looks_like_a_newer_version_is_damage(
    kind: str, run: RunDirectory
) -> None:
    path = only_file(run.replay) if kind == "shard" else newest_manifest(run)
    content = path.read_bytes()
    said = b'\\"schema\\":%d' if kind == "shard" else b'"schema": %d'
    said %= VERSIONS["shard" if kind == "shard" else "checkpoint"]
    assert content.count(said) == 1
    path.write_bytes(content.replace(said, said[:-1] + b"9"))
    ledger, journal, _ = await open_ledger(run)
    await ledger.store.close()
    journal.close()


def newest_manifest(run: RunDirectory) -> Path:
    return run.checkpoints / "step-00000002" / checkpoints.MANIFEST


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (path,) = backups.list_backups(golden("backup", backups.SCHEMA, tmp_path))
    document = msgspec.json.decode(path.read_bytes())
    del document["checksum"]
    path.write_bytes(backups._text(document | {"schema": backups.SCHEMA + 1, "of_later": 1}))
    with pytest.raises(BackupError, match="newer Matrix0"):
        restore(path, RunDirectory(tmp_path / "back"))
    assert not (tmp_path / "back").exists()
