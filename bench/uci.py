"""The engine: start of the UCI program, and nodes a second with many leaves in a batch against one.

The network is untrained and of preset tiny unless --network names another. It is computed as the
UCI program computes it. By processor time, on one thread: other processes do not count.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _table import Row, options, show

from backend.config import DeviceConfig, TrainingConfig
from backend.engine.course import Game
from backend.engine.limits import Limits
from backend.engine.network import find_network, make_ready
from backend.engine.thinker import Settings, Thinker
from backend.settings import build_config

NODES = 3000
BATCHES = (8, 32, 128)
FEN = "r1bq1rk1/pp2bppp/2n1pn2/2pp4/3P4/2PBPN2/PP1N1PPP/R1BQ1RK1 w - - 0 8"
PROGRAM = [sys.executable, "-c", "from matrix0.cli import uci_main; uci_main()"]


def make_network(folder: Path) -> Path:
    """A checkpoint of an untrained network of preset tiny."""
    from backend.device import choose_device
    from backend.training.trainer import Trainer

    config = build_config("tiny")
    device = choose_device(DeviceConfig(kind="cpu"))
    return Trainer(config.model, config.ssl, TrainingConfig(), device, seed=0).save(folder)


def start_s(network: Path) -> tuple[float, float]:
    """Seconds from nothing to `readyok`: by the clock, and of the processor."""
    before = os.times()
    began = time.perf_counter()
    with subprocess.Popen(
        [*PROGRAM, "--network", str(network)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("uci\nisready\n")
        process.stdin.flush()
        while process.stdout.readline() != "readyok\n":
            pass
        ready = time.perf_counter() - began
        process.stdin.close()
    after = os.times()
    used = after.children_user + after.children_system
    return ready, used - before.children_user - before.children_system


def nodes_per_s(network: Path, leaves: int) -> float:
    """Of a search of NODES, the best of three."""
    ready = make_ready(network, threads=1, leaves=leaves)
    thinker = Thinker(
        ready.evaluate,
        orientation=ready.orientation,
        max_nodes=2 * NODES,
        settings=Settings(leaves=leaves),
    )
    best = 0.0
    for _ in range(3):
        thinker.new_game()
        began = time.process_time()
        nodes = thinker.think(Game(FEN), Limits(nodes=NODES)).report.nodes
        best = max(best, nodes / (time.process_time() - began))
    return best


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--network", type=Path, help="run or checkpoint directory")
    asked = parser.parse_args().network
    with tempfile.TemporaryDirectory() as folder:
        network = find_network(asked).path if asked else make_network(Path(folder))
        one = nodes_per_s(network, 1)
        start_s(network)
        starts = [start_s(network) for _ in range(3)]
        rows = [
            Row(what="warm start to readyok", value=min(s[0] for s in starts), unit="s"),
            Row(what="the same, processor time", value=min(s[1] for s in starts), unit="s"),
            Row(what="one leaf at a time", value=one, unit="nodes/s"),
        ]
        rows += [
            Row(
                what=f"{leaves} leaves in a batch",
                value=nodes_per_s(network, leaves),
                unit="nodes/s",
                baseline=one,
                against="one leaf at a time",
            )
            for leaves in BATCHES
        ]
    show("The engine", rows, parser)


if __name__ == "__main__":
    main()
