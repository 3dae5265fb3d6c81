"""A real supervisor process with fake workers.

    python supervisor.py DIR [--cycles N] [--fault NAME=KIND]… [--plain] [--file-limit BYTES]

Without --plain it prints JSON events. The run's config.toml must be there. With a limit, every file
is refused at that size, as a full disk would do.
"""

import argparse
import resource
import sys
from pathlib import Path

from backend import headless, supervisor
from backend.errors import Matrix0Error
from backend.events import Role

WORKER = Path(__file__).with_name("worker.py")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--file-limit", type=int, default=0)
    args = parser.parse_args()

    def command_line(role: Role, worker: str) -> list[str]:
        faults = [word for fault in args.fault for word in ("--fault", fault)]
        words = [role, "--run", str(args.directory), "--worker", worker]
        return [sys.executable, str(WORKER), *words, *faults]

    real = supervisor.conduct
    headless.conduct = lambda mission, **rest: real(mission, command_line=command_line, **rest)
    if args.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (args.file_limit, args.file_limit))
    try:
        return headless.run_headless(args.directory, None, "", args.cycles, not args.plain)
    except Matrix0Error as error:  # As the command line does.
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
