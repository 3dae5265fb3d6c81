"""The bytes of a shard: columns and what they say about themselves, as a safetensors file.

8 bytes: length of the header | header, JSON, with the metadata as text | columns, widest first
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import numpy as np
import safetensors

from backend.errors import NewerShardError, ReplayError
from backend.replay import schema
from backend.replay.provenance import Rescoring, Source, source_of_before
from backend.replay.schema import Array
from model.config import Orientation

_METADATA_KEY: Final = "matrix0"
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are no JSON: not all of it is in its own family."""


class ShardMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON text in the safetensors header."""

    schema: int
    producer: str
    """Who made it: a worker's name, or pgn."""
    network: str
    """Checkpoint that played; empty for imports."""
    orientation: Orientation
    """In which the policy indices are written."""
    created: float
    """Seconds since 1970; for display only. 0 for imports: the same games make the same file."""
    sources: tuple[Source, ...] = ()
    """Where the games came from; a game's `game_source` is a place here."""
    themes: tuple[str, ...] = ()
    """What games are about; an entry of `game_themes` is a place here."""
    rescoring: Rescoring | None = None
    """The pass that wrote this shard in the place of the one that was played; None: it was."""


def encode_shard(columns: dict[str, Array], metadata: ShardMetadata) -> Iterator[memoryview]:
    """The bytes of a shard, part by part: what `safetensors.numpy.save` makes of these columns.

    That copies everything twice, which was a tenth of an import.
    """
    header: dict[str, object] = {
        "__metadata__": {_METADATA_KEY: msgspec.json.encode(metadata).decode()}
    }
    names = sorted(columns, key=lambda name: (-_ORDER.index(columns[name].dtype), name))
    begin = 0
    for name in names:
        column = columns[name]
        end = begin + column.nbytes
        header[name] = {
            "dtype": _TAGS[column.dtype],
            "shape": column.shape,
            "data_offsets": (begin, end),
        }
        begin = end
    text = msgspec.json.encode(header)
    text += b" " * (-len(text) % 8)
    yield memoryview(len(text).to_bytes(8, "little") + text)
    for name in names:
        if columns[name].size:
            yield np.ascontiguousarray(columns[name]).reshape(-1).view(np.uint8).data


def decode_shard(content: bytes) -> tuple[ShardMetadata, dict[str, Array]]:
    """Metadata and today's columns; ReplayError when it is no safetensors file or unknown."""
    try:
        tensors: list[tuple[str, dict[str, Any]]]
        tensors = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise ReplayError(f"not a shard of Matrix0: {error!r}") from error
    metadata = metadata_of(content[8 : 8 + int.from_bytes(content[:8], "little")])
    columns: dict[str, Array] = {}
    for name, tensor in tensors:
        dtype = _DTYPES.get(tensor["dtype"])
        if dtype is None:
            raise ReplayError(f"column {name} has type {tensor['dtype']}")
        column = np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])
        column.flags.writeable = False
        columns[name] = column
    return metadata, schema.upgrade(columns, metadata.schema)


def metadata_of(header: bytes) -> ShardMetadata:
    """What a header says; ReplayError when it is none of a shard, or unknown."""
    known = f"{schema.READABLE[0]} to {schema.READABLE[-1]}"
    try:
        text = msgspec.json.decode(header)["__metadata__"][_METADATA_KEY]
        version = msgspec.json.decode(text)["schema"]
        if isinstance(version, int) and version > schema.READABLE[-1]:
            raise NewerShardError(
                f"schema {version}; this program reads schemas {known}: a newer Matrix0 made it"
            )
        metadata = msgspec.json.decode(text, type=ShardMetadata)
    except (*_UNREADABLE, KeyError, TypeError) as error:
        raise ReplayError(f"not a shard of Matrix0: {error!r}") from error
    if metadata.schema not in schema.READABLE:
        raise ReplayError(f"schema {metadata.schema}; this program reads schemas {known}")
    if metadata.schema < 3:
        source = source_of_before(metadata.producer)
        return msgspec.structs.replace(metadata, sources=(source,))
    return metadata


_DTYPES: Final[dict[str, np.dtype[Any]]] = {
    "U8": np.dtype("<u1"),
    "I8": np.dtype("<i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "I32": np.dtype("<i4"),
    "I64": np.dtype("<i8"),
    "U64": np.dtype("<u8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
}
_TAGS: Final = {dtype: tag for tag, dtype in _DTYPES.items()}
_ORDER: Final = [
    _DTYPES[tag] for tag in ("U8", "I8", "I16", "U16", "F16", "I32", "F32", "I64", "U64")
]
"""Of safetensors, which writes columns of the last of them first."""
