"""The program as an interface meets it: a child process that reads and writes lines."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import chess
import chess.engine
import pytest

from backend.processes import child_environment
from matrix0 import __version__
from tests.uci.conftest import COMMAND, LIMIT_S, Talk

MATE_IN_2 = "kbK5/pp6/1P6/8/8/8/8/R7 w - - 0 1"
INFO = re.compile(
    r"info depth \d+ seldepth \d+ multipv \d+ score (cp|mate) -?\d+( wdl \d+ \d+ \d+)? nodes \d+ "
    r"nps \d+ hashfull \d+ tbhits \d+ time \d+ pv( [a-h][1-8][a-h][1-8][nbrq]?)+"
)
Start = Callable[..., Talk]


def _infos(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("info depth")]


def _value(line: str, key: str) -> str:
    words = line.split()
    return words[words.index(key) + 1]


# By python-chess's client -------------------------------------------------------------------------


def test_a_client_plays_analyses_stops_and_ponders(network: Path) -> None:
    with chess.engine.SimpleEngine.popen_uci(COMMAND, timeout=LIMIT_S) as engine:
        assert engine.id["name"] == f"Matrix0 {__version__}"
        engine.configure({"Network": str(network), "Batch": 4, "UCI_ShowWDL": True})
        assert engine.options["MultiPV"].max == 218
        engine.ping()

        board = chess.Board()
        for _ in range(6):
            played = engine.play(
                board, chess.engine.Limit(nodes=60), ponder=True, info=chess.engine.INFO_ALL
            )
            assert played.move in board.legal_moves
            assert played.info["nodes"] <= 60
            assert played.info["wdl"].relative.total() == 1000
            board.push(played.move)
        timed = engine.play(
            board, chess.engine.Limit(white_clock=2, black_clock=2, white_inc=0.1, black_inc=0.1)
        )
        assert timed.move in board.legal_moves

        lines = engine.analyse(chess.Board(), chess.engine.Limit(nodes=300), multipv=5)
        assert len(lines) == 5
        assert len({line["pv"][0] for line in lines}) == 5

        with engine.analysis(chess.Board(), multipv=2) as analysis:
            for info in analysis:
                if info.get("nodes", 0) > 200:
                    break
            analysis.stop()
            assert analysis.wait().move in chess.Board().legal_moves

        mated = engine.play(
            chess.Board(MATE_IN_2), chess.engine.Limit(mate=2), info=chess.engine.INFO_ALL
        )
        assert mated.info["score"].relative == chess.engine.Mate(2)
        assert mated.move == chess.Move.from_uci("a1a6")
        engine.quit()
    assert engine.returncode.result(LIMIT_S) == 0


# By lines -----------------------------------------------------------------------------------------


def test_who_it_is_is_said_before_anything_is_loaded(start: Start, network: Path) -> None:
    talk = start("--network", str(network))
    heard = talk.ask("uci", until="uciok")
    assert heard[0] == f"id name Matrix0 {__version__}"
    assert sum(line.startswith("option name ") for line in heard) == 9
    assert not [line for line in heard if line.startswith("info string network")]
    assert any(line.startswith("info string network") for line in talk.synchronize())


def test_info_lines_have_all_that_is_promised(talk: Talk) -> None:
    talk.send("setoption name MultiPV value 3", "setoption name UCI_ShowWDL value true")
    heard = talk.ask("position startpos moves e2e4", "go nodes 200", until="bestmove")
    infos = _infos(heard)
    assert all(INFO.fullmatch(line) for line in infos), infos
    assert [_value(line, "multipv") for line in infos[-3:]] == ["1", "2", "3"]
    assert "wdl" in infos[-1]
    assert _value(infos[-1], "nodes") == "200"
    assert heard[-1].split()[1] == infos[-3].split(" pv ")[1].split()[0]


def test_isready_is_answered_and_stop_obeyed_during_a_search(talk: Talk) -> None:
    talk.send("go infinite")
    assert not [line for line in talk.synchronize() if line.startswith("bestmove")]
    assert "bestmove" in talk.ask("stop", until="bestmove")[-1]
    talk.send("stop", "stop")
    assert talk.synchronize() == []


def test_a_ponder_hit_starts_the_clock(talk: Talk) -> None:
    talk.send("position startpos moves e2e4", "go ponder wtime 600 btime 600")
    assert not [line for line in talk.synchronize() if line.startswith("bestmove")]
    assert talk.ask("ponderhit", until="bestmove")
    talk.send("go ponder nodes 5")
    assert talk.ask("stop", until="bestmove")


def test_only_searchmoves_are_played_and_impossible_ones_are_named(talk: Talk) -> None:
    heard = talk.ask("go nodes 50 searchmoves a2a3 e2e5", until="bestmove")
    assert heard[-1].startswith("bestmove a2a3")
    assert any("illegal move 'e2e5'" in line for line in heard)


def test_a_mate_is_told_in_moves(talk: Talk) -> None:
    heard = talk.ask(f"position fen {MATE_IN_2}", "go nodes 20000", until="bestmove")
    assert "score mate 2" in _infos(heard)[-1]
    heard = talk.ask("position fen 7k/8/8/8/8/1r6/r7/7K w - - 0 1", "go nodes 99", until="bestmove")
    assert "score mate -1" in _infos(heard)[-1]
    heard = talk.ask("position fen 7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "go nodes 9", until="bestmove")
    assert heard[-1] == "bestmove (none)"


def test_tables_are_used_and_counted(talk: Talk) -> None:
    tables = Path(__file__).parents[1] / "data" / "syzygy"
    talk.send(f"setoption name SyzygyPath value {tables}")
    talk.send("position fen 8/8/8/8/8/2k5/8/K2Q4 w - - 0 1")
    infos = _infos(talk.ask("go nodes 50", until="bestmove"))
    assert int(_value(infos[-1], "tbhits")) > 0
    assert int(_value(infos[-1], "cp")) > 10_000
    talk.send(f"setoption name SyzygyPath value {tables.parent}")
    assert "info string SyzygyPath" in "".join(talk.synchronize())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("position fen 8/8/8/8/8/8/8/8 w - - 0 1", "position ignored: invalid FEN"),
        ("position startpos moves e2e4 e2e4", "position ignored: illegal move 'e2e4'"),
        ("position fen 1rk4r/8/8/8/8/8/8/1RK4R w KQkq - 0 1", "Chess960 is not supported"),
        ("setoption name UCI_Chess960 value true", "Chess960 is not supported"),
        ("setoption name Hash value lots", "'lots' is not a number from 1 to 16384"),
        ("setoption name Ponder value maybe", "neither true nor false"),
        ("setoption name Contempt value 5", "no option 'Contempt'"),
        ("\x1b[31mhello", "unknown command"),
    ],
)
def test_what_makes_no_sense_is_answered_and_survived(talk: Talk, line: str, reason: str) -> None:
    talk.send("position startpos moves d2d4", line)
    heard = talk.synchronize()
    assert any(reason in one for one in heard if one.startswith("info string")), heard
    assert "\x1b" not in "".join(heard)
    best = talk.ask("go nodes 5", until="bestmove")[-1].split()[1]
    board = chess.Board()
    board.push_uci("d2d4")
    assert chess.Move.from_uci(best) in board.legal_moves


def test_a_go_with_a_fault_is_searched_all_the_same(talk: Talk) -> None:
    heard = talk.ask("go nodes x quickly", "stop", until="bestmove")
    assert [line for line in heard if "go: nodes 'x' is no number" in line]
    assert chess.Move.from_uci(heard[-1].split()[1]) in chess.Board().legal_moves


def test_a_go_during_a_search_is_refused(talk: Talk) -> None:
    talk.send("go infinite", "go nodes 5")
    assert any("stop comes first" in line for line in talk.synchronize())
    heard = talk.ask("stop", until="bestmove")
    assert talk.synchronize() == [], heard


def test_without_a_network_it_says_so_and_takes_one_later(
    start: Start, network: Path, tmp_path: Path
) -> None:
    talk = start(cwd=tmp_path)
    assert any("no network: no run with a checkpoint in" in line for line in talk.synchronize())
    assert talk.ask("go nodes 5", until="bestmove")[-1] == "bestmove 0000"
    talk.send(f"setoption name Network value {network}")
    assert any("info string network" in line for line in talk.synchronize())
    assert talk.ask("go nodes 5", until="bestmove")[-1] != "bestmove 0000"
    talk.send("quit")
    assert talk.process.wait(LIMIT_S) == 0


def test_a_network_is_looked_for_below_runs(start: Start, network: Path) -> None:
    talk = start(cwd=network.parent.parent)
    assert any(f"{network}/checkpoints/step-00000000" in line for line in talk.synchronize())


@pytest.mark.parametrize("order", ["go infinite", "go ponder"])
def test_the_end_of_its_input_ends_the_process(start: Start, network: Path, order: str) -> None:
    talk = start("--network", str(network))
    talk.synchronize()
    talk.ask(order, until="info depth")
    talk.close_input()
    assert talk.process.wait(LIMIT_S) == 0


def test_the_end_comes_also_while_it_is_loading(start: Start, network: Path) -> None:
    talk = start("--network", str(network))
    talk.send("isready", "go infinite")
    talk.close_input()
    assert talk.process.wait(LIMIT_S) == 0


def test_an_interface_that_no_longer_reads_ends_the_process(network: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--network", str(network)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=child_environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(b"isready\n")
        process.stdin.flush()
        while process.stdout.readline() != b"readyok\n":
            pass
        process.stdout.close()
        process.stdin.write(b"go infinite\n")
        process.stdin.flush()
        assert process.wait(LIMIT_S) == 0
