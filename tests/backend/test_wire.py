"""Lines from outside become messages or a WorkerError, never anything else."""

import math
from collections.abc import Callable

import pytest

from backend.errors import WorkerError
from backend.events import LogLine, TrainingStep
from backend.wire import (
    decode_event,
    decode_request,
    decode_server_message,
    decode_worker_command,
    encode,
)

NO_MESSAGES = {
    "nothing": b"",
    "no JSON": b"Segmentation fault",
    "no object": b"[1]",
    "an unknown type": b'{"type":"Polish"}',
    "a field missing": b'{"type":"LogLine","source":"sp0"}',
    "a stray byte in a text": b'{"type":"LogLine","source":"\xff","level":"info","text":""}',
    "a stray byte in an order": b'{"type":"SaveCheckpoint","reason":"\xff"}',
    "a stray byte in a request": b'{"type":"request","id":1,"command":{"type":"Promote",'
    b'"name":"\xff","reason":""}}',
    "endless nesting": b'{"type":"LogLine","more":' + b"[" * 30_000,
    "endless nesting in a request": b'{"type":"request","more":' + b"[" * 30_000,
    "endless nesting in an order": b'{"type":"Stop","more":' + b"[" * 30_000,
    "a number that no float holds": b'{"type":"TrainingStep","step":'
    + b"9" * 400
    + b',"metrics":{"policy_loss":1}}',
    "a number that no database holds": b'{"type":"request","id":1,"command":{"type":"RecordMatch",'
    b'"result":{"match":"m","candidate":"a","opponent":"b","wins":9223372036854775808,"draws":0,'
    b'"losses":0,"truncated":0,"pairs":[0,0,0,0,0],"elo":0,"elo_low":0,"elo_high":0,'
    b'"simulations":1,"seconds":1}}}',
    "a number that is none": encode(TrainingStep(step=1, metrics={"loss": math.nan})),
}


@pytest.mark.parametrize(
    "decode", [decode_event, decode_worker_command, decode_request, decode_server_message]
)
@pytest.mark.parametrize("line", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_a_line_that_is_no_message_is_refused(
    decode: Callable[[bytes], object], line: bytes
) -> None:
    with pytest.raises(WorkerError, match="not a"):
        decode(line)


def test_unknown_fields_are_passed_over_and_defaults_are_not_sent() -> None:
    event = LogLine(source="sp0", level="info", text="hello")
    line = encode(event)
    assert line == b'{"type":"LogLine","source":"sp0","level":"info","text":"hello"}\n'
    assert decode_event(line[:-2] + b',"colour":"red"}') == event
