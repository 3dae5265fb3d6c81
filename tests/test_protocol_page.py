"""`docs/protocol.md` says what the code does: events, commands, limits, phases, exits, lines."""

import ast
import asyncio
import dataclasses
import importlib
import json
import os
import sys
import tempfile
import typing
from pathlib import Path

import msgspec
import pytest

from backend import commands, errors, events, state, views, wire
from backend.cluster.events import NodeSeen
from backend.config import SupervisorConfig
from backend.errors import ExitCode
from backend.live import LIVE
from backend.supervision import PATIENT_PHASES, GiveUp, Restart, RestartPolicy
from backend.supervisor import _ONLY_SHOWN, INTERRUPTED
from tests.limits import PATIENCE_S
from tests.pages import Page, quoted
from tests.tui.fake_supervisor import supervised
from tui.client import LinkStatus

PAGE = Page("protocol.md")
BACKEND = Path(wire.__file__).parent
FIELDS = PAGE.fields("field", "type", "default", "meaning")
ROLES = typing.get_args(events.Role)
MESSAGES = {"hello": wire.Hello, "event": wire.Happened, "request": wire.Request}
MESSAGES |= {"reply": wire.Reply}

TYPES = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    float | None: "number, null",
    dict[str, float]: "numbers by name",
    dict[str, str]: "texts by name",
    tuple[str, ...]: "texts",
    tuple[int, ...]: "integers",
    tuple[float, ...]: "numbers",
    tuple[float, float, float]: "3 numbers",
    tuple[int, int, int, int, int]: "5 integers",
    tuple[int, int, int, int, int, int, int, int, int]: "9 integers",
    events.MatchFinished: "MatchFinished",
    tuple[events.MoveSeen, ...]: "list of MoveSeen",
    tuple[NodeSeen, ...]: "list of NodeSeen",
    events.Role: "role",
    events.Level: "level",
    events.Verdict: "verdict",
    events.Event: "event",
    commands.ClientCommand: "command",
    state.RunState: "RunState",
}


def _tree(path: str) -> ast.Module:
    return ast.parse((BACKEND / path).read_text(encoding="utf-8"))


def _calls(tree: ast.AST, *names: str) -> list[ast.Call]:
    """Calls of functions or methods with these names."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")) in names
    ]


def _described(kind: type[msgspec.Struct]) -> dict[str, tuple[str, str]]:
    """Type and default of each field as the page writes them."""
    hints = typing.get_type_hints(kind)
    described = {}
    for field in msgspec.structs.fields(kind):
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        text = "" if field.required else f"`{json.dumps(default)}`"
        described[field.name] = (TYPES[hints[field.name]], text)
    return described


# Events, commands, messages -----------------------------------------------------------------------


def test_every_event_stands_in_the_table_with_its_kind() -> None:
    kinds = {
        quoted(row[0])[0]: row[2] == "telemetry"
        for row in PAGE.tables("event", "said by", "kind", "when")
    }
    assert kinds == {kind.__name__: kind in events.TELEMETRY for kind in events.EVENT_TYPES}


OF_ALL = ("workers/base.py", "workers/frame.py")
PARTS = {"trainer": ("training/safeguard.py",)}
"""Files that say something in the name of a worker."""


def test_events_are_said_by_whom_the_table_names() -> None:
    said: dict[str, set[str]] = {kind.__name__: set() for kind in events.EVENT_TYPES}
    for role in ROLES:
        for file in (f"workers/{role}.py", *OF_ALL, *PARTS.get(role, ())):
            for call in _calls(_tree(file), *said):
                said[ast.unparse(call.func)].add(role)
    for name, speakers in said.items():
        if not speakers or name == "LogLine":
            speakers.add("supervisor")
    table = PAGE.tables("event", "said by", "kind", "when")
    assert {quoted(row[0])[0]: set(row[1].split(", ")) for row in table} == said


def test_the_supervisor_takes_from_workers_what_the_table_lets_them_say() -> None:
    hear = next(
        node
        for node in ast.walk(_tree("supervisor.py"))
        if isinstance(node, ast.AsyncFunctionDef) and node.name == "_on_event"
    )
    taken = {ast.unparse(node.cls) for node in ast.walk(hear) if isinstance(node, ast.MatchClass)}
    taken |= {kind.__name__ for kind in _ONLY_SHOWN}
    table = PAGE.tables("event", "said by", "kind", "when")
    assert taken == {quoted(row[0])[0] for row in table if row[1] != "supervisor"}


@pytest.mark.parametrize(
    "kinds",
    [
        (*events.EVENT_TYPES, events.MoveSeen, NodeSeen),
        (*commands.WORKER_COMMANDS, *commands.CLIENT_COMMANDS),
        (wire.Hello, wire.Happened, wire.Request, wire.Reply),
    ],
    ids=["events", "commands", "messages"],
)
def test_every_field_stands_in_the_tables_with_type_and_default(
    kinds: tuple[type[msgspec.Struct], ...],
) -> None:
    names = {kind: tag for tag, kind in MESSAGES.items()}
    for kind in kinds:
        described = _described(kind)
        described.pop("at", None)
        name = names.get(kind, kind.__name__)
        rows = {field: tuple(cells[:2]) for field, cells in FIELDS.get(name, {}).items()}
        assert rows == described, name


def test_the_tables_name_no_owner_of_fields_that_does_not_exist() -> None:
    kinds = (*events.EVENT_TYPES, *commands.WORKER_COMMANDS, *commands.CLIENT_COMMANDS)
    assert FIELDS.keys() <= {"MoveSeen", "NodeSeen", *MESSAGES, *(kind.__name__ for kind in kinds)}


def test_worker_commands_are_obeyed_by_the_roles_of_the_table() -> None:
    obeyed: dict[str, set[str]] = {kind.__name__: set() for kind in commands.WORKER_COMMANDS}
    for role in ROLES:
        obey = next(
            node
            for node in ast.walk(_tree(f"workers/{role}.py"))
            if isinstance(node, ast.FunctionDef) and node.name == "_obey"
        )
        cases = [
            case for node in ast.walk(obey) if isinstance(node, ast.Match) for case in node.cases
        ]
        for case in cases:
            if not isinstance(case.body[0], ast.Raise):
                for node in ast.walk(case.pattern):
                    if isinstance(node, ast.MatchClass):
                        obeyed[ast.unparse(node.cls)].add(role)
    table = PAGE.tables("command", "obeyed by", "meaning")
    assert {quoted(row[0])[0]: set(row[1].split(", ")) for row in table} == obeyed


def test_live_settings_are_those_of_the_table() -> None:
    rows = {quoted(row[0])[0]: row[1:] for row in PAGE.tables("live setting", "told to", "takes")}
    assert rows == {
        name: [", ".join(setting.roles) or "supervisor", setting.takes]
        for name, setting in LIVE.items()
    }


def test_client_commands_and_messages_are_those_of_the_tables() -> None:
    table = PAGE.tables("command", "meaning", "refused when")
    assert [quoted(row[0])[0] for row in table] == [k.__name__ for k in commands.CLIENT_COMMANDS]
    table = PAGE.tables("message", "from", "meaning")
    tags = {kind.__struct_config__.tag for kind in MESSAGES.values()}
    assert {quoted(row[0])[0] for row in table} == tags == MESSAGES.keys()
    assert f"`PROTOCOL` = {wire.PROTOCOL}" in PAGE.text


def test_the_state_has_the_fields_of_the_table() -> None:
    rows = {quoted(row[0])[0]: tuple(quoted(row[1])) for row in PAGE.tables("state", "fields")}
    kinds = (
        state.RunState,
        views.WorkerView,
        views.CheckpointView,
        views.MatchView,
        views.Totals,
    )
    assert rows == {kind.__name__: kind.__struct_fields__ for kind in kinds}


# Limits, phases, exits ----------------------------------------------------------------------------


def test_limits_have_the_values_of_the_tables() -> None:
    rows = [*PAGE.tables("limit", "value", "beyond it")]
    rows += PAGE.tables("limit", "value", "what it bounds")
    units = {"KiB": 1024, "MiB": 1024**2, "s": 1, "": 1}
    for name, value, _ in rows:
        module, _, constant = quoted(name)[0].rpartition(".")
        number, _, unit = value.partition(" ")
        assert getattr(importlib.import_module(module), constant) == float(number) * units[unit]


def test_settings_have_the_defaults_of_the_table() -> None:
    rows = {
        quoted(row[0])[0]: float(row[1])
        for row in PAGE.tables("setting in `[supervisor]`", "default")
    }
    defaults = dataclasses.asdict(SupervisorConfig())
    for of_disk in (
        "keep_checkpoints",
        "keep_every",
        "keep_backups",
        "backup_every_s",
        "backup_folder",
    ):
        del defaults[of_disk]
    assert rows == defaults


def test_phases_and_their_deadlines_are_those_of_the_table() -> None:
    spoken: dict[str, set[str]] = {"starting": set(ROLES)}
    for role in ROLES:
        for call in _calls(_tree(f"workers/{role}.py"), "set_phase"):
            assert isinstance(call.args[0], ast.Constant)
            spoken.setdefault(call.args[0].value, set()).add(role)
    rows = {quoted(row[0])[0]: row for row in PAGE.tables("phase", "deadline", "of")}
    assert {phase: set(row[2].split(", ")) for phase, row in rows.items()} == spoken
    patient = {phase for phase, row in rows.items() if row[1] == "`startup_s`"}
    assert patient == PATIENT_PHASES
    assert {row[1] for row in rows.values()} == {"`startup_s`", "`stall_s`"}


def test_states_of_workers_and_links_are_those_of_the_tables() -> None:
    spoken = {
        node.value
        for call in _calls(_tree("fold.py"), "_worker")
        for keyword in call.keywords
        if keyword.arg == "state"
        for node in ast.walk(keyword.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    table = PAGE.tables("state on screen", "from", "until")
    assert {quoted(row[0])[0] for row in table} == spoken
    assert {quoted(row[0])[0] for row in PAGE.tables("link", "meaning")} == set(
        typing.get_args(LinkStatus)
    )


EXITS = list(PAGE.tables("code", "name", "errors", "a worker that ends so"))


def test_exit_codes_and_their_errors_are_those_of_the_table() -> None:
    assert {int(row[0]): quoted(row[1])[0] for row in EXITS} == {c: c.name for c in ExitCode}
    kinds = vars(errors).values()
    children = {
        kind.__name__: kind.exit_code
        for kind in kinds
        if isinstance(kind, type)
        and issubclass(kind, errors.Matrix0Error)
        and kind is not errors.Matrix0Error
    }
    assert {name: int(row[0]) for row in EXITS for name in quoted(row[2])} == children
    assert f"ends with {INTERRUPTED}" in PAGE.text


def test_exits_are_answered_as_the_table_says() -> None:
    class Never:
        def uniform(self, low: float, high: float) -> float:
            return low

    for code, _, _, answer in EXITS:
        policy = RestartPolicy(SupervisorConfig(), Never())  # type: ignore[arg-type]
        decision = policy.exited(int(code), 60.0)
        if answer == "is given up at once":
            assert isinstance(decision, GiveUp)
        else:
            assert answer.startswith("starts again after a delay")
            assert decision == Restart(0.75, 1)


# Lines --------------------------------------------------------------------------------------------


def _heard(number: int) -> tuple[list[bytes], list[bytes]]:
    """Lines after `>` and after `<` of a transcript."""
    transcripts = [block for block in PAGE.blocks("") if "\n> {" in f"\n{block}"]
    lines = transcripts[number].splitlines()
    return (
        [line[2:].encode() for line in lines if line.startswith("> ")],
        [line[2:].encode() for line in lines if line.startswith("< ")],
    )


def test_the_transcript_of_a_worker_is_what_is_spoken_today() -> None:
    said, told = _heard(0)
    assert len(said) == 8
    assert [wire.encode(wire.decode_event(line)) for line in said] == [s + b"\n" for s in said]
    assert len(told) == 2
    for line in told:
        wire.decode_worker_command(line)


def test_the_transcript_of_a_client_is_what_is_spoken_today() -> None:
    said, told = _heard(1)
    assert len(said) == 5
    for line in said:
        assert wire.encode(wire.decode_server_message(line)) == line + b"\n"
    assert len(told) == 2
    for line in told:
        wire.decode_request(line)


async def test_the_client_on_the_page_greets_orders_and_reads_the_answer() -> None:
    (code,) = PAGE.blocks("python")
    known = state.RunState(run="demo", phase="running", step=79)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # A socket's path is short.
        run = Path(folder)
        async with supervised(run, run / "s", known) as server:
            server.answer = lambda command: wire.Reply(id=0, text="paused")
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", code, folder, stdout=asyncio.subprocess.PIPE, env=os.environ
            )
            async with asyncio.timeout(PATIENCE_S):
                out, _ = await child.communicate()
    assert child.returncode == 0
    assert server.received == [commands.PauseRun()]
    assert out.decode() == "demo is running at step 79\npaused\n"
