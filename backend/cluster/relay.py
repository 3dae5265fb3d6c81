"""The relay: the one process that speaks to Ray, a child of the supervisor.

Ray ends its driver when the head is lost; the supervisor must outlive that. The relay makes one
actor for each worker, passes lines both ways, sends networks by the object store, and commits
arriving shards in the run's directory before it passes on the line that announces them.
"""

import asyncio
import contextlib
import importlib
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
from msgspec.structs import replace

from backend.checkpoints import MANIFEST
from backend.clock import wall
from backend.cluster.config import ClusterConfig
from backend.cluster.events import ClusterSeen, NodeSeen
from backend.cluster.slot import Item, name_on_nodes
from backend.cluster.words import (
    MAX_LINE_BYTES,
    Begin,
    Begun,
    Connected,
    Drop,
    Gone,
    Heard,
    Order,
    Refused,
    Report,
    SignalTo,
    Tell,
    Vanished,
)
from backend.commit import commit_file
from backend.errors import ConfigError, ExitCode
from backend.processes import version
from backend.rundir import RunDirectory

POLL_S: Final = 1.0
MAX_ITEMS: Final = 64
LOOK_S: Final = 2.0
"""Between two looks at the nodes."""
NETWORK_FILES: Final = (MANIFEST, "ema.safetensors")
"""What a worker needs of a checkpoint in order to play."""
KEPT_NETWORKS: Final = 2
"""Held in the object store."""


def main(run: RunDirectory) -> int:
    """Until the end of stdin; the exit code."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Ray prints what it likes; that goes to the log.
    config = run.read_config().cluster
    prepare_environment(config, os.environ, run)
    import ray

    if config.address:
        ray.init(address=config.address, namespace="matrix0", log_to_driver=False)
    else:
        ray.init(
            address="local",
            namespace="matrix0",
            log_to_driver=False,
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
        )
    try:
        asyncio.run(_Relay(ray, run, config, out).run())
    finally:
        ray.shutdown()
        with contextlib.suppress(BrokenPipeError):
            out.close()
    return ExitCode.DONE


def prepare_environment(
    config: ClusterConfig, environment: "os._Environ[str] | dict[str, str]", run: RunDirectory
) -> None:
    """No telemetry, workers of the usual priority, a token for all who join; else ConfigError.

    Ray would make its own token readable for all users of the machine.
    """
    environment["RAY_USAGE_STATS_ENABLED"] = "0"
    environment["RAY_worker_niceness"] = "0"  # 15 else: a busy node would hardly play
    environment["RAY_AUTH_MODE"] = "token"
    if "RAY_AUTH_TOKEN" in environment or "RAY_AUTH_TOKEN_PATH" in environment:
        return
    usual = Path.home() / ".ray" / "auth_token"
    if config.address:
        if not usual.exists():
            raise ConfigError(
                f"cluster.address is {config.address!r}, and there is no token to join it with: "
                f"put the head's into {usual}, or name its file in RAY_AUTH_TOKEN_PATH"
            )
        return
    token = run.path / "ray-token"
    if not token.exists():
        commit_file(token, os.urandom(32).hex().encode())
        token.chmod(0o600)
    environment["RAY_AUTH_TOKEN_PATH"] = str(token)


class _Relay:
    def __init__(self, ray: Any, run: RunDirectory, config: ClusterConfig, out: BinaryIO) -> None:
        self._ray = ray
        self._run = run
        self._config = config
        self._out = out
        self._settings = run.config_file.read_text("utf-8")
        self._actors: dict[str, Any] = {}
        self._queues: dict[str, asyncio.Queue[Tell | SignalTo]] = {}
        self._networks: dict[str, Any] = {}
        self._sizes: dict[str, int] = {}
        """Bytes of every network that was sent."""
        self._node_of: dict[str, str] = {}
        """Machine of each worker that has begun."""
        self._shard_bytes: Counter[str] = Counter()
        """Brought home, by machine."""
        self._fetched: dict[str, set[str]] = {}
        """Networks that each machine has fetched."""
        self._fetched_bytes: Counter[str] = Counter()
        self._network_bytes = 0
        self._seen: ClusterSeen | None = None
        self._encode = msgspec.json.Encoder().encode

    async def run(self) -> None:
        """Obeys until stdin ends."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        decoder = msgspec.json.Decoder[Order](Order)
        self._say(Connected())
        async with asyncio.TaskGroup() as tasks:
            watcher = tasks.create_task(self._watch_nodes())
            lives_of: dict[str, asyncio.Task[None]] = {}
            while line := await reader.readline():
                order = decoder.decode(line)
                match order:
                    case Begin():
                        lives_of[order.worker] = tasks.create_task(self._live(order))
                    case Drop():
                        if order.worker in lives_of:
                            lives_of[order.worker].cancel()
                    case Tell() | SignalTo():
                        if order.worker in self._queues:
                            self._queues[order.worker].put_nowait(order)
            for task in (watcher, *lives_of.values()):
                task.cancel()
        for actor in self._actors.values():
            self._ray.kill(actor)

    def _say(self, report: Report) -> None:
        try:
            self._out.write(self._encode(report) + b"\n")
            self._out.flush()
        except BrokenPipeError:
            # The supervisor is gone. The end of stdin, which comes as well, ends us in order, and
            # a shard that nobody was told of is on its disk: the next start adopts it.
            return

    # One worker -----------------------------------------------------------------------------------

    async def _live(self, begin: Begin) -> None:
        """From its start to its end, wherever it ends."""
        ray, worker = self._ray, begin.worker
        self._queues[worker] = asyncio.Queue()
        node = ""
        try:
            actor = _actor_class(ray, self._config).remote(
                name_on_nodes(self._run),
                self._settings,
                version(),
                self._config.max_shards_waiting,
            )
            self._actors[worker] = actor
            pid, node_id = await actor.start.remote(
                worker, begin.argv, begin.environment, str(self._run.path)
            )
            nodes = await asyncio.to_thread(ray.nodes)
            node = next((_node(n).name for n in nodes if n["NodeID"] == node_id), node_id[:8])
            self._node_of[worker] = node
            self._say(Begun(worker=worker, pid=pid, node=node))
            obey = asyncio.create_task(self._obey(worker, actor))
            try:
                await self._hear(worker, actor)
            finally:
                obey.cancel()
        except ray.exceptions.RayTaskError as error:  # What our own code raised there.
            self._say(Refused(worker=worker, reason=_first_line(error)))
        except ray.exceptions.RayError as error:
            where = f"node {node}" if node else "a node that was to take it"
            reason = f"{where} does not answer: {_first_line(error)[:120]}"
            self._say(Vanished(worker=worker, reason=reason))
        finally:
            del self._queues[worker]
            if (actor := self._actors.pop(worker, None)) is not None:
                with contextlib.suppress(ray.exceptions.RayError):  # It is gone already.
                    ray.kill(actor)

    async def _hear(self, worker: str, actor: Any) -> None:
        while True:
            items: list[Item] = await actor.poll.remote(MAX_ITEMS, POLL_S)
            taken = []
            for item in items:
                if item.shard:
                    await asyncio.to_thread(self._take, item)
                    self._shard_bytes[self._node_of[worker]] += len(item.content)
                    taken.append(item.shard)
                if item.code is not None:
                    self._say(Gone(worker=worker, code=item.code, last_words=item.last_words))
                    return
                self._say(Heard(worker=worker, line=item.line))
            if taken:
                actor.acknowledge.remote(taken)

    def _take(self, item: Item) -> None:
        """Commits a shard of another machine, once: its name holds its hash."""
        path = self._run.replay / Path(item.shard).name
        if not path.exists():
            commit_file(path, item.content)

    async def _obey(self, worker: str, actor: Any) -> None:
        """Passes on orders, one after the other."""
        ray = self._ray
        while True:
            order = await self._queues[worker].get()
            try:
                if isinstance(order, SignalTo):
                    await actor.signal.remote(order.number)
                    continue
                if order.network:
                    files = self._network(order.network)
                    await actor.put_network.remote(order.network, files)
                    self._count_fetch(self._node_of[worker], order.network)
                await actor.tell.remote(order.line)
            except ray.exceptions.RayError as error:
                print(f"{worker}: {_first_line(error)}", file=sys.stderr, flush=True)

    def _network(self, name: str) -> Any:
        """A checkpoint's files in the object store; put there once."""
        if name not in self._networks:
            place = self._run.checkpoints / name
            files = {file: (place / file).read_bytes() for file in NETWORK_FILES}
            self._networks[name] = self._ray.put(files)
            self._sizes[name] = sum(len(content) for content in files.values())
            self._network_bytes += self._sizes[name]
            for old in list(self._networks)[:-KEPT_NETWORKS]:
                del self._networks[old]
        return self._networks[name]

    def _count_fetch(self, node: str, network: str) -> None:
        """A machine fetches a network for the first worker that needs it."""
        fetched = self._fetched.setdefault(node, set())
        if network not in fetched:
            fetched.add(network)
            self._fetched_bytes[node] += self._sizes[network]

    # The nodes ------------------------------------------------------------------------------------

    async def _watch_nodes(self) -> None:
        while True:
            nodes = await asyncio.to_thread(self._ray.nodes)
            seen = ClusterSeen(
                at=wall(),
                nodes=tuple(self._with_bytes(node) for node in seen_nodes(nodes)),
                shard_bytes=self._shard_bytes.total(),
                network_bytes=self._network_bytes,
            )
            if replace(seen, at=0.0) != self._seen:
                self._seen = replace(seen, at=0.0)
                self._say(seen)
            await asyncio.sleep(LOOK_S)

    def _with_bytes(self, node: NodeSeen) -> NodeSeen:
        return replace(
            node,
            shard_bytes=self._shard_bytes[node.name],
            network_bytes=self._fetched_bytes[node.name],
        )


def seen_nodes(nodes: Sequence[Mapping[str, Any]]) -> list[NodeSeen]:
    """Each machine once: one that came back under its name is not gone as well."""
    by_name: dict[str, NodeSeen] = {}
    for node in map(_node, nodes):
        if node.is_alive or node.name not in by_name:
            by_name[node.name] = node
    return list(by_name.values())


def _actor_class(ray: Any, config: ClusterConfig) -> Any:
    """The remote class; nested, so that Ray carries it by value to nodes that know only matrix0."""

    class Actor:
        def __init__(self, *args: Any) -> None:
            importlib.import_module("matrix0")  # It finds the packages below.
            from backend.cluster.slot import Slot

            slot: Slot = Slot(*args)
            self._slot = slot

        def start(self, *args: Any) -> Any:
            return self._slot.start(*args), ray.get_runtime_context().get_node_id()

        def poll(self, *args: Any) -> Any:
            return self._slot.poll(*args)

        def acknowledge(self, *args: Any) -> None:
            self._slot.acknowledge(*args)

        def put_network(self, *args: Any) -> None:
            self._slot.put_network(*args)

        def tell(self, *args: Any) -> None:
            self._slot.tell(*args)

        def signal(self, *args: Any) -> None:
            self._slot.signal(*args)

    return ray.remote(Actor).options(
        num_cpus=config.cpus_per_worker,
        num_gpus=config.gpus_per_worker,
        max_restarts=0,
        max_task_retries=0,
        max_concurrency=4,
    )


def _node(node: Mapping[str, Any]) -> NodeSeen:
    resources = node.get("Resources", {})
    return NodeSeen(
        name=node.get("NodeName") or node.get("NodeManagerHostname", ""),
        address=node.get("NodeManagerAddress", ""),
        is_alive=bool(node.get("Alive")),
        cpus=float(resources.get("CPU", 0)),
        gpus=float(resources.get("GPU", 0)),
    )


def _first_line(error: BaseException) -> str:
    """What went wrong, without Ray's paragraphs."""
    cause = getattr(error, "cause", None) or error
    text = str(cause).strip() or type(cause).__name__
    return text.splitlines()[-1 if "Traceback" in text else 0]
