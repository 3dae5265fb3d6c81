"""What is told of a cluster; `backend/events.py` names it too."""

from typing import Annotated

import msgspec

from backend.event_base import EventBase


class NodeSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One machine of the cluster."""

    name: str
    address: str
    is_alive: bool
    cpus: float = 0.0
    gpus: float = 0.0
    shard_bytes: int = 0
    """Of games, brought home from it since the relay started."""
    network_bytes: int = 0
    """Of networks that it has fetched since."""


class ClusterSeen(EventBase, frozen=True, kw_only=True):
    """The cluster as Ray sees it, when that changes, and what has moved since its relay started."""

    nodes: Annotated[tuple[NodeSeen, ...], msgspec.Meta(max_length=10_000)]
    shard_bytes: int
    """Of shards brought home."""
    network_bytes: int
    """Of networks put into the object store, from where each node fetches one once."""
