"""A training step against the plain way of taking it: processor time, and memory of the process.

Each is measured in a process of its own, one after the other, with the same threads:

    python bench/training_step.py                                  # tiny and small
    python bench/training_step.py flagship 192 2 --set training.micro_batch=24
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _table import Row, options, show

from backend.config import Config
from backend.settings import build_config

STEPS = 3
SLOW_S = 10.0
ALONE = (("tiny", 256, 1), ("small", 128, 1))


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("preset", nargs="?", default="")
    parser.add_argument("batch", nargs="?", type=int, default=0)
    parser.add_argument("threads", nargs="?", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], help="a setting of ours")
    parser.add_argument("--child", choices=("plain", "ours"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(
            json.dumps(_measure(asked.child, asked.preset, asked.batch, asked.threads, asked.set))
        )
        return
    cases = [(asked.preset, asked.batch, asked.threads)] if asked.preset else list(ALONE)
    rows = []
    for preset, batch, threads in cases:
        words = [preset, str(batch), str(threads), *(f"--set={setting}" for setting in asked.set)]
        plain, ours = _child("plain", words), _child("ours", words)
        what = f"{preset}, batch {batch}, {threads} thread(s)"
        rows += [
            Row(
                what=f"step of {what}: {ours['how']}",
                value=ours["seconds"],
                unit="CPU s",
                baseline=plain["seconds"],
                against="plain",
            ),
            Row(
                what=f"memory of the process at its peak, {what}",
                value=ours["peak_mib"],
                unit="MiB",
                baseline=plain["peak_mib"],
                against="plain",
            ),
        ]
    show("A training step against the plain way; less is better", rows, parser)


def _child(kind: str, words: list[str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, *words, "--child", kind],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measure(
    kind: str, preset: str, batch_size: int, threads: int, settings: list[str]
) -> dict[str, object]:
    import torch

    from backend.training.synthetic import synthetic_batch

    overrides = [
        f"training.batch_size={batch_size}",
        f"device.threads={threads}",
        "device.kind=cpu",
        *settings,
    ]
    config: Config = build_config(preset, overrides=overrides)
    torch.set_num_threads(threads)
    rng = np.random.default_rng(0)
    batch = synthetic_batch(batch_size, config.model.orientation, rng)
    how = "eager, float32"
    if kind == "plain":
        from _plain_training import PlainTrainer

        plain = PlainTrainer(config)
        seconds = _best(lambda: plain.step(batch))
    else:
        from backend.device import choose_device
        from backend.training.trainer import Trainer

        device = choose_device(config.device)
        trainer = Trainer(config.model, config.ssl, config.training, device, seed=config.seed)
        seconds = _best(lambda: trainer.step(batch))
        plan = trainer.governor.plan
        how = (
            f"{trainer.precision}, micro-batch {plan.micro_batch}, {plan.checkpointing} recomputed"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return {"seconds": seconds, "peak_mib": peak / scale, "how": how}


def _best(step: Callable[[], object]) -> float:
    """Processor seconds of the fastest of some steps after a first one; a slow one is enough.

    Processor time does not count what other programs do meanwhile.
    """
    times: list[float] = []
    for _ in range(1 + STEPS):
        began = time.process_time()
        step()
        times.append(time.process_time() - began)
        if len(times) > 1 and times[-1] > SLOW_S:
            break
    return min(times[1:])


if __name__ == "__main__":
    main()
