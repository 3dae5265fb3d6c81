"""Text from outside without its power over terminals: control characters and directions are seen.

C0 except newline, DEL, C1 and bidirectional controls become U+FFFD. It is applied where bytes of
others become text of ours: events, log files, what commands print.
"""

import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO, TypeVar

import msgspec

_CLEAN: Final = {
    code: "\ufffd"
    for code in (
        *range(0x20),
        0x7F,
        *range(0x80, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
    if chr(code) != "\n"
}

T = TypeVar("T")


def clean(text: str, limit: int = 2000) -> str:
    """Text from outside without control characters, at most `limit` characters long."""
    text = text[:limit]
    return text if text.isprintable() else text.translate(_CLEAN)


def one_line(text: str, limit: int = 2000) -> str:
    """The same without line ends."""
    return " ".join(clean(text, limit).splitlines())


def cleaned(value: T) -> T:
    """The same message with every text in it cleaned, however deep; often the very same object."""
    new = _cleaned(value)
    return value if new is None else new


def _cleaned(value: Any) -> Any:
    """None when there is nothing to clean."""
    match value:
        case str():
            if value.isprintable():
                return None
            text = value.translate(_CLEAN)
            return None if text == value else text
        case msgspec.Struct():
            fields = {name: _cleaned(getattr(value, name)) for name in value.__struct_fields__}
            changed = {name: new for name, new in fields.items() if new is not None}
            return msgspec.structs.replace(value, **changed) if changed else None
        case dict():
            items = {cleaned(key): cleaned(inner) for key, inner in value.items()}
            return items if items != value else None
        case list() | tuple() | frozenset():
            parts = [_cleaned(inner) for inner in value]
            if all(part is None for part in parts):
                return None
            new = [o if p is None else p for o, p in zip(value, parts, strict=True)]
            return type(value)(new)
        case _:
            return None


class CleanStream:
    """A text stream that cleans what is written to it; for logs, which people show on terminals."""

    def __init__(self, inner: TextIO) -> None:
        self._inner = inner

    def write(self, text: str) -> int:
        self._inner.write(clean(text, len(text)))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def clean_standard_streams() -> None:
    """What this process prints, tracebacks and warnings included, is clean from now on."""
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr)
