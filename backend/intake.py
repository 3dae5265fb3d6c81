"""From a shard that a worker has written to a shard that counts: verified, recorded, offered.

Every game is replayed by a referee that shares no code with the search (`backend/replay/
admission.py`) before one of its positions may be learned from. What fails is kept in quarantine/.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from backend.commit import move, remove
from backend.errors import NewerShardError, ReplayError
from backend.events import ShardAdmitted, ShardRejected
from backend.filesystem import OS, FileSystem
from backend.gamefile import GameFile
from backend.ledger import Ledger
from backend.replay.admission import AdmittedShard, admit
from backend.replay.rescored import (
    read_rescored,
    remove_rescored,
    set_aside,
    set_rescored_aside,
)
from backend.replay.shards import read_shard
from backend.rundir import RunDirectory
from backend.store.rows import GameRow

SLACK: Final = 1.25
"""Files leave the disk when the window is exceeded by this factor: rarely, and many at once."""

Admit = Callable[[Path], AdmittedShard]
OnAdmitted = Callable[[str], Awaitable[None]]


class Intake:
    """Admits shards one after the other, in the order in which they were announced."""

    def __init__(
        self,
        run: RunDirectory,
        ledger: Ledger,
        *,
        window_positions: int,
        admit: Admit = admit,
        max_staleness: int = 0,
        fs: FileSystem = OS,
    ) -> None:
        self._run = run
        self._ledger = ledger
        self._window_positions = window_positions
        self._admit = admit
        self._max_staleness = max_staleness
        self._fs = fs
        self._games = GameFile(run.games / "selfplay.pgn", fs=fs)
        self._announced: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._in_window: deque[tuple[str, int]] = deque()
        self._known: set[str] = set()
        """Names of shards with a row."""
        self._pgn_bytes = 0
        self._in_games: frozenset[str] = frozenset()
        """Stems of shards whose games are in the PGN file although their row may be lost."""

    async def prepare(self) -> None:
        """Reads from the database what had been admitted before."""
        self._known.clear()
        self._in_window.clear()
        for shard in await self._ledger.store.shards():
            self._known.add(shard.name)
            if shard.state == "admitted":
                self._in_window.append((shard.name, shard.positions))
        present = frozenset(path.stem for path in self._run.replay.glob("*.safetensors"))
        vouched = await self._ledger.store.pgn_bytes()
        if vouched is None:
            # A new database: of a new run, or one whose rows are about to be made again.
            vouched = await asyncio.to_thread(self._games.trusted_length, present)
            await self._ledger.store.set_pgn_bytes(vouched)
        self._pgn_bytes = vouched
        if present - {Path(name).stem for name in self._known}:
            self._in_games = await asyncio.to_thread(self._games.shards, vouched)

    def offer(self, name: str, sha256: str = "") -> None:
        """Announces a shard of replay/; saying it twice does no harm."""
        self._announced.put_nowait((name, sha256))

    def rescan(self) -> None:
        """Announces shards whose worker died between writing one and saying so."""
        for path in sorted(self._run.replay.glob("*.safetensors")):
            if path.name not in self._known:
                self.offer(path.name)

    async def run(self, on_admitted: OnAdmitted) -> None:
        """Admits what is offered, for ever."""
        while True:
            name, sha256 = await self._announced.get()
            try:
                admitted = await self.admit(name, sha256)
                if admitted is not None:
                    self._ledger.publish(admitted)
                    await on_admitted(name)
                    await self._retire()
            finally:
                self._announced.task_done()

    async def settle(self) -> None:
        """Waits until everything that was offered is dealt with."""
        await self._announced.join()

    async def admit(self, name: str, sha256: str = "") -> ShardAdmitted | None:
        """Verifies and records one shard of replay/; None when it is refused or known already."""
        if name in self._known:
            return None
        if Path(name).name != name:
            self._ledger.alert("error", f"a worker announced a shard called {name!r}")
            return None
        try:
            shard = await asyncio.to_thread(self._admit, self._run.replay / name)
            if sha256 and sha256 != shard.sha256:
                raise ReplayError(f"{name}: SHA-256 is {shard.sha256}, announced was {sha256}")
        except ReplayError as error:
            await self._reject(name, str(error))
            return None
        except OSError as error:
            self._ledger.alert("error", f"shard {name} could not be read: {error}")
            return None
        if stale := await self._staleness(shard):
            await self._reject(name, stale, stale_of=shard.producer)
            return None
        return await self._count(shard)

    async def withdraw(self, name: str) -> None:
        """Looks again at an admitted shard that could not be read; sets it aside if it is unfit.

        The same for what a pass has rescored of it, which the trainer reads in its place. One that
        has left the window meanwhile is none of our concern, nor one that reads well now.
        """
        if name not in [admitted for admitted, _ in self._in_window]:
            return
        said: list[str] = []
        try:
            await asyncio.to_thread(
                read_rescored,
                self._run.replay,
                name,
                lambda twin, error: said.append(set_aside(twin, error)),
            )
        except NewerShardError as error:
            self._ledger.alert("error", str(error))
            return
        for line in said:
            self._ledger.alert("error", line)
        path = self._run.replay / name
        try:
            await asyncio.to_thread(read_shard, path)
        except ReplayError as error:
            if path.exists():
                await self._take_out(name, str(error))
            else:
                self._leave_window(name)
                await self._ledger.store.set_shard_state([name], "missing")
                self._ledger.alert("error", f"shard {name} is gone from replay/")
        else:
            text = f"shard {name} reads well now; the trainer takes it in at its next start"
            self._ledger.alert("warning", text)

    async def set_aside(self, name: str, reason: str) -> None:
        """Takes an admitted shard out of the window although it reads well.

        Where a pass has rescored it that is what was read: it goes, and the shard stays.
        """
        if name not in [admitted for admitted, _ in self._in_window]:
            return
        said = await asyncio.to_thread(set_rescored_aside, self._run.replay, name, reason)
        for line in said:
            self._ledger.alert("error", line)
        if not said:
            await self._take_out(name, reason)

    async def _take_out(self, name: str, reason: str) -> None:
        self._leave_window(name)
        await self._reject(name, reason)
        await asyncio.to_thread(partial(remove_rescored, self._run.replay, name, fs=self._fs))

    def _leave_window(self, name: str) -> None:
        self._in_window = deque(shard for shard in self._in_window if shard[0] != name)

    async def _staleness(self, shard: AdmittedShard) -> str:
        """Why the network that played is too old; empty when it is not."""
        if not self._max_staleness or not shard.network:
            return ""
        promoted = [promotion.name for promotion in await self._ledger.store.promotions()]
        if shard.network not in promoted:
            return ""
        since = promoted[::-1].index(shard.network)
        if since <= self._max_staleness:
            return ""
        return (
            f"{shard.network}, which played it, was the best {since} promotions ago; "
            f"cluster.max_staleness is {self._max_staleness}"
        )

    async def _count(self, shard: AdmittedShard) -> ShardAdmitted:
        event = ShardAdmitted(
            at=self._ledger.now(),
            name=shard.name,
            games=len(shard.games),
            positions=shard.positions,
            truncated=shard.truncated,
            white_wins=shard.white_wins,
            draws=shard.draws,
            black_wins=shard.black_wins,
            plies=shard.plies,
        )
        games = [
            GameRow(id=game.id, result=game.result, outcome=game.outcome, plies=game.plies)
            for game in shard.games
        ]
        patience = self._ledger.patience
        length = self._pgn_bytes
        if Path(shard.name).stem not in self._in_games:
            length = await patience.until_there_is_room(
                lambda: asyncio.to_thread(self._games.append, shard.pgn, self._pgn_bytes)
            )
        await patience.until_there_is_room(
            lambda: self._ledger.store.admit(event, shard.sha256, games, length)
        )
        self._pgn_bytes = length
        self._known.add(shard.name)
        self._in_window.append((shard.name, shard.positions))
        return event

    async def _reject(self, name: str, reason: str, *, stale_of: str | None = None) -> None:
        """Sets it aside; `stale_of` is the worker whose network was too old, if that is why."""
        self._known.add(name)
        source = self._run.replay / name
        if source.exists():
            await asyncio.to_thread(partial(move, fs=self._fs), source, self._run.quarantine / name)
        event = ShardRejected(
            at=self._ledger.now(),
            name=name,
            reason=reason,
            is_stale=stale_of is not None,
            worker=stale_of or "",
        )
        await self._ledger.patience.until_there_is_room(
            lambda: self._ledger.store.reject(name, reason, event.at)
        )
        self._ledger.publish(event)

    async def _retire(self) -> None:
        """Removes files that the window has left behind; their games stay in the PGN file."""
        total = sum(positions for _, positions in self._in_window)
        if total <= SLACK * self._window_positions:
            return
        names = []
        while total - self._in_window[0][1] >= self._window_positions:
            name, positions = self._in_window.popleft()
            total -= positions
            names.append(name)
        # Their counts go to the journal: no file tells them any more.
        await self._ledger.commit(*await self._ledger.store.admissions(names), announce=False)
        for name in names:
            remove(self._run.replay / name, fs=self._fs)
            remove_rescored(self._run.replay, name, fs=self._fs)
