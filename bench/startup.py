"""From nothing to the first searched move: with and without compiled kernels on disk."""

import os
import subprocess
import sys
import tempfile
import time

from _table import Row, show

FIRST_MOVE = """
import torch
torch.set_num_threads(1)
from backend.config import DeviceConfig
from backend.device import choose_device
from backend.inference.front import Inference
from backend.selfplay.games import SelfPlay
from backend.settings import build_config
from model.net import ChessNet
config = build_config("tiny", None, ["selfplay.games=2"])
inference = Inference(ChessNet(config.model), choose_device(DeviceConfig(kind="cpu")))
games = SelfPlay(config.selfplay, config.search, inference, orientation="mover", seed=0)
while games.tally.positions == 0:
    games.step()
"""


def first_move_s(cache: str) -> float:
    """Seconds of a fresh interpreter up to its first searched move."""
    began = time.perf_counter()
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    subprocess.run([sys.executable, "-c", FIRST_MOVE], check=True, env=environment)
    return time.perf_counter() - began


def main() -> None:
    with tempfile.TemporaryDirectory() as cache:
        cold = first_move_s(cache)
        warm = min(first_move_s(cache) for _ in range(3))
    rows = [
        Row(what="cold start: compile all kernels", value=cold, unit="s"),
        Row(what="warm start: kernels from disk", value=warm, unit="s"),
    ]
    show("Start to the first searched move, preset tiny", rows)


if __name__ == "__main__":
    main()
