"""The command that is run for an alert: a real process each time."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from backend.alerts import AlertHook
from backend.alerts_config import AlertsConfig
from backend.events import WorkerExited
from backend.ledger import Ledger
from backend.store.journal import Journal
from backend.store.store import Store

WRITE = (
    "import os, sys; open(sys.argv[1], 'a').write("
    "'|'.join(os.environ['MATRIX0_' + n] for n in ('RUN', 'ALERT_LEVEL', 'ALERT')) + chr(10))"
)


@asynccontextmanager
async def hooked(tmp_path: Path, config: AlertsConfig) -> AsyncIterator[Ledger]:
    """A ledger whose alerts call the command; at the end all of them have been."""
    store = await Store.open(tmp_path / "matrix0.db")
    ledger = Ledger(store, Journal(tmp_path / "journal.jsonl"))
    ledger.alert("error", "before anybody listened")
    task = asyncio.create_task(AlertHook(config, ledger, "demo").run())
    await asyncio.sleep(0)
    yield ledger
    ledger.end()
    async with asyncio.timeout(20):
        await task
    await store.close()


async def test_every_alert_reaches_the_command_and_no_text_becomes_part_of_its_line(
    tmp_path: Path,
) -> None:
    said = tmp_path / "said"
    command = f'"{sys.executable}" -c "{WRITE}" "{said}"'
    nasty = '$(touch owned) "; rm -rf . #'
    async with hooked(tmp_path, AlertsConfig(command=command)) as ledger:
        ledger.log("run", "no alert")
        ledger.alert("warning", nasty)
        ledger.publish(WorkerExited(worker="sp0", code=-9, expected=False, reason="hung"))
    assert said.read_text("utf-8").splitlines() == [
        f"demo|warning|{nasty}",
        "demo|warning|sp0 ended with -9: hung",
    ]
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("/nowhere/at/all", "could not be run"),
        (f'"{sys.executable}" -c "raise SystemExit(3)"', "ended with 3"),
        (f'"{sys.executable}" -c "input()" ', "ended with 1"),
    ],
)
async def test_a_command_that_fails_is_said_in_the_log_and_calls_nothing(
    tmp_path: Path, command: str, complaint: str
) -> None:
    async with hooked(tmp_path, AlertsConfig(command=command)) as ledger:
        ledger.alert("error", "value loss is not finite")
    assert [line.text for line in ledger.state.log if complaint in line.text]
    assert len(ledger.state.alerts) == 2


async def test_a_command_that_does_not_end_is_ended(tmp_path: Path) -> None:
    command = f'"{sys.executable}" -c "import threading; threading.Event().wait()"'
    config = AlertsConfig(command=command, command_timeout_s=0.3)
    async with hooked(tmp_path, config) as ledger:
        ledger.alert("error", "out of memory")
    assert "took longer than 0.3 s" in ledger.state.log[-1].text


def test_a_command_with_an_open_quote_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be split into words"):
        AlertsConfig(command='say "hello')
