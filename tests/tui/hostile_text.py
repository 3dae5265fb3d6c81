"""Every event and order with a payload in each of its texts, made from their types alone."""

import types
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

CONTROLS: Final = ("\x1b]0;PWNED\x07", "\x1b[2JZAP", "\x9b31mC1", "\u202egnp", "\x07", "\x08\x7f")
MARKUP: Final = "[/] [@click=app.quit]click[/] [bold red]x [/foo] $x {y}"
PAYLOAD: Final = "".join(CONTROLS) + MARKUP + "\nsecond line\r\n\ttab"
FORBIDDEN: Final = (
    *(b"\x1b]0;PWNED", b"\x1b[2JZAP", b"\x9b31mC1", b"\xc2\x9b", b"\xe2\x80\xae", b"PWNED\x07"),
)
"""Bytes of it that no terminal and no file may get."""


def filled(kind: type[Any], **given: Any) -> Any:
    """A message of this type; `given` are fields that must be as they are."""
    hints = get_type_hints(kind)
    values = {
        name: given[name] if name in given else _value(hints[name])
        for name in kind.__struct_fields__
    }
    return kind(**values)


def _value(hint: Any) -> Any:
    origin, words = get_origin(hint), get_args(hint)
    if hint is str:
        return PAYLOAD
    if hint is bool:
        return True
    if hint in (int, float):
        return hint(3)
    if origin is Literal:
        return words[0]
    if origin in (Union, types.UnionType):
        return _value(words[0])
    if origin is tuple:
        several = words[:1] * 2 if words[-1] is Ellipsis else words
        return tuple(map(_value, several))
    if origin is dict:
        return {_value(words[0]): _value(words[1])}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return filled(hint)
    raise TypeError(f"no payload for {hint!r}")


def holds_payload(data: bytes) -> list[bytes]:
    return [mark for mark in FORBIDDEN if mark in data]
