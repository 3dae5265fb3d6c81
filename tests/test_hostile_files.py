"""Every hostile file through the real commands: one clear line, and nothing left behind."""

import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from backend import earlier, unpickling
from backend.config import LimitsConfig
from tests.command_line import Outcome, Run

HOSTILE = Path(__file__).parent / "data" / "hostile"
CODES = (0, 1, 2, 64, 65)
"""Done, no, usage, configuration, bad data: never 70, which is a bug of ours."""


def _junk(size: int) -> bytes:
    return random.Random(1).randbytes(size)


LARGE: dict[str, Callable[[], bytes]] = {
    "binary_junk.bin": lambda: _junk(65_537),
    "binary.pgn": lambda: _junk(65_536),
    "huge_comment.pgn": lambda: b'[Result "1-0"]\n\n1. e4 {' + b"x" * 1_000_000 + b"} e5 1-0\n",
    "puzzles_huge_line.csv": lambda: (
        (HOSTILE / "puzzles_formula.csv").read_bytes() + b"x," * 450_000 + b"\n"
    ),
}
"""Made here, since they are large."""


def _named(*patterns: str) -> list[str]:
    found = {path.name for pattern in patterns for path in HOSTILE.glob(pattern)}
    found |= {name for name in LARGE for pattern in patterns if Path(name).match(pattern)}
    return sorted(found)


def _path(name: str, folder: Path) -> Path:
    if name not in LARGE:
        return HOSTILE / name
    path = folder / name
    path.write_bytes(LARGE[name]())
    return path


def _sound(outcome: Outcome, folder: Path) -> Outcome:
    said = outcome.out + outcome.err
    assert outcome.code in CODES, said
    assert "Traceback" not in said
    assert "internal error" not in said
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", said), said
    left = [path.name for path in folder.rglob("*") if ".tmp." in path.name]
    assert not left
    if outcome.code:
        assert len(outcome.err.strip().splitlines()[-1]) > 10, said
    return outcome


@pytest.mark.parametrize("name", _named("*.pgn", "*.bin", "*.zip", "*.npz", "*.csv.zst"))
def test_games(name: str, run: Run, tmp_path: Path) -> None:
    outcome = _sound(run("import", "pgn", str(_path(name, tmp_path)), "--run", "r"), tmp_path)
    shards = list((tmp_path / "r" / "imported").glob("*.safetensors"))
    assert bool(shards) == (outcome.code == 0)
    if outcome.code:
        assert outcome.code == 65
        assert outcome.err.endswith("matrix0: no game could be imported\n")
        assert (tmp_path / "r" / "imported" / "rejects.tsv").read_text().count("\n") >= 2


@pytest.mark.parametrize(
    "name", _named("puzzles_*", "*.epd", "*.tsv", "*.npz", "binary_junk.bin", "*.pt")
)
def test_puzzles_and_tasks(name: str, run: Run, tmp_path: Path) -> None:
    path = _path(name, tmp_path)
    outcome = _sound(run("suite", str(path), "--player", "random"), tmp_path)
    good = re.search(r"random: (\d+) of", outcome.out)
    assert (good is not None) == (outcome.code == 0)
    wanted = {
        "puzzles_bad_fen.csv": 2,
        "puzzles_bom_crlf.csv": 2,
        "puzzles_illegal_moves.csv": 2,
        "puzzles_nul_bytes.csv": 1,
        "puzzles_short_rows.csv": 2,
        "suite_bad.epd": 1,
    }
    if name in wanted:
        assert good is not None
        assert int(good[1]) == wanted[name]
        # What was left out is named.
        assert ("line " in outcome.err) == (name != "puzzles_bom_crlf.csv")
    assert {path.name for path in tmp_path.iterdir()} <= set(LARGE)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("puzzles", name) for name in _named("puzzles_*", "binary_junk.bin", "*.zip")),
        *(("epd", name) for name in _named("*.epd", "binary_junk.bin", "arrays_nan.npz")),
    ],
)
def test_puzzles_and_tasks_to_learn_from(kind: str, name: str, run: Run, tmp_path: Path) -> None:
    outcome = _sound(run("import", kind, str(_path(name, tmp_path)), "--run", "r"), tmp_path)
    imported = tmp_path / "r" / "imported"
    shards = list(imported.glob("*.safetensors"))
    assert bool(shards) == (outcome.code == 0)
    if outcome.code:
        assert outcome.code == 65
    assert {path.name for path in imported.iterdir() if path not in shards} <= {"rejects.tsv"}
    wanted = {
        "puzzles_bad_fen.csv": 2,
        "puzzles_bom_crlf.csv": 2,
        "puzzles_duplicates.csv": 2,
        "puzzles_illegal_moves.csv": 2,
        "puzzles_nul_bytes.csv": 1,
        "puzzles_short_rows.csv": 2,
        "suite_bad.epd": 1,
    }
    if name in wanted:
        assert outcome.out.startswith(f"{wanted[name]} ")


@pytest.mark.parametrize("name", _named("*.pt", "*.npz", "*.zip", "*.bin"))
def test_checkpoints(name: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _here(monkeypatch)
    words = ("import", "checkpoint", str(_path(name, tmp_path)), "--run", "r")
    environment = set(os.environ)
    assert _sound(run(*words), tmp_path).code == 65
    assert not (tmp_path / "r").exists()
    assert environment == set(os.environ)  # A pickle among them would set a variable.


@pytest.mark.slow
@pytest.mark.parametrize("name", _named("*.pt"))
def test_checkpoints_read_apart(name: str, run: Run, tmp_path: Path) -> None:
    outcome = run("import", "checkpoint", str(_path(name, tmp_path)), "--run", "r")
    assert _sound(outcome, tmp_path).code == 65
    assert not (tmp_path / "r").exists()


def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same reader without a process of its own, which takes seconds to begin."""

    def convert_here(path: Path, out: Path, *, raw: bool, limits: LimitsConfig) -> None:
        unpickling.convert(path, out, raw=raw, most_bytes=round(limits.checkpoint_gib * 2**30))

    monkeypatch.setattr(earlier, "convert_apart", convert_here)


@pytest.mark.slow
@pytest.mark.parametrize("name", _named("*.bin", "*.epd", "*.tsv", "*.zip", "*.pgn"))
def test_openings(name: str, run: Run, tmp_path: Path) -> None:
    words = ("match", "random", "greedy", "--games", "2", "--openings")
    outcome = _sound(run(*words, str(_path(name, tmp_path))), tmp_path)
    games = list(tmp_path.glob("match-*"))
    assert bool(games) == (outcome.code == 0)
    for path in games:
        assert run("match", "verify", str(path)).code == 0


@pytest.mark.parametrize("name", sorted({*_named("*.*")}))
def test_settings(name: str, run: Run, tmp_path: Path) -> None:
    outcome = _sound(run("config", "--config", str(_path(name, tmp_path))), tmp_path)
    assert outcome.code == (64 if _path(name, tmp_path).stat().st_size else 0)


def test_tables(run: Run, tmp_path: Path) -> None:
    tasks = tmp_path / "tasks.epd"
    tasks.write_text("8/8/8/4k3/8/8/3QK3/8 w - -\n8/8/8/4k3/8/8/3RK3/8 w - -\n")
    words = ("suite", str(tasks), "--player", "random", "--syzygy", str(HOSTILE / "syzygy"))
    outcome = _sound(run(*words), tmp_path)
    assert outcome.code == 65
    assert outcome.err.count("a table is damaged and not used") == 2


@pytest.mark.slow
def test_positions(run: Run, tmp_path: Path) -> None:
    """Each of the broken is refused, each of the odd has its number of moves."""
    for line in (HOSTILE / "fens_invalid.tsv").read_text("utf-8").splitlines():
        fen = line.split("\t")[0]
        outcome = _sound(run("perft", "--", fen, "1"), tmp_path)
        assert outcome.code == 2, line
    for line in (HOSTILE / "fens_unusual_valid.tsv").read_text("utf-8").splitlines():
        fen, _why, count = line.split("\t")[:3]
        outcome = _sound(run("perft", fen, "1"), tmp_path)
        assert outcome.out.startswith(f"{count} nodes"), line
