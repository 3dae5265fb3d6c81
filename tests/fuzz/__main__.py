"""`python -m tests.fuzz`: campaigns of any length, and a single input again.

python -m tests.fuzz --count 1000000            shared out over all targets
python -m tests.fuzz --target pgn --count 5000
python -m tests.fuzz --target pgn --seed 0 --number 4711 [--save FILE]
python -m tests.fuzz --target pgn --file FILE
"""

import argparse
import subprocess
import sys
from pathlib import Path

from tests.fuzz.campaign import campaign, input_of, opened
from tests.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--target", choices=sorted(TARGETS))
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, help="this input alone")
    parser.add_argument("--file", type=Path, help="the bytes of this file alone")
    parser.add_argument("--save", type=Path, help="with --number: write the input there")
    asked = parser.parse_args()
    if asked.number is not None or asked.file is not None:
        target = TARGETS[asked.target]
        data = asked.file.read_bytes() if asked.file else input_of(target, asked.seed, asked.number)
        print(f"{len(data)} bytes: {data[:400]!r}")
        if asked.save:
            asked.save.write_bytes(data)
        with opened(target) as handle:
            handle(data)
        return 0
    if asked.target is None:
        return _all(asked.count, asked.seed)
    report = campaign(asked.target, asked.count, asked.seed)
    print(report, flush=True)
    for failure in report.failures:
        print(failure, flush=True)
    return 1 if report.failures else 0


def _all(count: int, seed: int) -> int:
    """Each target in a process of its own, so that one's memory is not another's."""
    print(f"{count:,} inputs, seed {seed}", flush=True)
    total = sum(target.share for target in TARGETS.values())
    failed = []
    for name, target in TARGETS.items():
        part = max(1, round(count * target.share / total))
        words = ["--target", name, "--count", str(part), "--seed", str(seed)]
        done = subprocess.run([sys.executable, "-m", "tests.fuzz", *words], check=False)
        if done.returncode:
            failed.append(name)
    print(f"failed: {', '.join(failed)}" if failed else "no failures", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
