"""A real supervisor process with fake workers.

    python supervisor.py DIR [--cycles N] [--fault NAME=KIND]… [--plain]

Without --plain it prints JSON events. The run's config.toml must be there.
"""

import argparse
import sys
from pathlib import Path

from backend import headless, supervisor
from backend.events import Role

WORKER = Path(__file__).with_name("worker.py")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--plain", action="store_true")
    args = parser.parse_args()

    def command_line(role: Role, worker: str) -> list[str]:
        faults = [word for fault in args.fault for word in ("--fault", fault)]
        words = [role, "--run", str(args.directory), "--worker", worker]
        return [sys.executable, str(WORKER), *words, *faults]

    real = supervisor.conduct
    headless.conduct = lambda mission, **rest: real(mission, command_line=command_line, **rest)
    return headless.run_headless(args.directory, None, "", args.cycles, not args.plain)


if __name__ == "__main__":
    raise SystemExit(main())
