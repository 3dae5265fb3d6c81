"""The part of the application that gives orders to a run: questions first, settings, menus.

A worker and a checkpoint have a menu, for a mouse and for Enter: what their keys do, and why some
of it cannot be done now.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

from textual import on
from textual.app import SystemCommand

from backend.errors import CheckpointError
from backend.events import Level
from backend.state import RunState
from tui import format as fmt
from tui.action import Action, Context
from tui.actions import BY_ID
from tui.panes.checkpoints import CheckpointsPane
from tui.panes.workers import WorkersPane
from tui.past import PastRuns
from tui.screens.confirm import ConfirmScreen

OF_WORKER: Final = ("worker-pause", "worker-restart", "copy")
OF_CHECKPOINT: Final = ("evaluate", "promote", "verify", "diff", "delete", "copy")


class Orders(PastRuns):
    @property
    def context(self) -> Context:
        """What decides on actions now."""
        raise NotImplementedError

    def toast(self, text: str, level: Level = "info") -> None:
        raise NotImplementedError

    def action_act(self, id: str) -> None:
        """Do an action, or say why not."""
        raise NotImplementedError

    def order(self, action: Action, context: Context) -> None:
        """Give the order of an action; the answer is shown when it comes."""
        self.run_worker(self._order(action, context), group="orders")

    async def _order(self, action: Action, context: Context) -> None:
        assert action.command is not None
        question = action.confirm(context) if action.confirm is not None else ""
        if question and not await self.push_screen_wait(ConfirmScreen(question)):
            return
        reply = await self.link.request(action.command(context))
        if self.link.state.phase == "stopped":
            return
        if reply.refused:
            self.toast(f"{action.title}: {reply.refused}", "warning")
        else:
            self.toast(reply.text or f"{action.title}: done")

    # Settings ------------------------------------------------------------------------------------

    def change_setting(self, name: str = "") -> None:
        """Asks for the value of one setting, or says why not."""
        if reason := BY_ID["tune"].refused(self.context):
            self.toast(f"Change {name}: {reason}", "warning")
        else:
            self.run_worker(self._tune(name), group="orders")

    async def _tune(self, name: str) -> None:
        """Asks for a setting and its value until one is set or nothing is wanted."""
        from tui.screens.tuning import SettingScreen

        dialog = SettingScreen(self.link.state, self.link.request, name)
        if done := await self.push_screen_wait(dialog):
            self.toast(done)

    # Menus ---------------------------------------------------------------------------------------

    @on(WorkersPane.Chosen)
    def _worker_chosen(self) -> None:
        self._open_menu(self.context.worker, OF_WORKER)

    @on(CheckpointsPane.Chosen)
    def _checkpoint_chosen(self) -> None:
        self._open_menu(self.context.checkpoint, OF_CHECKPOINT)

    def _open_menu(self, subject: str, ids: tuple[str, ...]) -> None:
        """At once, not by a worker: the next key is for the menu."""
        from tui.screens.menu import Entry, MenuScreen

        context = self.context
        actions = [BY_ID[id] for id in ids]
        entries = [Entry(a.id, context.key_of(a), a.title, a.why_not(context)) for a in actions]
        self.push_screen(MenuScreen(subject, entries), self._chosen)

    def _chosen(self, id: str | None) -> None:
        if id:
            self.action_act(id)

    def checkpoint_commands(self) -> Iterable[SystemCommand]:
        """Every checkpoint, for the palette."""
        best = self.link.state.best
        for view in reversed(self.link.state.checkpoints):
            is_best = " (best)" if view.name == best else ""
            yield SystemCommand(
                f"Checkpoint {fmt.network(view.name)}{is_best}",
                "Evaluate, promote, verify, compare with another, delete",
                partial(self._go_to_checkpoint, view.name),
            )

    def _go_to_checkpoint(self, name: str) -> None:
        self.dashboard.select_checkpoint(name)
        self._open_menu(name, OF_CHECKPOINT)

    # Two checkpoints -----------------------------------------------------------------------------

    def compare_checkpoints(self) -> None:
        """The one under the cursor and another, which is asked for."""
        from tui.screens.checkpoints import OtherScreen

        state, name = self.context.state, self.context.checkpoint

        def compare(other: str | None) -> None:
            if other:
                self.run_worker(self._compare(other, name, state), group="reading")

        self.push_screen(OtherScreen(state, name, self.glyphs), compare)

    async def _compare(self, a: str, b: str, state: RunState) -> None:
        from tui.screens.checkpoints import compared_page

        folder = self.run_dir / "checkpoints"
        try:
            page = await asyncio.to_thread(compared_page, folder, a, b, state, self.glyphs)
        except CheckpointError as error:
            self.toast(f"{BY_ID['diff'].title}: {error}", "warning")
        else:
            self.push_screen(page)
