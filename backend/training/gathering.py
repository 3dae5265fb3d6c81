"""How the processes that train together find each other, and what those do that follow.

A trainer starts its followers as children: they belong to its process group, end when their
standard input does, and whoever watches the trainer watches all. When one of them dies the trainer
ends too, and is started again by the one who restarts workers: from its last checkpoint, with new
followers. Or torchrun has started all of them, on one machine or on several, and restarts them.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import torch.distributed as dist
from torch.distributed import (  # type: ignore[attr-defined]  # Documented, not in __all__.
    FileStore,
    PrefixStore,
)
from torch.distributed.rendezvous import rendezvous

from backend.config import Config
from backend.device import choose_device, num_cards
from backend.errors import ConfigError, ExitCode, NonFiniteError, WorkerError
from backend.processes import child_command, child_environment, end_with_parent
from backend.rundir import RunDirectory
from backend.training.prior import anchor_of
from backend.training.torch_team import (
    PATIENCE,
    Begin,
    Finish,
    TakeState,
    TakeStep,
    TorchTeam,
    parts_of,
    said_plainly,
)
from backend.training.trainer import Trainer

GRACE_S: Final = 10.0
"""A trainer that lost a follower has so long to say so and end by itself."""
FAREWELL_S: Final = 5.0
"""Followers have so long to end when they are told; then they are killed, for they hold nothing."""
MEETING_S: Final = 300.0
"""Processes that were started together have so long to find each other."""
LOOPBACK: Final = "lo0" if sys.platform == "darwin" else "lo"


@contextmanager
def gathered(run: RunDirectory, config: Config) -> Iterator[TorchTeam]:
    """A team whose followers are children of this process, on this machine."""
    size = config.training.processes
    if config.device.kind != "cpu" and 0 < num_cards() < size:
        raise ConfigError(
            f"training.processes = {size}, and this machine has {num_cards()} GPU(s); "
            "each process needs its own"
        )
    # What the processes say to each other does not leave the machine.
    for name in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.environ.setdefault(name, LOOPBACK)
    with tempfile.TemporaryDirectory(prefix="matrix0-") as folder:
        store = Path(folder) / "store"
        followers = [_start(store, rank, size) for rank in range(1, size)]
        watch = _Watch(followers)
        try:
            _join(rank=0, size=size, store=store)
            team = TorchTeam()
            team.tell_all(Begin(str(run.path)))
            yield team
            watch.is_over = True
            team.close()
            _say_farewell(followers)
        finally:
            watch.is_over = True
            for child in followers:
                child.kill()
                child.wait()
                assert child.stdin is not None
                child.stdin.close()


@contextmanager
def by_torchrun(run: RunDirectory) -> Iterator[TorchTeam]:
    """A team whose processes torchrun has started; we are the first."""
    _join()
    team = TorchTeam()
    team.tell_all(Begin(str(run.path.absolute())))
    yield team
    team.close()


def follow(store: Path | None = None, rank: int = 0, size: int = 0) -> int:
    """A follower's life: the exit code. Without a `store` torchrun says who we are.

    Ctrl-C and SIGTERM are the leader's to answer; then it lets us go.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    if store is not None:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        _join(rank=rank, size=size, store=store)
    else:
        _join()
    team = TorchTeam()
    try:
        _obey(team)
    except WorkerError as error:
        print(f"follower {team.rank}: {error}", file=sys.stderr)
        return error.exit_code
    dist.destroy_process_group()
    return ExitCode.DONE


def _obey(team: TorchTeam) -> None:
    """Until the leader has finished; WorkerError when it is gone."""
    word, tensors = team.hear()
    assert isinstance(word, Begin)
    run = RunDirectory(Path(word.run))
    config = run.read_config()
    anchor = anchor_of(run, config)
    trainer = Trainer(
        config.model,
        config.ssl,
        config.training,
        choose_device(config.device, card=int(os.environ.get("LOCAL_RANK", team.rank))),
        seed=config.seed,
        prior=anchor[0] if anchor else None,
        team=team,
    )
    while True:
        word, tensors = team.hear()
        match word:
            case TakeState():
                trainer.take_over(word.step, parts_of(tensors), "what the leader sent")
            case TakeStep():
                own = team.hear_parts(word.parts)
                try:
                    trainer.follow(word.order, own)
                except NonFiniteError:
                    continue  # Nothing was changed, here as there; the leader says what is done.
            case Finish():
                return
            case _:
                raise AssertionError(f"{type(word).__name__} out of turn")


def _start(store: Path, rank: int, size: int) -> "subprocess.Popen[bytes]":
    words = ("follow", "--store", str(store), "--rank", str(rank), "--of", str(size))
    try:
        return subprocess.Popen(
            child_command(*words),
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            env={**child_environment(), "LOCAL_RANK": str(rank)},
        )
    except OSError as error:
        raise WorkerError(f"a process to train with cannot be started: {error}") from error


def _join(*, rank: int = -1, size: int = -1, store: Path | None = None) -> None:
    """Meets the others: by a file that all know, else as torchrun's environment says.

    Ends this process when they do not come: where one has missed the other, both wait in torch for
    as long as a step may take, and whoever starts them again sees nothing wrong.
    """
    backend = "cpu:gloo,cuda:nccl" if num_cards() and dist.is_nccl_available() else "gloo"
    with said_plainly(), _within(MEETING_S):
        if store is None:
            meeting, rank, size = next(rendezvous("env://", timeout=PATIENCE))
            # The place is the same for a group that is started again, and so would be the
            # addresses of the dead that are written there.
            meeting = PrefixStore(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"), meeting)
        else:
            meeting = FileStore(str(store), size)
        dist.init_process_group(
            backend, rank=rank, world_size=size, store=meeting, timeout=PATIENCE
        )


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Ends this process when what is done here takes longer."""

    def end() -> None:
        print(
            f"the processes to train with were not met within {seconds:.0f} s; this one ends, and "
            "goes on from its last checkpoint when it is started again",
            file=sys.stderr,
            flush=True,
        )
        os._exit(ExitCode.INTERNAL)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class _Watch:
    """Ends this process when a follower dies: one that waits for it would wait for ever."""

    def __init__(self, followers: Sequence["subprocess.Popen[bytes]"]) -> None:
        self.is_over = False
        for child in followers:
            threading.Thread(target=self._see, args=(child,), daemon=True).start()

    def _see(self, child: "subprocess.Popen[bytes]") -> None:
        code = child.wait()
        if self.is_over:
            return
        print(
            f"a process that trained with this one ended ({code}); this one ends too, and goes on "
            "from its last checkpoint when it is started again",
            file=sys.stderr,
            flush=True,
        )
        time.sleep(GRACE_S)
        if not self.is_over:
            os._exit(ExitCode.INTERNAL)


def _say_farewell(followers: Sequence["subprocess.Popen[bytes]"]) -> None:
    """They were told to finish: give them the time for it."""
    deadline = time.monotonic() + FAREWELL_S
    with suppress(subprocess.TimeoutExpired):
        for child in followers:
            child.wait(max(0.0, deadline - time.monotonic()))


def _end_with_stdin() -> None:
    """The trainer holds the other end."""
    while os.read(0, 4096):
        pass
    os._exit(ExitCode.INTERNAL)
