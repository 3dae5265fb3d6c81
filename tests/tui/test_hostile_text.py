"""Text of others never reaches a terminal, a log or a page as more than text, and ends nothing."""

import ast
import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import msgspec
import pytest

from backend import headless
from backend.commands import CLIENT_COMMANDS
from backend.events import EVENT_TYPES, LogLine, RunStarted, RunStopped, WorkerReady
from backend.ledger import Ledger
from backend.text import CleanStream, clean, cleaned
from backend.wire import Happened, Hello, Request, decode_event, decode_request, encode
from tests.limits import PATIENCE_S
from tests.tui import scenario
from tests.tui.hostile_text import FORBIDDEN, MARKUP, PAYLOAD, filled, holds_payload
from tui.logbook import lines_of

ROOT = Path(__file__).resolve().parents[2]
LOG = b"l"
SHOWN = b"gnp"
"""Of the hostile text; the page of the log has it."""
KEYS = b"gca?h/\x1b\t\r"
"""Pages, lists and dialogs; what none of them knows is passed over."""


def test_every_message_is_clean_behind_the_wire() -> None:
    for kind in EVENT_TYPES:
        event = filled(kind)
        heard = decode_event(encode(event).rstrip())
        assert not holds_payload(repr(heard).encode("utf-8", "surrogateescape")), kind
        assert heard == cleaned(event)
        text = msgspec.json.encode(heard).decode()
        assert not re.search(r"\\u00|[\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text), kind
        assert MARKUP in text or "3" in text
    for command in CLIENT_COMMANDS:
        request = decode_request(encode(Request(1, filled(command))).rstrip())
        assert not holds_payload(msgspec.json.encode(request)), command


def test_what_is_clean_is_left_as_it_is() -> None:
    event = LogLine(source="sp0", level="info", text="a\nb é 中 🙂")
    assert cleaned(event) is event
    assert clean("x" * 5000) == "x" * 2000


def test_the_ledger_hears_and_writes_clean_text_only() -> None:
    nothing: object = None
    ledger = Ledger(nothing, nothing)  # type: ignore[arg-type]
    listener = ledger.listen()
    for kind in EVENT_TYPES:
        if kind is not RunStopped:
            ledger.publish(
                filled(kind, worker="sp0") if "worker" in kind.__struct_fields__ else filled(kind)
            )
    ledger.end()
    assert not holds_payload(msgspec.json.encode(ledger.state))
    while (happened := listener._queue.get_nowait()) is not None:
        assert not holds_payload(encode(happened))
        assert not holds_payload(repr(lines_of(happened.event)).encode())


def test_the_progress_of_a_run_without_a_screen_is_clean(capfdbinary: object) -> None:
    nothing: object = None
    ledger = Ledger(nothing, nothing)  # type: ignore[arg-type]
    printers = [headless._choose_printer(as_json) for as_json in (True, False)]
    for kind in EVENT_TYPES:
        event = cleaned(filled(kind))
        ledger.publish(event)
        for printer in printers:
            printer.happened(event, ledger.state)
            printer.tick(ledger.state)
    for printer in printers:
        printer.end(ledger.state)
    out, err = capfdbinary.readouterr()  # type: ignore[attr-defined]
    assert len(out) > 5000
    assert not holds_payload(out + err)


def test_a_worker_s_log_file_is_clean(tmp_path: Path) -> None:
    code = (
        "from backend.text import clean_standard_streams as c; import sys, warnings; c()\n"
        f"text = {PAYLOAD!r}\n"
        "print(text); warnings.warn(text); sys.stderr.write(text)\n"
        "sys.stdout.flush()\nraise ValueError(text)"
    )
    log = tmp_path / "log"
    with log.open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", code], stdout=file, stderr=file, cwd=ROOT, check=False
        )
    assert log.read_bytes().count(b"second line") == 4
    assert not holds_payload(log.read_bytes())
    assert isinstance(CleanStream(sys.stderr).fileno(), int)


@pytest.fixture
def terminal() -> "tuple[int, int]":
    own, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 45, 160, 0, 0))
    return own, other


@pytest.mark.slow
def test_a_terminal_gets_no_byte_of_it_and_the_screen_stays_up(
    tmp_path: Path, terminal: tuple[int, int]
) -> None:
    """The real program on a real terminal, told hostile events by a supervisor that cleans none."""
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    socket = tmp_path / "s"
    asyncio.run(_show(run_dir, socket, terminal))


async def _show(run_dir: Path, socket: Path, terminal: tuple[int, int]) -> None:
    own, other = terminal
    begun = scenario.rich_state()
    sent, over = asyncio.Event(), asyncio.Event()

    async def supervise(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Hello(protocol=1, seq=0, state=begun)))
        seq = 0
        for worker in ("selfplay-0", PAYLOAD):
            for kind in EVENT_TYPES:
                if kind in (RunStopped, RunStarted):
                    continue
                named = {"worker": worker} if "worker" in kind.__struct_fields__ else {}
                seq += 1
                writer.write(encode(Happened(seq, filled(kind, at=scenario.START, **named))))
        ready = WorkerReady(worker="x", role="trainer", pid=1, device="MARKER", reason="r")
        writer.write(encode(Happened(seq + 1, ready)))
        writer.write(
            encode(Happened(seq + 2, LogLine(at=1.0, source="s", level="info", text="ENDMARK")))
        )
        await writer.drain()
        sent.set()
        await over.wait()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_unix_server(supervise, socket)
    (run_dir / "socket").write_text(f"{socket}\n")
    where = f"Path({str(run_dir)!r})"
    code = f"from pathlib import Path; from tui.running import run_app; run_app({where})"
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    process = subprocess.Popen(  # noqa: ASYNC220 - to start it takes no time
        [sys.executable, "-c", code],
        stdin=other,
        stdout=other,
        stderr=other,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )
    os.close(other)
    seen = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await sent.wait()
        await asyncio.to_thread(_read, own, seen, b"ENDMARK", PATIENCE_S)
        os.write(own, LOG)
        await asyncio.to_thread(_read, own, seen, SHOWN, PATIENCE_S)
        for key in KEYS:
            os.write(own, bytes([key]))
            await asyncio.to_thread(_read, own, seen, None, 0.3)
        assert process.poll() is None, bytes(seen[-3000:])
        assert SHOWN in seen
        assert not holds_payload(bytes(seen))
    finally:
        process.kill()
        process.wait()
        os.close(own)
        over.set()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)


def _read(fd: int, seen: bytearray, wanted: bytes | None, seconds: float) -> None:
    """Until `wanted` was seen, or for so long."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and (wanted is None or wanted not in seen):
        if select.select([fd], [], [], left)[0]:
            try:
                seen += os.read(fd, 65536)
            except OSError:
                return


def test_the_check_would_see_it() -> None:
    assert len(holds_payload(PAYLOAD.encode())) >= 4
    assert len(FORBIDDEN) == 6


WIDGETS = ("Static", "Label", "RichLog", "Log", "notify")
"""Of Textual; they read markup unless they are told not to."""


def _name(func: ast.expr) -> str:
    return func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")


def test_no_widget_reads_markup_and_no_command_prints_past_the_cleaner() -> None:
    for path in (ROOT / "tui").rglob("*.py"):
        text = path.read_text()
        for call in ast.walk(ast.parse(text)):
            if isinstance(call, ast.Call) and _name(call.func) in WIDGETS:
                given = {word.arg: ast.unparse(word.value) for word in call.keywords}
                assert given.get("markup") == "False", (path, ast.unparse(call))
        assert "markup=True" not in text, path
        assert "from_markup" not in text, path
    for path in (ROOT / "matrix0" / "commands").glob("*.py"):
        if path.name != "options.py":
            assert "typer.echo(" not in path.read_text(), path
            assert not re.search(r"^\s*print\(", path.read_text(), re.MULTILINE), path
