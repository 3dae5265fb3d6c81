"""Readers of what our own programs write: shards, checkpoints, settings, journals, messages."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import msgspec

from backend.errors import Matrix0Error
from tests.fuzz.target import Handler

# Our own files ------------------------------------------------------------------------------------


@cache
def shard_seeds() -> tuple[bytes, ...]:
    from backend.replay.provenance import SELFPLAY
    from backend.replay.shardformat import ShardMetadata, encode_shard
    from backend.replay.shards import build_columns
    from tests.backend.replay.games import black_mates, cut_game, white_mates

    said = ShardMetadata(
        schema=4,
        producer="sp0",
        network="step-00000000",
        orientation="mover",
        created=0.0,
        sources=(SELFPLAY,),
    )
    games = [white_mates(), cut_game(), black_mates()]
    return tuple(b"".join(encode_shard(build_columns(some), said)) for some in (games, games[:1]))


@contextmanager
def shard_reader(folder: Path) -> Iterator[Handler]:
    from backend.replay.admission import admit
    from backend.replay.shards import read_metadata

    def handle(data: bytes) -> object:
        """Under a name that fits, so that the content itself is what is judged."""
        digest = hashlib.sha256(data).hexdigest()[:16]
        path = folder / f"sp-sp0-000000-{digest}.safetensors"
        path.write_bytes(data)
        try:
            read_metadata(path)
            return admit(path)
        finally:
            path.unlink()

    yield handle


@cache
def checkpoint_seed() -> tuple[bytes, bytes]:
    """The manifest and the weights of a small checkpoint."""
    import tempfile

    import numpy as np

    from backend import checkpoints
    from model.config import ModelConfig

    arrays = {"a.weight": np.ones((2, 3), np.float32), "b": np.arange(4, dtype=np.int64)}
    with tempfile.TemporaryDirectory() as folder:
        path = checkpoints.save(
            Path(folder),
            step=3,
            model=ModelConfig(),
            parts={"model": arrays, "ema": arrays, "optimizer": {}},
            trainer={"samples": 3.0, "precision": "float32"},
            metrics={"policy_loss": 1.5},
        )
        manifest = (path / checkpoints.MANIFEST).read_bytes()
        return manifest, (path / "ema.safetensors").read_bytes()


@contextmanager
def manifest_reader(folder: Path) -> Iterator[Handler]:
    from backend import checkpoints

    path = folder / "step-00000003"
    path.mkdir()

    def handle(data: bytes) -> object:
        (path / checkpoints.MANIFEST).write_bytes(data)
        checkpoints.list_checkpoints(folder)
        return checkpoints.verify(path)

    yield handle


def with_checksum(data: bytes) -> bytes:
    """A manifest whose checksum fits, where it is JSON still."""
    from backend.checkpoints import _checksum, _text

    try:
        document = msgspec.json.decode(data)
        document.pop("checksum", None)
        _checksum(document)
    except (msgspec.MsgspecError, AttributeError, ValueError, RecursionError, UnicodeDecodeError):
        return data
    return _text(document)


@contextmanager
def weights_reader(folder: Path) -> Iterator[Handler]:
    from backend import checkpoints

    manifest, _ema = checkpoint_seed()
    path = folder / "step-00000003"
    path.mkdir()

    def handle(data: bytes) -> object:
        document = msgspec.json.decode(manifest)
        document["files"]["ema.safetensors"] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        }
        (path / checkpoints.MANIFEST).write_bytes(with_checksum(msgspec.json.encode(document)))
        (path / "ema.safetensors").write_bytes(data)
        return checkpoints.load(path, parts=("ema",))

    yield handle


def config_reader(path: Path) -> object:
    from backend.settings import load_config
    from backend.settings_text import dump_config

    config = load_config(path)
    text = dump_config(config)
    path.write_text(text, "utf-8")
    assert load_config(path) == config
    return config


def override(data: bytes) -> object:
    from backend.settings import build_config

    return build_config(overrides=[data.decode("utf-8", "surrogateescape")])


def journal(path: Path) -> object:
    from backend.store.journal import Journal

    journal = Journal(path)
    journal.close()
    return journal.reading


@cache
def journal_seeds() -> tuple[bytes, ...]:
    import tempfile

    from backend.events import Promoted
    from backend.store.journal import Journal

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.jsonl"
        journal = Journal(path)
        fact = Promoted(name="step-00000100", previous="step-00000000", reason="by hand")
        journal.append([(1.0, fact), (2.0, fact)])
        journal.close()
        return (path.read_bytes(),)


# Messages -----------------------------------------------------------------------------------------


@cache
def message_seeds() -> tuple[bytes, ...]:
    from backend import commands, events, wire
    from backend.state import RunState

    log = events.LogLine(source="sp0", level="info", text="hello")
    seeds = [
        log,
        events.TrainingStep(step=3, metrics={"policy_loss": 1.5}),
        events.Heartbeat(worker="sp0", phase="playing", rss_mib=3.5),
        events.MatchFinished(
            match="m1",
            candidate="a",
            opponent="random",
            wins=1,
            draws=0,
            losses=1,
            truncated=0,
            pairs=(0, 0, 1, 0, 0),
            elo=0.0,
            elo_low=-1.0,
            elo_high=1.0,
            simulations=2,
            seconds=1.0,
        ),
        commands.SaveCheckpoint(reason="cycle"),
        commands.UseNetwork(name="step-00000003"),
        wire.Request(1, commands.Promote(name="step-00000003", reason="why not")),
        wire.Request(2, commands.StopRun()),
        wire.Hello(protocol=1, seq=3, state=RunState()),
        wire.Happened(4, log),
        wire.Reply(4, "refused", "text"),
    ]
    return tuple(wire.encode(seed) for seed in seeds)  # type: ignore[arg-type]


def messages(data: bytes) -> object:
    """Each decoder in turn; all must refuse alike what they do not know."""
    from backend import wire
    from backend.fold import fold
    from backend.play.wire import decode_answer, decode_order
    from backend.state import RunState

    refused: Matrix0Error | None = None
    for decode in (
        wire.decode_event,
        wire.decode_worker_command,
        wire.decode_request,
        wire.decode_server_message,
        decode_answer,
        decode_order,
    ):
        try:
            message = decode(data)
        except Matrix0Error as error:
            refused = error
            continue
        if decode is wire.decode_event:
            fold(RunState(), message)  # type: ignore[arg-type]
        return message
    assert refused is not None
    raise refused
