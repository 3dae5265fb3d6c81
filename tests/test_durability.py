"""What is meant to last is written by the commit protocol or an appender, and by nothing else."""

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("matrix0", "tui", "backend", "model")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

THE_FILE_SYSTEM = "backend/filesystem.py"
MAY = {
    "backend/ablation/experiment.py: mkdir": "an empty folder; what goes into it is committed",
    "backend/ablation/experiment.py: symlink_to": "to the games that all arms learn from",
    "backend/ablation/play.py: mkdir": "an empty folder; what goes into it is committed",
    "backend/backups/make.py: os.open": "a lock, which means nothing without its holder",
    "backend/backups/make.py: os.link": "to a committed file; the folder is synced after it",
    "backend/backups/make.py: unlink": "of what no backup names any more",
    "backend/backups/restore.py: unlink": "of a file that changed while it was copied",
    "backend/cluster/cache.py: os.open": "a lock, which means nothing without its holder",
    "backend/earlier.py: TemporaryDirectory": "between a child and us; the result is committed",
    "backend/engine/shelf.py: mkdir": "a cache of graphs; each is committed",
    "backend/engine/shelf.py: TemporaryDirectory": "another library can only write to files",
    "backend/engine/shelf.py: save_model": "into that folder, whence it is committed",
    "backend/engine/shelf.py: rmtree": "a cache",
    "backend/evaluation/leash.py: os.open": "a log",
    "backend/event_files.py: unlink": "an export that is made anew, by another library",
    "backend/logfile.py: os.open": "a log",
    "backend/export/export.py: TemporaryDirectory": "a draft, whence the artefact is committed",
    "backend/export/onnx_format.py: write_bytes": "the draft",
    "backend/export/safetensors_format.py: write_bytes": "the draft",
    "backend/headless.py: os.open": "/dev/null, for a pipe that nobody reads any more",
    "backend/uci/program.py: os.open": "/dev/null, for a pipe that nobody reads any more",
    "backend/workers/base.py: os.open": "/dev/null in the place of stdin",
    "backend/pool.py: replace": "a log that has grown long",
    "backend/replay/suspects.py: os.open": "a note for the next start of the trainer",
    "backend/replay/suspects.py: os.pwrite": "the same",
    "backend/replay/suspects.py: os.ftruncate": "the same",
    "backend/replay/suspects.py: os.truncate": "the same",
    "backend/rundir.py: os.open": "the lock, which means nothing without its holder",
    "backend/rundir.py: os.ftruncate": "the same",
    "backend/rundir.py: os.pwrite": "the same",
    "backend/server.py: mkdir": "the folder of the socket, which goes with the process",
    "backend/server.py: unlink": "the socket",
    "backend/store/snapshot.py: unlink": "of what an interrupted copy left",
    "backend/unpickling.py: save_file": "into the folder between a child and us",
    "backend/training/gathering.py: TemporaryDirectory": "where processes find each other",
    "matrix0/commands/ablate.py: mkdir": "an empty folder; what goes into it is committed",
    "matrix0/commands/experiment.py: mkdir": "the same",
    "matrix0/commands/doctor.py: TemporaryDirectory": "where it tries out the disk",
    "tui/remembered.py: mkdir": "the folder of the user's theme and last copy",
    "tui/remembered.py: write_text": "the theme or the last copy; what cannot be read is not there",
    "model/rules/kernel.py: mkdir": "a cache of compiled kernels",
    "model/rules/kernel.py: rmtree": "a cache of compiled kernels",
}
"""Writes that a power cut may take, each with the reason."""

WRITERS = {
    *("write_text", "write_bytes", "rename", "unlink", "rmdir", "mkdir", "touch", "symlink_to"),
    *("hardlink_to", "save_file", "save_model", "rmtree", "copy2", "copyfile", "copytree"),
    *("copyfileobj", "TemporaryDirectory", "NamedTemporaryFile", "mkdtemp", "mkstemp", "tofile"),
    *("savez", "savez_compressed"),
}
OF_OS = {
    *("open", "replace", "rename", "renames", "remove", "unlink", "rmdir", "mkdir", "makedirs"),
    *("truncate", "ftruncate", "pwrite", "fsync", "fdatasync", "link", "symlink"),
}


def writes(source: str) -> list[str]:
    """Names of the calls in a source that change what is on a disk."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name):
            if function.id == "open" and _is_for_writing(node.args[1:], node.keywords):
                found.append("open")
            elif function.id in WRITERS:
                found.append(function.id)
        elif isinstance(function, ast.Attribute):
            owner = function.value.id if isinstance(function.value, ast.Name) else ""
            if owner == "os" and function.attr in OF_OS:
                found.append(f"os.{function.attr}")
            elif (function.attr in WRITERS and owner != "fs") or (
                owner == "shutil" and function.attr in ("copy", "move")
            ):
                found.append(function.attr)
            elif function.attr == "open" and _is_for_writing(node.args, node.keywords):
                found.append("open")
            # A path has one name to be replaced by; a text has two arguments, a record has words.
            elif function.attr == "replace" and len(node.args) == 1 and not node.keywords:
                found.append("replace")
    return found


def _is_for_writing(arguments: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    named = [word.value for word in keywords if word.arg == "mode"]
    modes = [node.value for node in (*arguments[:1], *named) if isinstance(node, ast.Constant)]
    return any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)


def test_whatever_lasts_goes_through_the_one_file_system() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}: {name}"
        for path in SOURCES
        if path.relative_to(ROOT).as_posix() != THE_FILE_SYSTEM
        for name in writes(path.read_text(encoding="utf-8"))
    }
    assert found == MAY.keys()


def test_every_way_around_it_would_be_found() -> None:
    ways = {
        'open("x", "w")': "open",
        'path.open("ab")': "open",
        'path.open(mode="r+b")': "open",
        "path.write_text(text)": "write_text",
        "path.replace(target)": "replace",
        "os.replace(a, b)": "os.replace",
        "os.open(path, flags)": "os.open",
        "shutil.copy(a, b)": "copy",
        "safetensors.numpy.save_file(arrays, path)": "save_file",
        "save_file(arrays, path)": "save_file",
    }
    for source, name in ways.items():
        assert writes(source) == [name]
    for source in ('text.replace("a", "b")', "record.replace(at=1)", 'path.open("rb")', "open(x)"):
        assert writes(source) == []
