"""JSON lines: how events and commands cross a process boundary, with versions and size limits."""

import re
from typing import Final, TypeVar

import msgspec

from backend.commands import ClientCommand, WorkerCommand
from backend.errors import WorkerError
from backend.events import Event
from backend.state import RunState
from backend.text import cleaned, one_line

PROTOCOL: Final = 1
"""Version of everything in this file; the first line a server sends carries it."""
MAX_LINE_BYTES: Final = 32 * 1024
"""Longest line a worker may write."""
READER_LIMIT: Final = 8 * 1024 * 1024
"""Buffer of a StreamReader; a snapshot is the longest line."""


class Request(msgspec.Struct, frozen=True, tag="request", omit_defaults=True):
    """Client to supervisor."""

    id: int
    command: ClientCommand
    by: str = ""
    """Who asks, for the log: the program and its process."""


class Hello(msgspec.Struct, frozen=True, tag="hello", kw_only=True):
    """First line of a connection: the whole state."""

    protocol: int
    seq: int
    """Number of the last event that `state` contains."""
    state: RunState


class Happened(msgspec.Struct, frozen=True, tag="event"):
    """One event after the snapshot, numbered without gaps unless telemetry was dropped."""

    seq: int
    event: Event


class Reply(msgspec.Struct, frozen=True, tag="reply", omit_defaults=True):
    """Answer to a request: done, or refused with the reason."""

    id: int
    refused: str = ""
    text: str = ""
    """What was done, for a toast."""


ServerMessage = Hello | Happened | Reply

_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises for a line that is no message: msgspec has not all of it in its own family,
and one stray byte of a worker must not end the supervisor."""

_SUSPECT: Final = re.compile(
    rb"\\[ubfrt]|\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)
"""A line without any of this has no control character in its texts."""

MAX_NUMBER: Final = 2**53
"""Whole numbers are smaller, so that floats and SQLite hold them too."""
_LONG_NUMBER: Final = re.compile(rb"[0-9]{16}")

_encoder = msgspec.json.Encoder()
_event_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)
_worker_decoder: msgspec.json.Decoder[WorkerCommand] = msgspec.json.Decoder(WorkerCommand)
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_server_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


def encode(message: Event | WorkerCommand | Request | ServerMessage) -> bytes:
    """One line, newline included."""
    return _encoder.encode(message) + b"\n"


def decode_event(line: bytes) -> Event:
    try:
        message = _event_decoder.decode(line)
    except _UNREADABLE as error:
        raise _refusal("an event", error, line) from error
    return _fit(message, line)


def decode_worker_command(line: bytes) -> WorkerCommand:
    try:
        message = _worker_decoder.decode(line)
    except _UNREADABLE as error:
        raise _refusal("a command", error, line) from error
    return _fit(message, line)


def decode_request(line: bytes) -> Request:
    try:
        message = _request_decoder.decode(line)
    except _UNREADABLE as error:
        raise _refusal("a request", error, line) from error
    return _fit(message, line)


def decode_server_message(line: bytes) -> ServerMessage:
    try:
        message = _server_decoder.decode(line)
    except _UNREADABLE as error:
        raise _refusal("a server message", error, line) from error
    return _fit(message, line)


def _refusal(wanted: str, error: Exception, line: bytes) -> WorkerError:
    return WorkerError(f"not {wanted}: {one_line(str(error), 300)}: {line[:200]!r}")


T = TypeVar("T")


def _fit(message: T, line: bytes) -> T:
    """The message with clean texts. WorkerError for a number that no database or curve holds."""
    if _LONG_NUMBER.search(line) and not _holds_small_numbers(message):
        raise WorkerError(f"not a message: a number out of range: {line[:200]!r}")
    return cleaned(message) if _SUSPECT.search(line) else message


def _holds_small_numbers(value: object) -> bool:
    match value:
        case int():
            return abs(value) < MAX_NUMBER
        case msgspec.Struct():
            return all(_holds_small_numbers(getattr(value, f)) for f in value.__struct_fields__)
        case dict():
            return all(map(_holds_small_numbers, (*value, *value.values())))
        case list() | tuple() | frozenset():
            return all(map(_holds_small_numbers, value))
        case _:
            return True
