"""The served screen: who is let in, what a visitor's process is, and that nothing stays behind."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from backend.rundir import SUPERVISOR, RunDirectory
from tests.limits import PATIENCE_S
from tests.tui.test_client import until
from tui.web import server as serving_module
from tui.web.guard import stranger
from tui.web.server import MAX_VISITORS, RunServer, ServingError, serving

VISITOR = Path(__file__).with_name("visitor.py")
ODD_FOLDER = "a; touch 'hacked' $(touch hacked) \"&"


class Door:
    """A server on a free port, and a browser in front of it."""

    def __init__(self, server: RunServer, address: str, browser: aiohttp.ClientSession) -> None:
        self.server = server
        self.address = address
        self.root = address.partition("?")[0]
        self.host = urlsplit(address).netloc
        self.browser = browser

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.browser.get(self.root + path.lstrip("/"), headers=headers) as response:
            return response.status, await response.text()

    async def enter(self) -> None:
        async with self.browser.get(self.address) as response:
            assert response.status == 200

    async def look(self, origin: str = "", query: str = "") -> aiohttp.ClientWebSocketResponse:
        return await self.browser.ws_connect(
            f"{self.root}ws{query}", origin=origin or self.root.rstrip("/")
        )


async def said(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    async with asyncio.timeout(PATIENCE_S):
        words = json.loads(await socket.receive_bytes())
    assert isinstance(words, list)
    return [str(word) for word in words]


@asynccontextmanager
async def door(tmp_path: Path, *words: str, has_supervisor: bool = True) -> AsyncIterator[Door]:
    run = RunDirectory(tmp_path / ODD_FOLDER / "demo")
    run.path.parent.mkdir()
    run.create()
    visit = [sys.executable, str(VISITOR), "--run", str(run.path), *words]
    lock = run.lock(SUPERVISOR)
    if not has_supervisor:
        lock.release()
    with lock:
        # Cookies of an address without a name are kept only when that is asked for.
        jar = aiohttp.CookieJar(unsafe=True)
        server = RunServer(run, visit, 0)
        async with (
            serving(server) as address,
            aiohttp.ClientSession(cookie_jar=jar) as browser,
        ):
            yield Door(server, address, browser)


# Who is let in ------------------------------------------------------------------------------------


async def test_without_the_token_everything_is_refused_with_a_line(tmp_path: Path) -> None:
    async with door(tmp_path) as place:
        for path in ("/", "/page.js", "/static/js/textual.js", "/download/x", "/nothing"):
            status, text = await place.get(path)
            assert (status, text.count("\n")) == (403, 1)
            assert "open the address that matrix0-tui --serve has printed" in text
        assert (await place.get("/?token=wrong"))[0] == 403
        assert (await place.get("/?token=%C3%A4%00"))[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await place.look()


async def test_the_token_becomes_a_cookie_and_leaves_the_address(tmp_path: Path) -> None:
    async with door(tmp_path) as place:
        async with place.browser.get(place.address) as response:
            text = await response.text()
            assert response.url.query_string == ""
            (redirect,) = response.history
            cookie = redirect.headers["Set-Cookie"]
            policy = response.headers["Content-Security-Policy"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "default-src 'none'" in policy
        assert f'"ws://{place.host}/ws"' in text
        assert "http" not in text.replace("https", "http").replace(place.root, "")
        for path in ("/", "/page.js", "/static/js/textual.js", "/static/css/xterm.css"):
            assert (await place.get(path))[0] == 200
        assert (await place.get("/static/"))[0] in (403, 404)


@pytest.mark.parametrize(
    ("host", "origin", "is_socket", "said"),
    [
        ("127.0.0.1:8000", None, False, ""),
        ("localhost:9000", "http://localhost:9000", True, ""),
        ("evil.example:8000", None, False, "only http://127.0.0.1"),
        ("127.0.0.1.evil.example:8000", None, False, "only http://127.0.0.1"),
        ("localhost@evil.example", None, False, "only http://127.0.0.1"),
        ("[", None, False, "only http://127.0.0.1"),
        ("", None, False, "only http://127.0.0.1"),
        ("127.0.0.1:8000", "http://evil.example", True, "other origins"),
        ("127.0.0.1:8000", "http://127.0.0.1:3000", True, "other origins"),
        ("127.0.0.1:8000", "https://127.0.0.1:8000", False, "other origins"),
        ("127.0.0.1:8000", "null", True, "other origins"),
        ("127.0.0.1:8000", None, True, "without Origin"),
    ],
)
def test_only_this_machine_and_this_very_page_may_speak(
    host: str, origin: str | None, is_socket: bool, said: str
) -> None:
    reason = stranger(host, origin, is_socket)
    assert said in reason
    assert bool(said) == bool(reason)


async def test_a_rebound_name_and_a_page_of_others_are_refused_even_with_the_cookie(
    tmp_path: Path,
) -> None:
    async with door(tmp_path) as place:
        await place.enter()
        status, text = await place.get("/", Host="evil.example")
        assert (status, text) == (
            403,
            "Matrix0: only http://127.0.0.1 and http://localhost are served.\n",
        )
        assert (await place.get("/", Origin="http://evil.example"))[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await place.look(origin="http://evil.example")


async def test_without_a_supervisor_the_page_says_so(tmp_path: Path) -> None:
    async with door(tmp_path, has_supervisor=False) as place:
        async with place.browser.get(place.address) as response:
            assert response.status == 503
            assert "no supervisor is at work" in await response.text()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await place.look()


# Visitors -----------------------------------------------------------------------------------------


async def test_a_visitor_is_a_process_of_exactly_these_words_and_hears_the_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with door(tmp_path, "--read-only") as place:
        await place.enter()
        socket = await place.look(query="?width=120&height=99999999")
        pid, *words = await said(socket)
        assert words == ["--run", str(tmp_path / ODD_FOLDER / "demo"), "--read-only", "120", "1000"]
        assert not (tmp_path / "hacked").exists()
        await socket.send_json(["stdin", '["key"]'])
        assert await said(socket) == ["key"]
        await socket.close()
        await until(lambda: not psutil.pid_exists(int(pid)))


async def test_more_visitors_than_the_cap_are_turned_away_until_one_leaves(tmp_path: Path) -> None:
    async with door(tmp_path) as place:
        await place.enter()
        sockets = [await place.look() for _ in range(MAX_VISITORS)]
        with pytest.raises(aiohttp.WSServerHandshakeError, match="503"):
            await place.look()
        status, text = await place.get("/")
        assert status == 503
        assert "close one" in text
        await sockets[0].close()
        await until(lambda: len(place.server.visitors) < MAX_VISITORS)
        assert (await place.get("/"))[0] == 200
        await (await place.look()).close()


async def test_the_end_of_the_server_ends_all_visitors_also_stubborn_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_module, "END_S", 0.3)
    async with door(tmp_path, "stubborn") as place:
        await place.enter()
        pids = [int((await said(await place.look()))[0]) for _ in range(2)]
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


async def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    async with door(tmp_path) as place:
        port = urlsplit(place.address).port
        assert port is not None
        with pytest.raises(ServingError, match=f"port {port} of 127.0.0.1: .*--port"):
            async with serving(RunServer(RunDirectory(tmp_path), [], port)):
                pass
