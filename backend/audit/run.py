"""The examination of a whole run, whether it is at work or not: it only reads."""

from pathlib import Path
from typing import Final

from backend.audit.findings import Audit
from backend.audit.history import examine_journal, examine_matches, examine_settings
from backend.audit.index import Index, Unsound, faults_of_database, read_index
from backend.audit.networks import examine_checkpoints, examine_checkpoints_without_rows
from backend.audit.shards import (
    examine_played_without_rows,
    examine_shards,
    examine_shards_without_rows,
)
from backend.commit import is_temporary
from backend.config import Config
from backend.errors import ConfigError, RunDirectoryError
from backend.replay.tablebase import open_tables
from backend.rundir import FOLDERS, RunDirectory

DATABASE: Final = "matrix0.db"
CONFIG: Final = "config.toml"


def examine(run: RunDirectory, *, replays: bool = True) -> Audit:
    """Files against database, hashes, games, history.

    `replays`: every game is played again by python-chess (about 0.15 ms a ply, more for games whose
    shard has left the window); else only hashes and counts are compared. RunDirectoryError when
    there is no run.
    """
    if not run.path.is_dir():
        raise RunDirectoryError(f"{run.path}: there is no such run")
    audit = Audit()
    is_live = run.holder() is not None
    config = _examine_config(run, audit)
    for folder in (folder for folder in FOLDERS if not (run.path / folder).is_dir()):
        audit.note(folder, "gone; the next start makes it")
    _count_aside(run, audit, is_live)
    index = _examine_database(run, audit)
    if index is None:
        examine_played_without_rows(run, audit)
        examine_shards_without_rows(run, audit, replays=replays, is_live=is_live)
        examine_checkpoints_without_rows(run, audit)
        return audit
    tables = open_tables(config.selfplay) if config and replays else None
    examine_shards(run, index, audit, replays=replays, is_live=is_live, tables=tables)
    examine_shards_without_rows(run, audit, replays=replays, is_live=is_live)
    examine_checkpoints(run, index, audit, is_live=is_live)
    examine_journal(run, index, audit, is_live=is_live)
    if config is not None:
        examine_settings(run, audit)
    if replays:
        examine_matches(run, index, audit)
    return audit


def _examine_database(run: RunDirectory, audit: Audit) -> Index | None:
    """What it says; None where there is nothing sound."""
    if not run.database.exists():
        audit.note(DATABASE, "not there: nothing was started here, or the next start makes it anew")
        return None
    try:
        for fault in faults_of_database(run.database):
            audit.problem(DATABASE, fault)
        return read_index(run.database)
    except (Unsound, RunDirectoryError) as error:
        audit.problem(DATABASE, f"damaged: {error}; the next start makes it anew from the files")
        return None


def _examine_config(run: RunDirectory, audit: Audit) -> Config | None:
    try:
        return run.read_config()
    except ConfigError as error:
        audit.problem(CONFIG, _without_path(str(error), run.config_file))
        return None


def _count_aside(run: RunDirectory, audit: Audit, is_live: bool) -> None:
    if run.quarantine.is_dir():
        for path in sorted(run.quarantine.iterdir()):
            audit.note(f"quarantine/{path.name}", "was set aside as damaged or refused")
    if not is_live:
        for folder in (run.path, run.checkpoints, run.games):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if is_temporary(path):
                    name = path.relative_to(run.path).as_posix()
                    audit.note(name, "half-written; the next start sweeps it")


def _without_path(text: str, path: Path) -> str:
    return text.removeprefix(f"{path}: ")
