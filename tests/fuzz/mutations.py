"""Damage to bytes, drawn by a seed: what bad disks, programs and people do to a file."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Final

MAX_BYTES: Final = 1 << 18
"""A mutated input is never longer: what is tried is wrong content; caps have own tests."""

_NUMBER: Final = re.compile(rb"-?\d+(?:\.\d+)?")
_NUMBERS: Final = (
    *(b"0", b"-1", b"1", b"255", b"256", b"65536", b"-2147483649", b"4294967296"),
    *(b"9223372036854775808", b"-9223372036854775809", b"9" * 400, b"1e999", b"-0.0", b"nan"),
    *(b"inf", b"0x10", b"1_0", b"\xd9\xa3", b"\xef\xbc\x91", b"1.5", b"00"),
)
_BYTES: Final = (
    *(b"\0", b"\n", b"\r\n", b"\x1b]0;x\x07", b"\x1b[2J", b"\xc2\x9b", b"\xe2\x80\xae", b"\xff"),
    *(b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b'"', b"'", b"\\", b"{", b"}", b"[", b"]"),
    *(
        b"(",
        b")",
        b",",
        b";",
        b"=",
        b"#",
        b"%",
        b"/",
        b".",
        b" ",
        b"\t",
        b"[/]",
        b"\xf0\x9f\x99\x82",
    ),
)


def mutate(
    rng: random.Random, seeds: Sequence[bytes], tokens: Sequence[bytes], longest: int = MAX_BYTES
) -> bytes:
    """One of `seeds` with one to eight faults; `tokens` are words that the format knows."""
    data = bytearray(rng.choice(seeds))
    for _ in range(1 + int(rng.expovariate(0.7))):
        fault = rng.choice(_FAULTS)
        fault(rng, data, seeds, tokens)
        del data[longest:]
    return bytes(data)


def _slice(rng: random.Random, data: bytearray) -> slice:
    start = rng.randint(0, len(data))
    return slice(start, start + int(rng.expovariate(1 / 24)) + 1)


def _flip(rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _replace(rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.randrange(256)


def _insert(rng: random.Random, data: bytearray, _s: Sequence[bytes], t: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.choice([*_BYTES, *t])


def _overwrite(
    rng: random.Random, data: bytearray, _s: Sequence[bytes], t: Sequence[bytes]
) -> None:
    word = rng.choice([*_BYTES, *t])
    at = rng.randint(0, len(data))
    data[at : at + len(word)] = word


def _delete(rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    del data[_slice(rng, data)]


def _repeat(rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    part = _slice(rng, data)
    data[part.start : part.start] = bytes(data[part]) * rng.choice((1, 2, 3, 20, 300))


def _cut(rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    del data[rng.randint(0, len(data)) :]


def _splice(rng: random.Random, data: bytearray, s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    other = rng.choice(s)
    data[rng.randint(0, len(data)) :] = other[rng.randint(0, len(other)) :]


def _renumber(
    rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]
) -> None:
    found = list(_NUMBER.finditer(data[:65_536]))
    if found:
        number = rng.choice(found)
        data[number.start() : number.end()] = rng.choice(_NUMBERS)


def _swap(rng: random.Random, data: bytearray, _s: Sequence[bytes], _t: Sequence[bytes]) -> None:
    one, other = _slice(rng, data), _slice(rng, data)
    data[one], data[other] = bytes(data[other]), bytes(data[one])


_FAULTS: Final[
    tuple[Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None], ...]
] = (
    *(_flip, _replace, _insert, _insert, _overwrite, _delete, _repeat, _cut, _splice),
    *(_renumber, _renumber, _swap),
)


def shrink(data: bytes, still_fails: Callable[[bytes], bool], tries: int = 2000) -> bytes:
    """A shorter input that fails alike: parts are left out as long as that goes on failing."""
    size = max(1, len(data) // 2)
    while size and tries > 0:
        at, is_shorter = 0, False
        while at < len(data) and tries > 0:
            candidate = data[:at] + data[at + size :]
            tries -= 1
            if still_fails(candidate):
                data, is_shorter = candidate, True
            else:
                at += size
        if not is_shorter:
            size //= 2
        size = min(size, len(data))
    return data
