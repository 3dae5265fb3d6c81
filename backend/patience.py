"""Writes of the supervisor on a full disk: they wait until there is room, and say so once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from backend.disk import NoRoomError, Reserve
from backend.events import Level

RETRY_S: Final = 1.0

_T = TypeVar("_T")
Say = Callable[[Level, str], None]


class Patience:
    """Repeats what failed for lack of room. Of one event loop."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._is_over = False
        self._told = False

    def end(self) -> None:
        """From now on such an error passes: the run is to stop."""
        self._is_over = True

    async def until_there_is_room(self, write: Callable[[], Awaitable[_T]]) -> _T:
        """What `write` returns; it must do no harm to call it again. NoRoomError after `end`."""
        while True:
            try:
                done = await write()
            except NoRoomError as error:
                if self._is_over:
                    raise
                if not self._told:
                    self._told = True
                    self._say("error", f"{error}; it goes on by itself once there is room")
                await asyncio.sleep(RETRY_S)
            else:
                if self._told:
                    self._told = False
                    self._say("info", "there is room on the disk again")
                return done


async def watch_reserve(reserve: Reserve, say: Say) -> None:
    """Says when the workers begin and cease to wait for room, for ever."""
    before = ""
    while True:
        lacking = await asyncio.to_thread(reserve.lacking)  # A disk that fails may take its time.
        if lacking and not before:
            say("error", f"the run waits {lacking}; it goes on by itself once there is")
        elif before and not lacking:
            say("info", "there is room on the disk again")
        before = lacking
        await asyncio.sleep(RETRY_S)
