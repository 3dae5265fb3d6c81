"""The wheel: what it holds, and that it works beside packages of the same names as ours."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NESTED = ("tui", "backend", "model")
STRANGER = 'raise ImportError("a stranger\'s package was imported in place of ours")\n'


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def strangers_venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment: our wheel, its dependencies, and strangers of the same names."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    (site_packages,) = venv.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name in NESTED:
        (site_packages / name).mkdir()
        (site_packages / name / "__init__.py").write_text(STRANGER)
    return venv


def _run(
    venv: Path, *command: str, cwd: Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment["NUMBA_CACHE_DIR"] = str(venv.parent / "numba")
    first, *rest = command
    return subprocess.run(
        [str(venv / "bin" / first), *rest],
        cwd=cwd,
        env=environment,
        check=check,
        capture_output=True,
        text=True,
    )


def test_the_wheel_adds_one_name_to_site_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    (dist_info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
    assert {name.split("/")[0] for name in names} == {"matrix0", dist_info}
    assert f"{dist_info}/licenses/LICENSE" in names


def test_the_wheel_holds_every_source_style_and_data_file(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"matrix0/{path.relative_to(ROOT).as_posix()}"
        for package in NESTED
        for pattern in ("*.py", "*.tcss", "*.gz", "NOTICES.md")
        for path in (ROOT / package).rglob(pattern)
    } | {path.relative_to(ROOT).as_posix() for path in (ROOT / "matrix0").rglob("*.py")}
    wanted |= {f"matrix0/recipes/{path.name}" for path in (ROOT / "recipes").glob("*.toml")}
    assert wanted <= inside
    assert not [name for name in inside if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.slow
def test_the_installed_commands_start_beside_strangers(
    strangers_venv: Path, tmp_path: Path
) -> None:
    assert "perft" in _run(strangers_venv, "matrix0", "--help", cwd=tmp_path).stdout
    assert "--no-ui" in _run(strangers_venv, "matrix0-tui", "--help", cwd=tmp_path).stdout
    assert "--network" in _run(strangers_venv, "matrix0-uci", "--help", cwd=tmp_path).stdout
    counted = _run(strangers_venv, "matrix0", "perft", "startpos", "4", cwd=tmp_path)
    assert counted.stdout.startswith("197281 nodes")


def test_the_module_starts_in_a_folder_that_has_packages_of_our_names(
    strangers_venv: Path, tmp_path: Path
) -> None:
    for name in NESTED:
        (tmp_path / f"{name}.py").write_text(STRANGER)
    done = _run(
        strangers_venv, "python", "-m", "matrix0", "config", "--preset", "tiny", cwd=tmp_path
    )
    assert "channels = 32" in done.stdout


def test_an_installation_is_what_its_children_run(strangers_venv: Path, tmp_path: Path) -> None:
    code = (
        "import matrix0, subprocess\n"
        "from backend.processes import child_command, child_environment\n"
        "command, environment = child_command('--version'), child_environment()\n"
        "print(matrix0.__file__)\n"
        "subprocess.run(command, env=environment, check=True)\n"
    )
    done = _run(strangers_venv, "python", "-c", code, cwd=tmp_path)
    assert str(strangers_venv) in done.stdout


def test_without_matrix0_a_strangers_package_is_found_as_ever(
    strangers_venv: Path, tmp_path: Path
) -> None:
    done = _run(strangers_venv, "python", "-c", "import model", cwd=tmp_path, check=False)
    assert "a stranger's package" in done.stderr
