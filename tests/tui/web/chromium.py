"""A headless Chromium behind the DevTools protocol: loads a page, presses keys, takes pictures."""

import asyncio
import base64
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_S = 60.0


class Browser:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._id = 0
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._id += 1
        await self._socket.send_json({"id": self._id, "method": method, "params": params})
        async with asyncio.timeout(PATIENCE_S):
            while True:
                message = await self._socket.receive_json()
                if message.get("id") == self._id:
                    assert "error" not in message, message
                    return dict(message["result"])
                self.events.append(message)

    async def evaluate(self, script: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=script)
        return found["result"].get("value")

    async def until(self, happened: Callable[[], bool], told: str) -> None:
        """Listen until it is so."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not happened():
                    await self.evaluate("0")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{told}: {self.events[-5:]}") from None

    async def press(self, key: str) -> None:
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def picture(self) -> bytes:
        """PNG."""
        return base64.b64decode((await self.call("Page.captureScreenshot"))["data"])

    @property
    def requested(self) -> list[str]:
        """Every address that was asked for."""
        asked = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        opened = [
            event["params"]["url"]
            for event in self.events
            if event["method"] == "Network.webSocketCreated"
        ]
        return asked + opened

    @property
    def drawn(self) -> str:
        """All bytes that the screen has sent, as text with its escape sequences."""
        frames = [
            event["params"]["response"]
            for event in self.events
            if event["method"] == "Network.webSocketFrameReceived"
        ]
        data = b"".join(base64.b64decode(f["payloadData"]) for f in frames if f["opcode"] == 2)
        return data.decode("utf-8", "replace")


@asynccontextmanager
async def chromium(url: str) -> AsyncIterator[Browser]:
    """The browser with `url` opened. Skips the test where there is none."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no browser here: none of {', '.join(NAMES)} is on the path")
    with tempfile.TemporaryDirectory(prefix="m0-", ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "--window-size=1280,900",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            port = await _port(process)
            async with aiohttp.ClientSession() as session:
                async with session.get(f"http://127.0.0.1:{port}/json/list") as response:
                    tabs = await response.json()
                (tab,) = [t for t in tabs if t["type"] == "page"]
                async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                    browser = Browser(ws)
                    await browser.call("Network.enable")
                    await browser.call("Page.enable")
                    await browser.call("Page.navigate", url=url)
                    yield browser
        finally:
            process.terminate()
            await process.wait()


async def _port(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    seen = b""
    async with asyncio.timeout(PATIENCE_S):
        async for line in process.stderr:
            seen += line
            if found := re.search(rb"DevTools listening on ws://[^:]+:(\d+)/", line):
                return found.group(1).decode()
    raise AssertionError(f"the browser did not start: {seen[-500:]!r}")
