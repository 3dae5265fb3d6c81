"""Who may speak to the served screen: a browser on this machine that was given the address.

    Host    names this machine; a stranger's name that resolves to it (DNS rebinding) is refused
    Origin  is this very page: pages of others may not open our socket from the same browser
    token   random, in the address that is printed; from then on a cookie

Everything else is answered 403 and a line that says why.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOSTS: Final = frozenset({"127.0.0.1", "localhost"})
"""Any port: through `ssh -L` the browser's differs from ours."""
COOKIE_S: Final = 30 * 24 * 3600


def new_token() -> str:
    return secrets.token_urlsafe(24)


def cookie_name(port: int) -> str:
    """Cookies do not tell ports apart, and two runs may be served at once."""
    return f"matrix0-{port}"


def guard(token: str, cookie: str) -> Middleware:
    """The middleware of all routes; `token` is also what the cookie holds."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if reason := stranger(request.host, request.headers.get("Origin"), request.path == "/ws"):
            return refused(reason)
        given = request.query.get("token")
        if given is not None and request.path == "/":
            if not same(given, token):
                return refused("this is not the token of the present server: it prints a new one")
            # The address without the token is what history and bookmarks keep.
            response = web.Response(status=303, headers={"Location": "/"})
            response.set_cookie(
                cookie, token, max_age=COOKIE_S, httponly=True, samesite="Strict", path="/"
            )
            return response
        if not same(request.cookies.get(cookie, ""), token):
            return refused("open the address that matrix0-tui --serve has printed")
        return await handler(request)

    return check


def stranger(host: str, origin: str | None, is_socket: bool) -> str:
    """Why a request with these headers is not answered; empty when it is."""
    if hostname(host) not in HOSTS:
        return "only http://127.0.0.1 and http://localhost are served"
    if origin is None:
        # Every browser sends it with a WebSocket.
        return "a socket without Origin is not a browser's" if is_socket else ""
    return "" if origin == f"http://{host}" else "pages of other origins have no business here"


def hostname(host: str) -> str:
    """The name in a Host header, empty when there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def same(given: str, wanted: str) -> bool:
    """In a time that tells nothing about how much of it was right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())


def refused(reason: str, status: int = 403) -> web.Response:
    return web.Response(status=status, text=f"Matrix0: {reason}.\n")


async def harden(request: web.Request, response: web.StreamResponse) -> None:
    """What the browser is told besides: nothing from elsewhere, in nobody's frame, kept nowhere."""
    socket = f"ws://{request.host}" if hostname(request.host) in HOSTS else ""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; font-src 'self'; connect-src 'self' {socket}; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
