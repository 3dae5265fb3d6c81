"""A run of the past as a link: the dashboard shows it as it shows a live one, driven by a clock.

Play, pause, speed and place belong to the person; what is shown is folded towards that place in
slices, so that keys are answered while a long run is told. Orders are refused. No widgets.
"""

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

from backend.commands import ClientCommand
from backend.curves import MAX_POINTS
from backend.errors import Matrix0Error
from backend.events import (
    Alert,
    BoardSeen,
    CheckpointSaved,
    CycleFinished,
    GateDecided,
    Promoted,
    RunStarted,
    ShardAdmitted,
    TrainerProgress,
    TrainingStep,
    WorkerExited,
)
from backend.replay.admission import RESULT_TEXT
from backend.state import RunState
from backend.timeline import Retelling, Timeline, read_timeline
from backend.wire import Reply
from tui.archive import SELFPLAY, StoredGame
from tui.client import REPLAYED, LinkView
from tui.format import line
from tui.history import History
from tui.replayed import load

SPEEDS: Final = (1, 10, 100, 1000, 10_000)
FIRST_S: Final = 30.0
"""It begins at the highest speed at which the whole takes at least so long."""
TICK_S: Final = 0.1
SLICE: Final = 64
"""Events folded before keys get their turn."""
MEMORY: Final = "memory_mib"
SCRUB_FRAC: Final = 0.02
IDLE_S: Final = 300.0
"""A longer time in which nothing is recorded is skipped."""
_SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


class PastHistory(History):
    """The curves up to the time of the replay."""

    def __init__(self, database: Path, now: Callable[[], float]) -> None:
        super().__init__(database)
        self.until = now
        self.read_s = 0.3


@dataclass(frozen=True)
class _Shown:
    """A stored game in the time between two admissions."""

    shard: str
    frames: tuple[BoardSeen, ...]


class Replaying:
    """A `Link` (tui/client.py) to the past of a run."""

    def __init__(self, run_dir: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.run_dir = run_dir
        self.state = RunState(run=run_dir.name, directory=str(run_dir))
        self.view = LinkView("waiting", "reading the database", True, True)
        self.version = 0
        self.now = 0.0
        """The time of the replay, wall clock of the run."""
        self.speed = SPEEDS[0]
        self.is_playing = True
        self.is_behind = False
        """What is shown is still on its way to the time of the replay."""
        self.retelling = Retelling(Timeline((), np.empty(0)), self.state)
        self.history = PastHistory(run_dir / "matrix0.db", lambda: self.now)
        self._monotonic = monotonic
        self._moved = asyncio.Event()
        self._game: _Shown | None = None
        self._memory = np.empty((0, 2))
        """(wall clock, MiB) of the points that have it."""

    @property
    def timeline(self) -> Timeline:
        return self.retelling.timeline

    def clock(self) -> float:
        """What ages on the screen are reckoned from."""
        return self.now

    async def request(self, command: ClientCommand) -> Reply:
        return Reply(id=0, refused=REPLAYED)

    async def run(self) -> None:
        """Read the run, then follow the clock until the task is cancelled."""
        try:
            timeline = await asyncio.to_thread(read_timeline, self.run_dir / "matrix0.db")
        except (Matrix0Error, sqlite3.Error) as error:
            self._see(LinkView("refused", f"this run cannot be replayed: {line(str(error))}"))
            return
        if not timeline.events:
            self._see(LinkView("refused", "this run cannot be replayed: nothing is recorded yet"))
            return
        self.begin(timeline)
        before = self._monotonic()
        while True:
            self._moved.clear()
            await self.settle()
            timeout = TICK_S if self.is_playing else None
            try:
                async with asyncio.timeout(timeout):
                    await self._moved.wait()
            except TimeoutError:
                pass
            now = self._monotonic()
            if self.is_playing:
                self.advance(now - before)
            before = now

    def begin(self, timeline: Timeline) -> None:
        """Show the first instant of what was read."""
        self.retelling = Retelling(timeline, self.state)
        points = [
            (event.at, event.metrics[MEMORY])
            for event in timeline.events
            if isinstance(event, TrainingStep) and MEMORY in event.metrics
        ]
        self._memory = np.array(points, np.float64).reshape(-1, 2)
        self.now = timeline.start
        slow = [s for s in SPEEDS if (timeline.end - timeline.start) / s >= FIRST_S]
        self.speed = max(slow, default=SPEEDS[0])
        unread = timeline.unread
        detail = f"{unread} events of another version are left out" if unread else ""
        self._see(LinkView("connected", detail))

    async def settle(self) -> None:
        """Fold up to the place on the clock, and bring the board to it."""
        published = self._monotonic()
        while not self.retelling.go(self.timeline.number_until(self.now), SLICE):
            if self._monotonic() - published > TICK_S:
                self.is_behind = True
                self._publish()
                published = self._monotonic()
            await asyncio.sleep(0)
        await self._follow_games()
        self.is_behind = False
        self._publish()

    def _publish(self) -> None:
        seen = self._memory[: np.searchsorted(self._memory[:, 0], self.now, side="right")]
        seen = seen[:: 1 + len(seen) // MAX_POINTS]
        memory = tuple((at, mib) for at, mib in seen.tolist())
        state = replace(shown(self.retelling.state), memory=memory, board=self._board())
        self.state = state
        self.version += 1

    def _see(self, view: LinkView) -> None:
        self.view = LinkView(view.status, view.detail, True, True)
        self.version += 1

    # The clock -----------------------------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """So much real time has passed while playing; at the end it pauses."""
        now = self.now + seconds * self.speed
        number = self.timeline.number_until(self.now)
        if number < len(self.timeline.events):
            following = float(self.timeline.at[number])
            if following - self.now > IDLE_S:
                now = max(now, following - 1.0)
        self.now = min(now, self.timeline.end)
        if self.now >= self.timeline.end:
            self.is_playing = False

    def toggle(self) -> None:
        """Play or pause; from the end it plays from the start."""
        self.is_playing = not self.is_playing
        if self.is_playing and self.now >= self.timeline.end:
            self.now = self.timeline.start
        self._move()

    def change_speed(self, by: int) -> None:
        place = SPEEDS.index(self.speed) + by
        self.speed = SPEEDS[min(max(place, 0), len(SPEEDS) - 1)]
        self._move()

    def seek(self, at: float) -> None:
        """To an instant of the run's wall clock, as far as there is one."""
        self.now = min(max(at, self.timeline.start), self.timeline.end)
        self._move()

    def scrub(self, share: float) -> None:
        """By a share of the whole time."""
        self.seek(self.now + share * (self.timeline.end - self.timeline.start))

    def seek_event(self, by: int) -> bool:
        """To the next notable event, or the one before; whether there is one."""
        times = [
            float(at)
            for at, event in zip(self.timeline.at.tolist(), self.timeline.events, strict=True)
            if is_notable(event)
        ]
        beyond = [at for at in times if (at - self.now) * by > 1e-3]
        if beyond:
            self.seek(min(beyond) if by > 0 else max(beyond))
        return bool(beyond)

    def place_of(self, text: str) -> float | None:
        """The instant that a person means: a step, 40%, 14:05, 1h20m; None where it is none."""
        text = text.strip().lower().replace(",", "")
        start, end = self.timeline.start, self.timeline.end
        if text in ("start", "end"):
            return start if text == "start" else end
        if text.removeprefix("step").strip().isdecimal():
            return self._at_step(int(text.removeprefix("step")))
        if text.endswith("%") and text[:-1].replace(".", "", 1).isdecimal():
            return start + float(text[:-1]) / 100 * (end - start)
        if found := _CLOCK.fullmatch(text):
            hour, minute, second = (int(part or 0) for part in found.groups())
            if hour > 23 or minute > 59 or second > 59:
                return None
            day = datetime.fromtimestamp(self.now)
            at = day.replace(hour=hour, minute=minute, second=second, microsecond=0).timestamp()
            return at + 86400 if at < start and at + 86400 <= end else at
        found = _SPAN.fullmatch(text)
        if found and text:
            hours, minutes, seconds = (int(part or 0) for part in found.groups())
            return start + 3600 * hours + 60 * minutes + seconds
        return None

    def _at_step(self, step: int) -> float:
        """When the trainer first had a reading of this step."""
        for at, event in zip(self.timeline.at.tolist(), self.timeline.events, strict=True):
            if isinstance(event, TrainingStep) and event.step >= step:
                return float(at)
        return self.timeline.end

    def _move(self) -> None:
        self.version += 1
        self._moved.set()

    # Boards --------------------------------------------------------------------------------------

    async def _follow_games(self) -> None:
        """Read the first game of the shard that was being played, if its file is still there."""
        shard = self._shard()[0]
        if shard is None or (self._game is not None and self._game.shard == shard.name):
            return
        stem = shard.name.removesuffix(".safetensors")
        result = RESULT_TEXT[2]
        entry = StoredGame(f"{stem}:0", SELFPLAY, "", "", result, "", None)
        try:
            replay = await asyncio.to_thread(load, entry, self.run_dir)
        except (Matrix0Error, OSError):
            self._game = _Shown(shard.name, ())  # It has left the window, and the PGN file too.
        else:
            self._game = _Shown(shard.name, replay.frames)

    def _shard(self) -> tuple[ShardAdmitted | None, float, float]:
        """The shard that comes next, and the times of the admission before and of its own."""
        at, events = self.timeline.at, self.timeline.events
        before = self.timeline.start
        number = self.timeline.number_until(self.now)
        for i in range(number - 1, max(-1, number - 2000), -1):
            if isinstance(events[i], ShardAdmitted):
                before = float(at[i])
                break
        for i in range(number, min(len(events), number + 2000)):
            event = events[i]
            if isinstance(event, ShardAdmitted):
                return event, before, float(at[i])
        return None, before, before

    def _board(self) -> BoardSeen | None:
        """The game as far as it had come, its plies spread evenly over its time."""
        if self._game is None or not self._game.frames:
            return None
        shard, before, after = self._shard()
        frames = self._game.frames
        if shard is None or shard.name != self._game.shard or after <= before:
            return frames[-1]
        share = min(max((self.now - before) / (after - before), 0.0), 1.0)
        return frames[min(int(share * len(frames)), len(frames) - 1)]


def shown(state: RunState) -> RunState:
    """Without what a replay cannot know, the phase and the age of the last beat of a worker, and
    with a trainer that is at work if its curves say so."""
    workers = {
        name: replace(worker, phase="", beat_at=0.0)
        if worker.state in ("running", "paused", "starting")
        else worker
        for name, worker in state.workers.items()
    }
    trains = any(w.role == "trainer" and w.state == "running" for w in workers.values())
    trainer = None
    if trains and state.metrics:
        trainer = TrainerProgress(
            step=state.step,
            window_positions=0,
            admitted_positions=state.totals.positions,
            presented_samples=0,
            credits=0.0,
        )
    return replace(state, workers=workers, trainer=trainer)


def is_notable(event: object) -> bool:
    """Whether the keys for events stop at it."""
    match event:
        case CheckpointSaved():
            return not event.only_resumes
        case Alert():
            return event.level != "info"
        case WorkerExited():
            return not event.expected
        case GateDecided() | Promoted() | CycleFinished() | RunStarted():
            return True
        case _:
            return False
