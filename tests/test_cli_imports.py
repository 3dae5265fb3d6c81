"""`matrix0 import` and `data` as processes: killed and started again, filtered, shown."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.processes import child_command, child_environment
from backend.replay import importmark
from backend.rundir import RunDirectory
from tests.command_line import Run

DATA = Path(__file__).parent / "data"
GAMES = DATA / "games" / "games_ci.pgn"
PUZZLES = DATA / "hostile" / "puzzles_bom_crlf.csv"
LIMIT_S = 120


def _many_games(path: Path, copies: int) -> None:
    """Distinct games: the same ones from the tests with another half-move clock at the start."""
    text = GAMES.read_text()
    fen = "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 {}"
    with path.open("w") as file:
        for number in range(1, copies + 1):
            file.write(text.replace("[Event ", f'[FEN "{fen.format(number)}"]\n[Event '))


def _import(folder: Path, run: str) -> list[str]:
    return child_command("import", "pgn", str(folder / "many.pgn"), "--run", str(folder / run))


def _files(folder: Path, run: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in RunDirectory(folder / run).imported.iterdir()}


def _wait_for(done: Callable[[], bool]) -> None:
    until = time.monotonic() + LIMIT_S
    while not done():
        assert time.monotonic() < until
        time.sleep(0.002)


@pytest.mark.slow
def test_an_import_that_was_killed_ends_with_the_same_files(tmp_path: Path) -> None:
    _many_games(tmp_path / "many.pgn", 40)
    environment = child_environment()
    subprocess.run(_import(tmp_path, "whole"), env=environment, check=True, timeout=LIMIT_S)
    whole = _files(tmp_path, "whole")
    assert sum(name.startswith("train-pgn-") for name in whole) > 10
    imported = RunDirectory(tmp_path / "killed").imported
    for shards in (2, 6):
        child = subprocess.Popen(_import(tmp_path, "killed"), env=environment)
        with child:
            _wait_for(lambda n=shards: len(list(imported.glob("train-*"))) >= n)  # type: ignore[misc]
            assert child.poll() is None, "too fast to be killed"
            child.kill()
    left = _files(tmp_path, "killed")
    assert importmark.NAME in left
    assert set(left) < set(whole) | {importmark.NAME} | {n for n in left if ".tmp." in n}
    last = subprocess.run(
        _import(tmp_path, "killed"), env=environment, capture_output=True, check=True
    )
    assert b"an interrupted import went on behind games" in last.stderr
    assert _files(tmp_path, "killed") == whole


def test_games_are_chosen_by_rating_and_length(run: Run, tmp_path: Path) -> None:
    words = ("import", "pgn", str(GAMES), "--run", "r")
    strong = run(*words, "--min-rating", "2000", "--min-plies", "60", "--from-ply", "20")
    assert strong.code == 0, strong.err
    assert "were not asked for" in strong.out
    told = json.loads(run("data", "r", "--json").out)
    assert 0 < told["games"] < 60
    assert {band for band, games in told["ratings"].items() if games} == {
        *("2800-3199", "3200-3599", "3600-3999"),
    }
    refused = run(*words, "--min-rating", "2000", "--max-rating", "1000")
    assert refused.code == 64
    assert "min_rating" in refused.err


def test_data_shows_what_there_is_to_learn_from(run: Run) -> None:
    assert run("import", "pgn", str(GAMES), "--run", "r").code == 0
    assert run("import", "puzzles", str(PUZZLES), "--run", "r").code == 0
    shown = run("data", "r", "--samples", "3", "--ascii")
    assert shown.code == 0, shown.err
    for part in (
        "62 games",
        "games_ci.pgn          pgn ",
        "puzzles_bom_crlf.csv  puzzles ",
        "phases, positions",
        "results, games",
        "ratings, games",
        "themes, games",
        "there more than once:",
        " to move: ",
    ):
        assert part in shown.out, shown.out
    told = json.loads(run("data", "r", "--json").out)
    assert told["games"] == sum(told["results"].values()) == sum(told["ratings"].values())
    assert told["positions"] == sum(told["phases"].values())
    assert told["positions"] == sum(source["positions"] for source in told["sources"])


def test_data_of_no_run_is_refused(run: Run) -> None:
    refused = run("data", "nowhere")
    assert refused.code
    assert "there is no such run" in refused.err


def test_a_file_without_games_is_bad_data(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.pgn").write_text("nothing\n")
    refused = run("import", "pgn", "empty.pgn", "--run", "human")
    assert refused.code == 65
    assert "no game could be imported" in refused.err
