"""A Ray cluster of its own on this machine: a head, and nodes that come and go."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil
import pytest

from backend.rundir import RunDirectory
from backend.settings import build_config

START_S: Final = 120.0
# Below the ports that a system gives to outgoing connections, 32768 and up on Linux: those of Ray
# and of other tests could take the port while the head is off.
PORTS: Final = range(20_000, 32_000)

NEEDS_RAY: Final = pytest.mark.skipif(
    find_spec("ray") is None, reason="the extra [ray] is not here"
)
LOCAL_AND_RAY: Final = pytest.mark.parametrize(
    "kind", ["local", pytest.param("ray", marks=NEEDS_RAY)]
)


class RayNode:
    """One `ray start --block` and all that it started."""

    def __init__(self, environment: dict[str, str], log: Path, *words: str) -> None:
        self.log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=environment,
                start_new_session=True,
            )

    def await_end(self, limit_s: float) -> None:
        """subprocess.TimeoutExpired when it goes on."""
        self._process.wait(limit_s)

    @property
    def is_over(self) -> bool:
        return self._process.poll() is not None

    def power_off(self) -> None:
        """All its processes at once, without a word; harmless when it is off."""
        if self._process.poll() is not None:
            return
        children = psutil.Process(self._process.pid).children(recursive=True)
        found = [self._process.pid, *(child.pid for child in children)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        self._process.wait()


class RayHead:
    """The head, with a token that the environment of this process names while it lives."""

    def __init__(self, place: Path, cpus: int = 4) -> None:
        """`place` is a folder for its token."""
        token = place / "token"
        token.touch(0o600)
        token.write_text(secrets.token_hex(32))
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
        self._environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_worker_niceness": "0",
        }
        self._place = place
        self._port = _free_port()
        self.address = f"127.0.0.1:{self._port}"
        self._cpus = cpus
        self.nodes: list[RayNode] = []
        self.power_on()

    def power_on(self) -> RayNode:
        """The head itself, at the address that it has had before.

        Ray refuses a head at an address that a node on this machine still names. Nodes that have
        lost theirs end by themselves, sooner or later.
        """
        for node in self.nodes:
            node.await_end(START_S)
        node = RayNode(
            self._environment,
            self._next_log(),
            *("--head", f"--port={self._port}", "--node-ip-address=127.0.0.1"),
            *(
                f"--num-cpus={self._cpus}",
                "--node-name=head",
                "--include-dashboard=false",
                "--disable-usage-stats",
            ),
        )
        self.nodes.append(node)
        _await_port(self._port, node)
        return node

    def join(self, name: str, cpus: int = 1) -> RayNode:
        """One more node, when it is there.

        Ray names the sockets of a node by counting those that it finds: two that start at the same
        time on one machine may take the same name, and die of it.
        """
        node = RayNode(
            self._environment,
            self._next_log(),
            f"--address={self.address}",
            *("--node-ip-address=127.0.0.1", f"--num-cpus={cpus}", "--disable-usage-stats"),
            f"--node-name={name}",
        )
        self.nodes.append(node)
        deadline = time.monotonic() + START_S
        while "Ray runtime started" not in (said := node.log.read_text(errors="replace")):
            assert not node.is_over, f"{name} did not come up:\n{said}"
            assert time.monotonic() < deadline, f"{name} did not come up in time:\n{said}"
            time.sleep(0.2)
        return node

    def _next_log(self) -> Path:
        return self._place / f"ray-{len(self.nodes)}.log"

    def prepared_run(self, path: Path, *settings: str) -> RunDirectory:
        """A run directory whose settings name this cluster."""
        run = RunDirectory(path)
        run.create()
        overrides = ["cluster.pool=ray", f"cluster.address={self.address}", *settings]
        run.settle(build_config("tiny", None, overrides))
        return run

    def close(self) -> None:
        del os.environ["RAY_AUTH_TOKEN_PATH"]
        for node in reversed(self.nodes):
            node.power_off()


def _free_port() -> int:
    """A port of PORTS that nobody listens at."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _await_port(port: int, head: RayNode) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and not head.is_over:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    why = head.log.read_text(errors="replace")
    raise AssertionError(f"the head of the cluster did not come up:\n{why}")
