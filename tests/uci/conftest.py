"""A real network and the real program as a child process."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.config import DeviceConfig, TrainingConfig
from backend.processes import child_environment
from model.config import ModelConfig, SslConfig
from tests.child_lines import ChildLines

COMMAND = [sys.executable, "-c", "from matrix0.cli import uci_main; uci_main()"]
LIMIT_S = 120.0
"""For whatever must come; a first start compiles."""
SMALL = ModelConfig(
    channels=16, blocks=2, board_features=False, attention_every=0, value_channels=8
)


class Talk:
    """A conversation with the program; the process is killed at the end if it still runs."""

    def __init__(self, *flags: str, cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=child_environment(),
            cwd=cwd,
        )
        self._lines = ChildLines(self.process)

    def send(self, *lines: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def until(self, start: str) -> list[str]:
        """All lines up to the first that begins so, which is the last of them."""
        deadline = time.monotonic() + LIMIT_S
        heard: list[str] = []
        while not heard or not heard[-1].startswith(start):
            line = self._lines.next(deadline)
            assert line is not None, f"no {start!r} came after {heard}"
            heard.append(line.decode().rstrip("\n"))
        return heard

    def ask(self, *lines: str, until: str) -> list[str]:
        self.send(*lines)
        return self.until(until)

    def synchronize(self) -> list[str]:
        """What comes up to the answer to `isready`."""
        return self.ask("isready", until="readyok")[:-1]

    def close_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._lines.close()
        assert self.process.stdin is not None
        self.process.stdin.close()


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with one checkpoint of an untrained network with two blocks."""
    from backend.device import choose_device
    from backend.training.trainer import Trainer

    run = tmp_path_factory.mktemp("home") / "runs" / "small"
    device = choose_device(DeviceConfig(kind="cpu"))
    trainer = Trainer(SMALL, SslConfig(), TrainingConfig(), device, seed=3)
    trainer.save(run / "checkpoints")
    return run


@pytest.fixture(scope="session")
def shared_talk(network: Path) -> Iterator[Talk]:
    talk = Talk("--network", str(network))
    talk.ask("uci", until="uciok")
    talk.synchronize()
    yield talk
    talk.close()


@pytest.fixture
def talk(shared_talk: Talk) -> Talk:
    """A conversation that goes on from test to test, with the options as at the start."""
    shared_talk.send("stop", "debug off", "ucinewgame", "position startpos")
    for line in shared_talk.ask("uci", until="uciok"):
        if line.startswith("option name "):
            name, _, rest = line.removeprefix("option name ").partition(" type ")
            default = rest.split(" default ")[1].split(" min ")[0]
            shared_talk.send(f"setoption name {name} value {default}")
    shared_talk.synchronize()
    return shared_talk


@pytest.fixture
def start() -> Iterator[Callable[..., Talk]]:
    """`start("--network", ...)`: a conversation of one's own."""
    talks: list[Talk] = []

    def call(*flags: str, cwd: Path | None = None) -> Talk:
        talks.append(Talk(*flags, cwd=cwd))
        return talks[-1]

    yield call
    for talk in talks:
        talk.close()
