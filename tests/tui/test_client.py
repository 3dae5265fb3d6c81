"""The client against a real Unix socket."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backend import commands as c
from backend import events as e
from backend.state import RunState
from backend.wire import Happened, Reply, encode
from tests.limits import PATIENCE_S
from tests.tui import scenario
from tests.tui.fake_supervisor import supervised
from tui.client import Client, describe_exit


@asynccontextmanager
async def attached(run_dir: Path, **options: Any) -> AsyncIterator[Client]:
    """A client that runs until the test is over."""
    client = Client(run_dir / "socket", first_delay_s=0.01, longest_delay_s=0.02, **options)
    task = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Let others work until the condition holds; fail at the limit."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - there is nothing to wait on but the state itself
            await asyncio.sleep(0.002)


def _state_of(pid: int) -> RunState:
    return scenario.fold_all(scenario.beginning(pid))


async def test_the_snapshot_is_the_state_and_events_are_folded(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        assert link.state == state
        server.say(*scenario.story(100))
        await until(lambda: link.state.step == 100)
        assert link.state == server.state


async def test_a_snapshot_as_long_as_a_whole_run_is_read(short_dir: Path) -> None:
    state = scenario.rich_state(2340)
    async with supervised(short_dir, short_dir / "s", state), attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        assert link.state == state


async def test_events_that_the_snapshot_has_already_are_not_folded_twice(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        event = e.LogLine(source="a", level="info", text="again")
        server.say(event)
        server.raw(encode(Happened(seq=server.seq, event=event)))
        server.say(e.LogLine(source="a", level="info", text="last"))
        await until(lambda: link.state.log[-1].text == "last")
        assert [line.text for line in link.state.log].count("again") == 1


async def test_a_request_gets_its_own_answer(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")

        def answer(command: c.ClientCommand) -> Reply:
            if isinstance(command, c.Promote):
                return Reply(id=0, refused=f"no checkpoint {command.name}")
            return Reply(id=0, text=type(command).__name__)

        server.answer = answer
        pause, refused = await asyncio.gather(
            link.request(c.PauseRun()), link.request(c.Promote(name="x", reason="test"))
        )
        assert (pause.text, pause.refused) == ("PauseRun", "")
        assert refused.refused == "no checkpoint x"


async def test_a_silent_supervisor_is_a_refusal_after_the_limit(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with (
        supervised(short_dir, short_dir / "s", state) as server,
        attached(short_dir, reply_s=0.05) as link,
    ):
        await until(lambda: link.view.status == "connected")
        server.answer = lambda command: None
        assert "no answer" in (await link.request(c.PauseRun())).refused


async def test_a_request_without_a_connection_is_refused_at_once(tmp_path: Path) -> None:
    client = Client(tmp_path / "socket")
    assert (await client.request(c.PauseRun())).refused == "not connected to the supervisor"


async def test_a_broken_connection_is_seen_and_mended_with_a_new_snapshot(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        await server.stop()
        await until(lambda: link.view.status == "lost")
        assert link.state == state
        server.say(*scenario.story(50))
        await server.start()
        await until(lambda: link.view.status == "connected")
        assert link.state == server.state


async def test_a_request_that_is_pending_when_the_connection_breaks_is_refused(
    short_dir: Path,
) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        server.answer = lambda command: None
        pending = asyncio.create_task(link.request(c.CheckpointNow()))
        await until(lambda: bool(server.received))
        await server.stop()
        assert "connection broke" in (await pending).refused


async def test_a_line_that_is_no_message_breaks_the_connection_not_the_client(
    short_dir: Path,
) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        server.connected.clear()
        server.raw(b'{"type":"event","seq":"what"}\n')
        await server.connected.wait()
        await until(lambda: link.view.status == "connected")
        server.say(e.LogLine(source="a", level="info", text="still here"))
        await until(lambda: any(line.text == "still here" for line in link.state.log))


async def test_before_the_supervisor_is_there_the_client_waits_and_says_for_what(
    short_dir: Path,
) -> None:
    async with attached(short_dir) as link:
        await asyncio.sleep(0)
        assert (link.view.status, link.view.detail) == ("waiting", "no socket yet")
        async with supervised(short_dir, short_dir / "s", _state_of(os.getpid())):
            await until(lambda: link.view.status == "connected")


async def test_a_supervisor_that_dies_before_it_speaks_is_seen_with_its_exit_code(
    short_dir: Path,
) -> None:
    client = Client(short_dir / "socket", supervisor_exit=lambda: 73, first_delay_s=0.01)
    task = asyncio.create_task(client.run())
    await until(lambda: client.view.status == "died")
    assert client.view.detail == "the supervisor ended with exit code 73 (locked)"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_a_supervisor_whose_process_is_gone_is_not_called_merely_lost(
    short_dir: Path,
) -> None:
    child = await asyncio.create_subprocess_exec("true")
    await child.wait()
    async with (
        supervised(short_dir, short_dir / "s", _state_of(child.pid)) as server,
        attached(short_dir) as link,
    ):
        await until(lambda: link.view.status == "connected")
        await server.stop()
        await until(lambda: link.view.status == "died")
        assert link.view.detail == f"the supervisor (pid {child.pid}) is gone"


async def test_another_protocol_is_refused_for_good(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server:
        server.protocol = 99
        client = Client(short_dir / "socket", first_delay_s=0.01)
        async with asyncio.timeout(PATIENCE_S):
            await client.run()
        assert client.view.status == "refused"
        assert "protocol 99" in client.view.detail


async def test_the_end_of_the_run_ends_the_link(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server:
        client = Client(short_dir / "socket", first_delay_s=0.01)
        task = asyncio.create_task(client.run())
        await until(lambda: client.view.status == "connected")
        server.say(e.RunStopped(reason="5 cycles are done", exit_code=0))
        async with asyncio.timeout(PATIENCE_S):
            await task
        assert client.view.status == "ended"
        assert client.state.stop_reason == "5 cycles are done"


async def test_a_flood_of_events_leaves_the_event_loop_its_turns(short_dir: Path) -> None:
    state = _state_of(os.getpid())
    async with supervised(short_dir, short_dir / "s", state) as server, attached(short_dir) as link:
        await until(lambda: link.view.status == "connected")
        server.say(*(e.LogLine(source="a", level="info", text=f"line {i}") for i in range(3000)))
        seen: list[int] = []
        while not link.state.log or link.state.log[-1].text != "line 2999":
            seen.append(link.version)
            await asyncio.sleep(0)
        assert len(set(seen)) > 10


@pytest.mark.parametrize(
    ("code", "text"),
    [(64, "exit code 64 (config)"), (-9, "signal 9"), (3, "exit code 3")],
)
def test_exit_codes_in_words(code: int, text: str) -> None:
    assert describe_exit(code) == text
