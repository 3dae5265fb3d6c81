"""Which workers a run has, and how each is started. Asks the system for a GPU without torch."""

import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from backend.config import Config, DeviceConfig
from backend.events import Role
from backend.pool import WorkerSpec
from backend.processes import child_command, child_environment
from backend.rundir import RunDirectory

WorkerCommandLine = Callable[[Role, str], list[str]]
"""(role, worker name) -> argument list."""


def worker_specs(
    run: RunDirectory, config: Config, command_line: WorkerCommandLine | None = None
) -> list[WorkerSpec]:
    """One trainer, one evaluator, and the self-play workers of this machine."""
    roles: list[tuple[Role, str]] = [("trainer", "trainer"), ("evaluator", "evaluator")]
    roles += [("selfplay", selfplay_name(n)) for n in range(num_selfplay_workers(config))]
    return [worker_spec(run, role, name, command_line) for role, name in roles]


def worker_spec(
    run: RunDirectory, role: Role, name: str, command_line: WorkerCommandLine | None = None
) -> WorkerSpec:
    """How one worker is started."""

    def default_command_line(role: Role, worker: str) -> list[str]:
        return child_command("worker", role, "--run", str(run.path), "--worker", worker)

    argv = command_line or default_command_line
    return WorkerSpec(
        worker=name,
        role=role,
        argv=tuple(argv(role, name)),
        environment=child_environment(),
        log=run.log_file(name),
    )


def selfplay_name(number: int) -> str:
    """Of a self-play worker, counted from 0."""
    return f"sp{number}"


def num_selfplay_workers(config: Config) -> int:
    """As configured; else one for a GPU, since one process must own it, or one for each core."""
    if config.cluster.pool == "ray" and config.cluster.num_selfplay:
        return config.cluster.num_selfplay
    if config.selfplay.workers:
        return config.selfplay.workers
    return 1 if expects_gpu(config.device) else num_cores()


def expects_gpu(device: DeviceConfig) -> bool:
    """Whether workers will find a GPU. The worker's own choice, made with torch, is what counts."""
    if device.kind != "auto":
        return device.kind in ("cuda", "mps")
    has_nvidia = Path("/proc/driver/nvidia/version").exists() or bool(shutil.which("nvidia-smi"))
    has_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return has_nvidia or has_apple


def num_cores() -> int:
    """Cores this process may use; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
