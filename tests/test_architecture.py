"""What the packages promise: who imports whom, who loads torch, and what is never used."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("matrix0", "tui", "backend", "model")
SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ALL_FILES = sorted([*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")])

MAY_LOAD_TORCH = {
    "backend.ablation.experiment",
    "backend.ablation.play",
    "backend.accelerator",
    "backend.device",
    "backend.earlier",
    "backend.unpickling",
    "backend.evaluation.club",
    "backend.evaluation.lineup",
    "backend.advice.measuring",
    "backend.advice.memory",
    "backend.export.coreml_format",
    "backend.export.export",
    "backend.export.heads",
    "backend.export.onnx_format",
    "backend.export.safetensors_format",
    "backend.hall.hall",
    "backend.heldout",
    "backend.inference.calibration",
    "backend.inference.candidates",
    "backend.inference.choose",
    "backend.inference.folding",
    "backend.inference.front",
    "backend.inference.openvino_graph",
    "backend.inference.torch_runtime",
    "backend.play.network",
    "backend.selfplay.tuning",
    "backend.supervised",
    "backend.training.anchor",
    "backend.training.averaging",
    "backend.training.compiling",
    "backend.training.evidence",
    "backend.training.flattening",
    "backend.training.footprint",
    "backend.training.gathering",
    "backend.training.governor",
    "backend.training.loader",
    "backend.training.lookahead",
    "backend.training.objective",
    "backend.training.optimizer",
    "backend.training.overfit",
    "backend.training.precision",
    "backend.training.prior",
    "backend.training.profile",
    "backend.training.range_test",
    "backend.training.ranks",
    "backend.training.recording",
    "backend.training.safeguard",
    "backend.training.squares",
    "backend.training.team",
    "backend.training.terms",
    "backend.training.torch_team",
    "backend.training.trainer",
    "backend.weights",
    "backend.workers.evaluator",
    "backend.workers.selfplay",
    "backend.workers.trainer",
    "model.blocks",
    "model.checkpointing",
    "model.encoding.unpack",
    "model.drop_path",
    "model.heads",
    "model.legacy",
    "model.losses",
    "model.net",
    "model.ssl.losses",
    "model.ssl.masking",
}
"""Modules of worker processes. Everything else can be part of the supervisor, the headless front or
the screen, whose process must start at once and answer keys; a new name here is a decision."""

OUTERMOST_FRAMES = {
    "backend/workers/frame.py",
    "matrix0/frame.py",
}
"""The only homes of `except Exception`: they report the failure and exit non-zero."""


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_imports_keep_their_contracts() -> None:
    # The command line of import-linter, in a process of its own: it fills sys.modules.
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_only_worker_modules_load_torch() -> None:
    modules = [m for m in map(_module, SOURCES) if m != "matrix0.__main__"]
    free = [m for m in modules if m not in MAY_LOAD_TORCH]
    code = (
        "import importlib, json, sys\n"
        "guilty = []\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules:\n"
        "        guilty.append(name)\n"
        "        break\n"
        "print(json.dumps(guilty))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, json.dumps(free)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_every_module_that_may_load_torch_does() -> None:
    graph = grimp.build_graph(*PACKAGES, include_external_packages=True)
    assert graph.find_downstream_modules("torch") >= MAY_LOAD_TORCH


FORBIDDEN = {
    r"\btorch\.(load|save)\((?!path, map_location=\"cpu\", weights_only=True\))": (
        "a checkpoint from a stranger must not run code: safetensors"
    ),
    r"allow_pickle\s*=\s*True": "an array from a stranger must not run code",
    r"^\s*(import|from) (pickle(?! import UnpicklingError$)|dill|shelve|marshal|joblib)\b": (
        "no pickle anywhere; its error may be named"
    ),
    r"\bmultiprocessing\b": "a killed writer leaves its queues locked: processes talk by pipes",
    r"\byaml\.load\(": "settings are TOML",
    r"(?<![\w.])(eval|exec)\(": "data is never code",
    r"\bshell\s*=\s*True": "commands are lists of words",
    r"\bos\.system\(": "commands are lists of words",
}


@pytest.mark.parametrize("pattern", FORBIDDEN, ids=lambda pattern: FORBIDDEN[pattern])
def test_sources_never_use(pattern: str) -> None:
    guilty = [
        f"{_name(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line.split("#", 1)[0]) and not line.strip().startswith('"""')
    ]
    assert guilty == []


def test_files_of_the_earlier_program_are_the_only_ones_that_torch_reads() -> None:
    readers = [_name(path) for path in SOURCES if "torch.load(" in path.read_text("utf-8")]
    assert readers == ["backend/unpickling.py"]


def test_only_the_device_speaks_to_a_gpu() -> None:
    homes = {
        _name(path)
        for path in SOURCES
        if re.search(r"\btorch\.(backends\.)?(cuda|mps)\b", path.read_text(encoding="utf-8"))
    }
    assert homes == {"backend/accelerator.py", "backend/device.py"}


def test_the_wall_clock_is_read_in_one_place() -> None:
    # It may be put forward or back, so nobody may measure with it.
    homes = {
        _name(path)
        for path in SOURCES
        if re.search(
            r"\btime\.(time|time_ns)\b|from time import .*\btime\b", path.read_text("utf-8")
        )
    }
    assert homes == {"backend/clock.py"}


def test_every_pattern_that_is_forbidden_would_be_found() -> None:
    examples = (
        "x = torch.load(path)",
        "np.load(p, allow_pickle=True)",
        "import pickle",
        "import multiprocessing",
        "yaml.load(text)",
        "x = eval(text)",
        "run(words, shell=True)",
        "os.system(text)",
    )
    for pattern, example in zip(FORBIDDEN, examples, strict=True):
        assert re.search(pattern, example)
        assert not re.search(pattern, "model.eval()")


def test_only_outermost_frames_catch_everything() -> None:
    homes = {
        _name(path)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (
            node.type is None
            or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        )
        and not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    }
    assert homes <= OUTERMOST_FRAMES


def test_every_file_holds_one_idea() -> None:
    long = {_name(p): n for p in ALL_FILES if (n := len(p.read_text("utf-8").splitlines())) > 450}
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        _name(path)
        for path in SOURCES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_the_version_in_the_changelog_is_the_one_of_the_package() -> None:
    import matrix0

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert headings[0].startswith("Unreleased")
    assert re.fullmatch(r"\d+\.\d+\.\d+", matrix0.__version__)


def test_every_benchmark_can_be_imported() -> None:
    # Nothing else runs them, and what they use moves on.
    names = sorted(path.stem for path in (ROOT / "bench").glob("*.py"))
    code = f"import importlib\nfor name in {names}:\n    importlib.import_module(name)\n"
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'bench'}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
