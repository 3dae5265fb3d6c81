"""The outermost frame of a worker process: from its command line to its last words."""

import faulthandler
import signal
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from backend.commands import Stop
from backend.config import Config
from backend.errors import ExitCode, Matrix0Error, NonFiniteError
from backend.events import NonFinite, Role, WorkerFailed
from backend.processes import end_with_parent
from backend.rundir import RunDirectory
from backend.text import clean, clean_standard_streams
from backend.workers.base import WorkerIO

WorkerMain = Callable[[WorkerIO, RunDirectory, Config], None]


def run_worker(main: WorkerMain, *, role: Role, directory: Path, worker: str) -> int:
    """Runs a role to its end and returns the exit code: the outermost frame of a worker process."""
    io = WorkerIO.on_standard_streams(worker, role)
    clean_standard_streams()
    _set_up_process(io)
    io.start()
    try:
        run = RunDirectory(directory)
        config = run.read_config()
        io.heartbeat_s = config.supervisor.heartbeat_s
        io.stall_s = config.supervisor.stall_s
        io.startup_s = config.supervisor.startup_s
        main(io, run, config)
    except NonFiniteError as error:
        values = {name: str(value) for name, value in error.values.items()}
        io.emit(NonFinite(worker=io.worker, step=error.step, values=values))
        return _failed(io, str(error), error.exit_code)
    except Matrix0Error as error:
        return _failed(io, str(error), error.exit_code)
    except MemoryError as error:
        return _failed(io, f"out of memory: {error}", ExitCode.DEVICE)
    except Exception as error:  # noqa: BLE001 - the outermost frame: reported, then exit non-zero
        return _failed(io, f"{type(error).__name__}: {error}", ExitCode.INTERNAL)
    io.log("ended as asked", "debug")
    return ExitCode.DONE


def launch(role: Role, directory: Path, worker: str) -> int:
    """`matrix0 worker ROLE --run DIR --worker NAME`; beats while the role's libraries load."""

    def main(io: WorkerIO, run: RunDirectory, config: Config) -> None:
        module = import_module(f"backend.workers.{role}")
        module.main(io, run, config)

    return run_worker(main, role=role, directory=directory, worker=worker)


def _failed(io: WorkerIO, text: str, code: ExitCode) -> int:
    traceback.print_exc()
    io.emit(WorkerFailed(worker=io.worker, error=clean(text), exit_code=code))
    return code


def _set_up_process(io: WorkerIO) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor to answer.
    signal.signal(signal.SIGTERM, lambda *_: io.order(Stop()))
    if hasattr(faulthandler, "register"):
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1, all_threads=True)
    end_with_parent()
