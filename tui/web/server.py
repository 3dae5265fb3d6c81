"""Serves the screen of a running supervisor to browsers on this machine, by textual-serve.

    browser ── http, WebSocket ──► this process ── pipes ──► one `matrix0 visit` for each visitor
                                                                    │ attaches as any other screen
                                                                    ▼
                                                               supervisor

textual-serve has no login, checks no origin, starts its children through a shell and asks the
network for a font. So the routes stand behind `guard`, the page is our own, and the children are
started by an argument list. There is no way to serve other machines: whoever sees the screen may
stop the run and read games, over plain HTTP. `ssh -L` does it with a login and encrypted.
"""

import asyncio
import contextlib
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from aiohttp import WSCloseCode, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager
from textual_serve.server import Server, to_int

from backend.errors import ExitCode, Matrix0Error
from backend.processes import child_command
from backend.rundir import RunDirectory
from tui.web.guard import cookie_name, guard, harden, new_token, refused

ADDRESS: Final = "127.0.0.1"
MAX_VISITORS: Final = 4
"""Screens at once; each is a process of some 60 MB."""
MAX_CELLS: Final = 1000
"""Columns, and rows: what a browser asks for beyond is no screen."""
END_S: Final = 3.0
"""What a visitor's process gets to end in before it is killed."""
HERE: Final = files("tui.web")
STATIC: Final = files("textual_serve") / "static"
DRIVER: Final = "tui.web.visitor:VisitorDriver"


class ServingError(Matrix0Error):
    """The screen cannot be served."""

    exit_code = ExitCode.USAGE


class Visitor(AppService):
    """The process behind one page."""

    def __init__(
        self, argv: Sequence[str], socket: web.WebSocketResponse, downloads: DownloadManager
    ) -> None:
        async def close() -> None:
            await socket.close()

        super().__init__(
            "",
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=close,
            download_manager=downloads,
        )
        self._argv = list(argv)

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        environment = super()._build_environment(_cells(width), _cells(height))
        return environment | {"TEXTUAL_DRIVER": DRIVER, "PYTHONUTF8": "1"}

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        # As the method it replaces, without a shell: a run may be called anything.
        self._process = process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        self._stdin = process.stdin
        return process

    async def set_terminal_size(self, width: int, height: int) -> None:
        await super().set_terminal_size(_cells(width), _cells(height))

    async def stop(self) -> None:
        """Ask the process to end, wait, kill."""
        process = self._process
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await super().stop()
                if process is not None:
                    await process.wait()
                return
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class RunServer(Server):
    """Routes, visitors, and their end."""

    def __init__(self, run: RunDirectory, visit: Sequence[str], port: int) -> None:
        """`visit` is the command line of a visitor's process."""
        super().__init__("", host=ADDRESS, port=port)
        self.run = run
        self.token = new_token()
        self._visit = visit
        self.visitors: set[web.WebSocketResponse] = set()

    async def _make_app(self) -> web.Application:
        app = web.Application(middlewares=[guard(self.token, cookie_name(self.port))])
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/page.js", self._script),
                web.get("/ws", self.handle_websocket),
                web.get("/download/{key}", self.handle_download),
                web.static("/static", Path(str(STATIC))),
            ]
        )
        app.on_response_prepare.append(harden)
        app.on_shutdown.append(self.on_shutdown)
        return app

    def _no_entry(self) -> str:
        """Why nobody can be let in now; empty when somebody can."""
        holder = self.run.holder()
        if holder is None or not holder.is_supervisor:
            return (
                f"no supervisor is at work on {self.run.name}; start it, then load this page again"
            )
        if len(self.visitors) >= MAX_VISITORS:
            return f"{MAX_VISITORS} pages show this run already; close one, then load this again"
        return ""

    async def _page(self, request: web.Request) -> web.StreamResponse:
        if reason := self._no_entry():
            return refused(reason, status=503)
        size = min(40, max(6, to_int(request.query.get("fontsize", "16"), 16)))
        page = (HERE / "page.html").read_text(encoding="utf-8")
        page = page.replace("{host}", request.host).replace("{fontsize}", str(size))
        return web.Response(text=page, content_type="text/html")

    async def _script(self, request: web.Request) -> web.StreamResponse:
        script = (HERE / "page.js").read_text(encoding="utf-8")
        return web.Response(text=script, content_type="text/javascript")

    # textual-serve promises a WebSocketResponse; we may also refuse.
    async def handle_websocket(self, request: web.Request) -> web.StreamResponse:  # type: ignore[override]
        """One visitor, from the first drawing to the last."""
        if reason := self._no_entry():
            return refused(reason, status=503)
        socket = web.WebSocketResponse(heartbeat=15, timeout=END_S)
        self.visitors.add(socket)
        visitor = Visitor(self._visit, socket, self.download_manager)
        try:
            await socket.prepare(request)
            query = request.query
            width, height = to_int(query.get("width", ""), 80), to_int(query.get("height", ""), 24)
            await visitor.start(width, height)
            await self._process_messages(socket, visitor)
        finally:
            await visitor.stop()
            self.visitors.discard(socket)
        return socket

    async def on_shutdown(self, app: web.Application) -> None:
        for socket in list(self.visitors):
            await socket.close(code=WSCloseCode.GOING_AWAY)


def _cells(number: int) -> int:
    return min(MAX_CELLS, max(1, number))


def serve_run(
    run: RunDirectory,
    *,
    port: int,
    visit: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM; the run goes on. ServingError when the port is taken.

    Port 0 is any free one. `visit` is what else `matrix0 visit` is told. `say` is told the address,
    token included.
    """
    server = RunServer(run, child_command("visit", "--run", str(run.path), *visit), port)
    asyncio.run(_serve(server, say))


async def _serve(server: RunServer, say: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ended.set)
    async with serving(server) as address:
        say(address)
        await ended.wait()


@contextlib.asynccontextmanager
async def serving(server: RunServer) -> AsyncIterator[str]:
    """The address, token included; at the end all visitors are gone."""
    runner = web.AppRunner(await server._make_app(), access_log=None, shutdown_timeout=END_S + 1)
    await runner.setup()
    try:
        await web.TCPSite(runner, ADDRESS, server.port).start()
        yield f"http://{ADDRESS}:{runner.addresses[0][1]}/?token={server.token}"
    except OSError as error:
        raise ServingError(
            f"port {server.port} of {ADDRESS}: {error.strerror}; choose another with --port"
        ) from error
    finally:
        await runner.cleanup()
