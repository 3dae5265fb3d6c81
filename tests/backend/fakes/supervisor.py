"""A real supervisor process with fake workers.

    python supervisor.py DIR [--cycles N] [--fault NAME=KIND]… [--plain] [--stays]
                         [--file-limit BYTES]

Without --plain it prints JSON events. With --stays it waits for a person when a worker is given up,
as a detached one does. The run's config.toml must be there. With a limit, every file
is refused at that size, as a full disk would do.
"""

import argparse
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from backend import conducting, headless
from backend.errors import Matrix0Error
from backend.events import Role
from backend.supervisor import Mission

WORKER = Path(__file__).with_name("worker.py")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--cycles", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--stays", action="store_true")
    parser.add_argument("--file-limit", type=int, default=0)
    args = parser.parse_args()

    def command_line(role: Role, worker: str) -> list[str]:
        faults = [word for fault in args.fault for word in ("--fault", fault)]
        words = [role, "--run", str(args.directory), "--worker", worker]
        return [sys.executable, str(WORKER), *words, *faults]

    real = conducting.conduct

    async def conduct(mission: Mission, **rest: Any) -> int:
        mission = replace(mission, exit_when_stuck=not args.stays)
        return await real(mission, command_line=command_line, **rest)

    headless.conduct = conduct
    if args.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (args.file_limit, args.file_limit))
    try:
        return headless.run_headless(args.directory, None, "", args.cycles, not args.plain)
    except Matrix0Error as error:  # As the command line does.
        print(error, file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
