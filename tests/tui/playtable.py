"""The running play screen with a scripted opponent, for the tests that sit down at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

import chess
from textual.pilot import Pilot

from backend.play.opponents import Opponent
from backend.rundir import RunDirectory
from tests.tui.plain import plain
from tests.tui.scripted_engine import NETWORK, Script
from tui.glyphs import ASCII, UNICODE
from tui.playapp import PlayApp
from tui.playing import Playing, Setup
from tui.screens.play import PlayScreen

NOW = datetime(2026, 7, 30, 12, 0, 5)


class Table:
    """The running screen with the script behind it."""

    def __init__(self, app: PlayApp, pilot: Pilot[int], script: Script) -> None:
        self.app, self.pilot, self.script = app, pilot, script

    @property
    def playing(self) -> Playing:
        return self.app.play.playing

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, move: str) -> None:
        await self.press(*("equals_sign" if char == "=" else char for char in move), "enter")

    async def reply(self, move: str, white: float = 0.0) -> None:
        self.script.reply(move, white)
        await self.pilot.pause()

    @property
    def toasts(self) -> list[str]:
        return [notification.message for notification in self.app._notifications]

    @property
    def seen(self) -> str:
        return plain(self.app).text


@asynccontextmanager
async def table(
    size: tuple[int, int] = (80, 24),
    *,
    ascii: bool = False,
    human: chess.Color = chess.WHITE,
    opponent: Opponent = NETWORK,
    fen: str = "",
    run: RunDirectory | None = None,
) -> AsyncIterator[Table]:
    script = Script()
    playing = Playing(script, Setup(opponent, human), NETWORK)
    if fen:
        playing.game.board.set_fen(fen)
    glyphs = ASCII if ascii else UNICODE
    play = PlayScreen(script, playing, run=run, glyphs=glyphs, now=lambda: NOW)
    app = PlayApp(play)
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.pause()
        yield Table(app, pilot, script)


async def opened(place: Table) -> None:
    """A few moves with a blunder, hints shown, a piece taken up."""
    script = place.script
    script.reply("e2e4", 0.04)
    for mine, theirs, before, after in (
        ("e4", "e7e5", 0.05, 0.06),
        ("Bc4", "b8c6", 0.04, 0.1),
        ("Qh5", "g8f6", 0.08, 0.97),
    ):
        await place.type(mine)
        await place.reply(theirs, before)
        script.reply("g1f3" if theirs != "g8f6" else "h5f7", after, final=theirs == "g8f6")
    await place.press("i")
    await place.reply("h5f7", 0.97)
