"""`matrix0 doctor`: what Matrix0 finds on this machine, what will not work, and what to do then."""

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from backend.errors import ExitCode, Matrix0Error
from matrix0.commands.options import JsonOption, echo

if TYPE_CHECKING:
    from backend.rundir import RunDirectory

LIBRARIES: Final = (
    "torch",
    "numba",
    "numpy",
    "chess",
    "safetensors",
    "msgspec",
    "aiosqlite",
    "textual",
    "rich",
    "typer",
    "psutil",
    "zstandard",
)

LEAST_FREE_GIB: Final = 1.0
"""Each checkpoint of preset flagship takes 0.8: weights, their average and two moments."""
_OLDEST_SQLITE: Final = (3, 37, 0)
"""The first with STRICT tables."""
_ENGINE_S: Final = 5.0
"""An engine of others that has not said its name by then is taken for broken."""


@dataclass(frozen=True)
class Finding:
    name: str
    says: str
    remedy: str = ""
    """What to do; empty unless something will not work."""


def doctor(as_json: JsonOption = False) -> None:
    """Show what Matrix0 finds on this machine; exit code 1 if something will not work."""
    from backend.text import clean

    findings = {
        "software": list(_software()),
        "machine": list(_machine()),
        "runs directory": list(runs_directory(Path("runs"))),
        "device": list(_device()),
        "engines of others": list(engines()),
        "terminal": list(terminal(os.environ)),
    }
    faults = [found for group in findings.values() for found in group if found.remedy]
    if as_json:
        import msgspec

        groups = {title: [asdict(found) for found in group] for title, group in findings.items()}
        echo(msgspec.json.encode({"works": not faults, "findings": groups}))
        raise typer.Exit(ExitCode.NO if faults else ExitCode.DONE)
    width = max(len(found.name) for group in findings.values() for found in group)
    for number, (title, group) in enumerate(findings.items()):
        echo(f"{chr(10) if number else ''}{title}")
        for found in group:
            echo(f"  {found.name:<{width}}  {clean(found.says)}")
            if found.remedy:
                echo(f"  {'':<{width}}  WILL NOT WORK: {clean(found.remedy)}")
    raise typer.Exit(ExitCode.NO if faults else ExitCode.DONE)


def _software() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    import matrix0
    from backend.inference.candidates import has_openvino

    yield Finding("matrix0", f"{matrix0.__version__} in {Path(matrix0.__file__).parent}")
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    old = sqlite3.sqlite_version_info < _OLDEST_SQLITE
    remedy = "use a Python whose SQLite is 3.37 or newer" if old else ""
    yield Finding("sqlite", sqlite3.sqlite_version, remedy)
    for name in LIBRARIES:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "not installed", "pip install -c constraints.txt -e .")
    found = version("openvino") if has_openvino() else "none: networks run in torch only"
    yield Finding("openvino", found)


def _machine() -> Iterator[Finding]:
    import psutil

    yield Finding("system", platform.platform())
    cores = psutil.cpu_count(logical=False)
    yield Finding("cores", f"{os.cpu_count()} logical, {cores or '-'} physical")
    memory = psutil.virtual_memory()
    free = memory.available / 2**30
    yield Finding("memory", f"{memory.total / 2**30:.1f} GiB, {free:.1f} GiB free")
    yield Finding("kernel cache", _kernels())


def _kernels() -> str:
    from backend.search.warmup import needed_kernels
    from model.rules.kernel import cache_folder

    folder = cache_folder()
    if folder is None:
        return "no folder for them is writable: every start compiles; set NUMBA_CACHE_DIR"
    # An index file is named module.function-line.python.nbi.
    kept = {path.name.split("-")[0].rsplit(".", 1)[-1] for path in folder.rglob("*.nbi")}
    needed = {kernel.py_func.__name__ for kernel in needed_kernels()}
    done = len(needed & kept)
    later = "" if done == len(needed) else "; the first start compiles the others"
    return f"{done} of {len(needed)} compiled, in {folder}{later}"


def runs_directory(wanted: Path) -> Iterator[Finding]:
    """Whether runs can be kept there, tried out in a folder that is removed again."""
    from backend.rundir import RunDirectory
    from backend.server import prepare_folder, socket_folder

    place = wanted.absolute() if wanted.is_dir() else Path.cwd()
    free = shutil.disk_usage(place).free / 2**30
    room = "" if free >= LEAST_FREE_GIB else f"make room: a run wants {LEAST_FREE_GIB:.0f} GiB"
    yield Finding("disk", f"{free:.1f} GiB free in {place}", room)
    try:
        with tempfile.TemporaryDirectory(prefix="doctor-", dir=place) as name:
            run = RunDirectory(Path(name))
            yield _tried("fsync", lambda: _commit(run.journal))
            yield _tried("flock", lambda: _lock(run))
            yield _tried("database", lambda: _database(run.database))
    except OSError as error:
        says = f"{place} takes no files: {error.strerror or error}"
        yield Finding("writable", says, "start Matrix0 in a directory of yours, or give --run")
    yield _tried("socket", lambda: _folder(socket_folder(), prepare_folder))


def _tried(name: str, trial: Callable[[], str]) -> Finding:
    try:
        return Finding(name, trial())
    except (OSError, sqlite3.Error, Matrix0Error) as error:
        return Finding(name, f"fails: {error}", "keep runs on a local disk, with --run")


def _commit(path: Path) -> str:
    from backend.commit import commit_file

    began = time.perf_counter()
    commit_file(path, b"x" * 4096)
    return f"works; a file is durable after {1000 * (time.perf_counter() - began):.1f} ms"


def _lock(run: "RunDirectory") -> str:
    with run.lock("doctor"):
        holder = run.holder()
    if holder is None or holder.pid != os.getpid():
        raise OSError("a lock that is held is not seen")
    return "works"


def _database(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        (mode,) = connection.execute("PRAGMA journal_mode = wal").fetchone()
        connection.execute("CREATE TABLE trial (x INTEGER) STRICT")
    if mode != "wal":
        raise OSError(f"SQLite keeps no write-ahead log here, but {mode}")
    return "works, with a write-ahead log"


def _folder(folder: Path, prepare: Callable[[Path], None]) -> str:
    prepare(folder)
    return f"in {folder}"


def _device() -> Iterator[Finding]:
    from backend.config import DeviceConfig, InferenceConfig
    from backend.device import choose_device
    from backend.inference.candidates import list_candidates
    from backend.training.precision import choose_precision

    device = choose_device(DeviceConfig())
    total = device.memory().total
    yield Finding("chosen", device.reason)
    runtimes = ", ".join(map(str, list_candidates(device, InferenceConfig())))
    yield Finding("inference", f"{runtimes}; the start measures which plays (matrix0 inference)")
    choice = choose_precision("auto", device)
    either = f" or {choice.rival}, whichever is faster" if choice.rival else ""
    yield Finding("training", f"{choice.precision}{either}: {choice.reason}")
    yield Finding("memory of device", f"{total / 2**30:.1f} GiB" if total else "-")


def engines() -> Iterator[Finding]:
    from backend.evaluation.engines import discover

    paths = discover()
    if not paths:
        yield Finding("found", "none; matches need none (apt or brew install stockfish)")
    for path in paths:
        yield Finding(Path(path).name, f"{_engine_name(path)} at {path}")


def _engine_name(path: str) -> str:
    """What an engine calls itself, with its version; or that it does not."""
    import chess.engine

    from backend.evaluation.engines import parse_engine
    from backend.evaluation.leash import Leash, kill

    started: list[int] = []
    leash = Leash()
    try:
        with chess.engine.SimpleEngine.popen(
            leash.protocol(path, "uci", started),
            list(parse_engine(path).command),
            timeout=_ENGINE_S,
            **leash.popen_arguments(),
        ) as engine:
            return str(engine.id.get("name", "it has no name"))
    except (chess.engine.EngineError, OSError, TimeoutError) as error:
        for pid in started:
            kill(pid)
        return f"it does not answer ({error or type(error).__name__})"


def terminal(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What the screen can count on."""
    size = shutil.get_terminal_size()
    interactive = sys.stdin.isatty() and sys.stdout.isatty()
    enough = "" if size.columns >= 80 and size.lines >= 24 else "; the screen wants 80x24"
    says = "yes" if interactive else "no: matrix0-tui needs --no-ui here"
    yield Finding("interactive", says)
    yield Finding("size", f"{size.columns}x{size.lines}{enough}")
    name = environment.get("TERM", "")
    dumb = interactive and name in ("", "dumb")
    remedy = "no screen can be drawn: export TERM=xterm-256color, or use --no-ui" if dumb else ""
    yield Finding("TERM", name or "-", remedy)
    yield Finding("colours", _colours(environment))
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    characters = "UTF-8" if encoding == "utf8" else f"{encoding or '-'}: charts are drawn in ASCII"
    yield Finding("characters", characters)
    is_remote = environment.get("SSH_TTY") or environment.get("SSH_CONNECTION")
    yield Finding("over ssh", "yes" if is_remote else "no")
    inside = next((word for word in ("tmux", "screen") if name.startswith(word)), "")
    yield Finding("inside", "tmux" if environment.get("TMUX") else inside or "no multiplexer")


def _colours(environment: Mapping[str, str]) -> str:
    if environment.get("NO_COLOR"):
        return "none: NO_COLOR is set"
    if environment.get("COLORTERM") in ("truecolor", "24bit"):
        return "16 million"
    if "256color" in environment.get("TERM", ""):
        return "256"
    return "16 or fewer" if environment.get("TERM") not in (None, "", "dumb") else "none"
