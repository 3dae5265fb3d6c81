"""A database of an older version becomes one of today's."""

import asyncio
from pathlib import Path

import aiosqlite

from backend.commit import make_directory
from backend.errors import RunDirectoryError
from backend.store.facts import one
from backend.store.schema import MIGRATIONS
from backend.store.snapshot import snapshot


async def migrate(db: aiosqlite.Connection, path: Path) -> None:
    """Brings the schema to the newest version, each step whole, after a copy to backups/."""
    version = int(await one(db, "PRAGMA user_version"))
    if version > len(MIGRATIONS):
        raise RunDirectoryError(
            f"{path}: version {version} was made by a newer Matrix0; "
            f"this one knows versions up to {len(MIGRATIONS)}"
        )
    if 0 < version < len(MIGRATIONS):
        backups = path.parent / "backups"
        await asyncio.to_thread(make_directory, backups)
        # A start that was killed before the step may have left one: it is replaced.
        await asyncio.to_thread(snapshot, path, backups / f"v{version}.db")
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        await db.execute("BEGIN IMMEDIATE")
        for statement in statements:
            await db.execute(statement)
        await db.execute(f"PRAGMA user_version = {number}")
        await db.execute("COMMIT")
