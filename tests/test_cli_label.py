"""`matrix0 label` and `matrix0 rescore`: from games to labels and targets, and what they refuse."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import chess
import numpy as np
import pytest

from backend.evaluation.engines import discover
from backend.replay.boards import board_from_position
from backend.replay.shards import list_shards, read_shard
from backend.rundir import RunDirectory
from backend.settings import build_config
from tests.command_line import Run

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "tests" / "teacher" / "teaching_engine.py"
QUEEN_UP = (
    "rnb1kbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNB1KBNR b KQkq - 0 1",
    "rnb1kbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR b KQkq - 0 1",
    "rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNB1KBNR w KQkq - 0 1",
)
"""The mover is a queen up in the first two, down in the last two."""

needs_stockfish = pytest.mark.skipif(
    not any("stockfish" in path for path in discover()),
    reason="no stockfish here (apt install stockfish)",
)


@needs_stockfish
def test_stockfish_labels_positions_as_the_side_to_move_sees_them(run: Run, tmp_path: Path) -> None:
    (tmp_path / "queens.fen").write_text("\n".join(QUEEN_UP))
    labelled = run(
        *("label", "queens.fen", "--run", "taught", "--engine", "stockfish:nodes=300"),
        *("--workers", "1"),
    )
    assert labelled.code == 0, labelled.err
    assert labelled.out.startswith("4 labelled (")
    assert "win, draw, loss by UCI_ShowWDL" in labelled.err
    values = {}
    for path in list_shards(tmp_path / "taught" / "imported"):
        columns = read_shard(path).columns
        for position, wdl in zip(columns["positions"], columns["value_wdl"], strict=True):
            values[chess.Board(board_from_position(position).fen()).fen()] = float(wdl[0] - wdl[2])
    assert [round(values[fen]) for fen in QUEEN_UP] == [1, 1, -1, -1]
    again = run("label", "queens.fen", "--run", "taught", "--engine", "stockfish:nodes=300")
    assert again.out.startswith("0 labelled (0.0 a second), 4 known")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--engine", "no-such-engine"), "no engine 'no-such-engine' is installed"),
        (("--share", "0"), "--share 0: must be above 0 and at most 1"),
        (("--temperature", "0"), "--temperature 0: must be in 0.001..10"),
        (("--engine", sys.executable), "there are no games to label"),
    ],
)
def test_what_cannot_be_labelled_is_said(run: Run, words: tuple[str, ...], message: str) -> None:
    refused = run("label", "--run", "empty", *words)
    assert refused.code in (64, 65)
    assert message in " ".join(refused.err.split())


def test_a_run_is_rescored_and_says_what_it_decided(run: Run, tmp_path: Path) -> None:
    from tests.backend.replay.games import white_mates, write

    directory = RunDirectory(tmp_path / "played")
    directory.create()
    directory.settle(build_config("tiny"), "tiny")
    write(directory.replay, [white_mates()])
    done = run("rescore", "played", "--search-frac", "0.5")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].startswith("1 shards written, 0 are as they were")
    (path,) = list_shards(directory.rescored)
    assert np.isfinite(read_shard(path).columns["value_wdl"]).all()
    again = run("rescore", "played", "--search-frac", "0.5")
    assert again.out.splitlines()[-1].startswith("0 shards written, 1 are as they were")
    assert "there is no such run" in run("rescore", "nowhere").err
    for words, message in (
        (("--blunder", "3"), "--blunder 3: must be in 0..2"),
        (("--search-frac", "2"), "--search-frac 2: must be in 0..1"),
        (("--syzygy", "nowhere"), "--syzygy nowhere: "),
    ):
        refused = run("rescore", "played", *words)
        assert refused.code == 64
        assert message in refused.err


@pytest.mark.slow
def test_labelling_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """SIGKILL: the engines go too, the answers that were written down are not asked for again."""
    asked = tmp_path / "asked"
    engine = tmp_path / "right-hand"
    engine.write_text(f"#!/bin/sh\nexec {sys.executable} {ENGINE} {asked} slow:\n")
    engine.chmod(0o700)
    lines = [f"4k3/8/8/8/8/8/{file}P{6 - file}p/4K3 w - - 0 1" for file in range(1, 6)]
    lines += [f"4k3/8/8/8/8/{file}P{6 - file}p/8/4K3 w - - 0 1" for file in range(1, 6)]
    lines += [f"4k3/8/8/8/{file}P{6 - file}p/8/8/4K3 w - - 0 1" for file in range(1, 6)]
    (tmp_path / "lines.fen").write_text("\n".join(lines))
    words = [
        *(sys.executable, "-m", "matrix0", "label", str(tmp_path / "lines.fen")),
        *("--run", str(tmp_path / "taught"), "--engine", f"{engine}:nodes=1"),
        *("--multipv", "2", "--workers", "1"),
    ]
    child = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not any(
        path.read_bytes().count(b"\n") > 3
        for path in (tmp_path / "taught").glob("imported/labels-*.jsonl")
    ):
        assert time.monotonic() < deadline, "no answer was written down"
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = asked.read_text().splitlines()
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "were answered before, and are now in shards" in done.stdout
    positions = [
        board_from_position(position).fen()
        for path in list_shards(tmp_path / "taught" / "imported")
        for position in read_shard(path).columns["positions"]
    ]
    assert len(positions) == len(set(positions)) == len(lines)
    total = asked.read_text().splitlines()
    assert len(total) < len(before) + len(lines), "something was not asked again"
