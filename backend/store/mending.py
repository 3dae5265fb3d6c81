"""A journal that was damaged is written anew with what the database still knows.

Each of the two can replace the other: the database is made anew from the journal, and lines of the
journal that cannot be read, or are gone, come back from the rows that were made from them.
"""

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from backend.commit import commit_file
from backend.events import Event, ShardAdmitted
from backend.filesystem import OS, FileSystem
from backend.store.journal import Fact, Reading, encode_lines
from backend.store.store import Store
from backend.wording import plural

_Dated = tuple[float, Fact]

REMARK: Final = "journal.jsonl was damaged"


async def mend_journal(
    path: Path, evidence: Path, store: Store, reading: Reading, *, fs: FileSystem = OS
) -> list[str]:
    """What a person should know; the damaged file is kept as `evidence`. Empty when it is whole.

    Errors of the commit when the disk does not take it.
    """
    lost = await _lost(store, reading)
    if not lost and not reading.damaged:
        return []
    remarks = []
    if reading.damaged:
        lines = ", ".join(map(str, reading.damaged))
        remarks.append(f"{REMARK}: line {lines} cannot be used")
    if lost:
        back = plural(len(lost), "line")
        remarks.append(f"{REMARK}: {back} came back from the database")
    dated: list[_Dated] = [(entry.at, entry.fact) for entry in reading.entries]
    for fact in sorted(lost, key=lambda fact: fact.at):
        later = (n for n, (at, _) in enumerate(dated) if at > fact.at)
        dated.insert(next(later, len(dated)), (fact.at, fact))
    await asyncio.to_thread(_rewrite, path, evidence, dated, fs)
    remarks[-1] += f"; what it was is in quarantine/{evidence.name}"
    return remarks


def _rewrite(path: Path, evidence: Path, dated: list[_Dated], fs: FileSystem) -> None:
    damaged = path.read_bytes() if path.exists() else b""
    commit_file(evidence, damaged, fs=fs)
    commit_file(path, encode_lines(1, dated), fs=fs)


async def _lost(store: Store, reading: Reading) -> list[Event]:
    """Facts that have a row, and so had a line."""
    facts = [entry.fact for entry in reading.entries]
    lines = {msgspec.json.encode(fact) for fact in facts}
    decided: list[Event] = [
        *await store.matches(),
        *await store.decisions(),
        *await store.promotions(),
        *await store.cycles(),
    ]
    # Shards have their line once they have left the disk.
    left = {fact.name for fact in facts if isinstance(fact, ShardAdmitted)}
    retired = [row.name for row in await store.shards() if row.state == "retired"]
    gone = await store.admissions(name for name in retired if name not in left)
    return [*(fact for fact in decided if msgspec.json.encode(fact) not in lines), *gone]
