"""The commands that play: matches with books and engines, tournaments, suites, the ladder."""

from pathlib import Path

import pytest

from backend.evaluation.engines import discover
from tests.command_line import Run

MATES = '6k1/5ppp/8/8/8/8/5PPP/R5K1 w - - bm Ra8#; id "mate.1";\n'
PUZZLES = (
    "PuzzleId,FEN,Moves,Rating,Themes\n"
    "a,6k1/2p2ppp/8/8/8/8/5PPP/R5K1 b - - 0 1,c7c6 a1a8,600,mateIn1\n"
    "b,6k1/2p2ppp/8/8/8/8/5PPP/R5K1 b - - 0 1,nonsense a1a8,600,mateIn1\n"
    "c,6k1/2p2ppp/8/8/8/8/5PPP/R5K1 b - - 0 1,c7c6 a1a8,1600,mateIn1 short\n"
)

needs_stockfish = pytest.mark.skipif(
    not any("stockfish" in path for path in discover()),
    reason="no stockfish here (apt install stockfish)",
)


def test_without_a_run_simple_movers_play_and_their_file_is_verified(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "book.epd").write_text(
        "4k3/8/8/8/8/8/4P3/4K2R w K -\n4k2r/4p3/8/8/8/8/8/4K3 b k -\n"
    )
    played = run("match", "greedy", "random", "--games", "4", "--openings", "book.epd")
    assert played.code == 0, played.err
    assert played.out.splitlines()[0] == "greedy against random: 4 games"
    (pgn,) = tmp_path.glob("match-by-hand-*.pgn")
    assert pgn.read_text().count("[FEN ") == 4
    assert not list(tmp_path.glob("*.jsonl"))
    sound = run("match", "verify", pgn.name)
    assert sound.code == 0, sound.out
    assert (
        sound.out.splitlines()[-1] == "every move is legal, and every result follows from its game"
    )
    text = pgn.read_text()
    first = text.index('[Result "') + len('[Result "')
    result = text[first : text.index('"', first)]
    other = "0-1" if result != "0-1" else "1-0"
    pgn.write_text(text[:first] + other + text[first + len(result) :])
    forged = run("match", "verify", pgn.name)
    assert forged.code == 65
    assert forged.out.startswith("game 1 (1.1): ")
    network = run("match", "best", "random")
    assert network.code == 64
    assert "say which run it is of by --run" in network.err


def test_a_tournament_prints_its_cross_table(run: Run, tmp_path: Path) -> None:
    refused = run("tournament", "greedy", "greedy")
    assert refused.code == 64
    assert "each named once" in refused.err
    played = run("tournament", "greedy", "random", "--games", "4", "--kind", "gauntlet")
    assert played.code == 0, played.err
    rows = [line.split() for line in played.out.splitlines() if line[:3].strip().isdecimal()]
    assert {row[1] for row in rows} == {"greedy", "random"}
    assert sum(float(row[2]) for row in rows) == 4
    (pgn,) = tmp_path.glob("tournament-*.pgn")
    assert run("match", "verify", pgn.name).code == 0


def test_suites_are_answered_by_anybody_who_plays(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mates.epd").write_text(MATES)
    (tmp_path / "puzzles.csv").write_text(PUZZLES)
    answered = run("suite", "mates.epd", "--player", "greedy")
    assert answered.code == 0, answered.err
    assert "all                              100.0% of      1" in answered.out
    solved = run("suite", "puzzles.csv", "--player", "greedy")
    assert solved.code == 0, solved.err
    assert "puzzles.csv, line 3: " in solved.err
    lines = [" ".join(line.split()) for line in solved.out.splitlines()]
    assert lines[0] == "greedy: 2 of puzzles.csv"
    assert lines[1].startswith("rated 400 to 799 100.0% of 1 ")
    assert lines[2].startswith("rated 1600 to 1999 100.0% of 1 ")
    assert lines[-1].startswith("puzzle rating ")
    nothing = run("suite", "none.epd", "--player", "greedy")
    assert nothing.code == 65


def test_the_ladder_ends_at_greedy_where_there_is_no_engine(run: Run) -> None:
    rated = run(
        "rate", "greedy", "--games", "4", "--probe-games", "4", "--stockfish", "no-such-engine"
    )
    assert rated.code == 0, rated.err
    assert "apt install stockfish" in rated.err
    assert "no rating of its own" in rated.out
    unknown = run("match", "no-such-engine:nodes=3", "random", "--games", "2")
    assert unknown.code == 64
    assert "no engine 'no-such-engine' is installed" in unknown.err


@pytest.mark.slow
@needs_stockfish
def test_stockfish_at_its_weakest_beats_the_random_mover_from_either_side(
    run: Run, tmp_path: Path
) -> None:
    weakest = "stockfish:nodes=200,Skill Level=0"
    for first, second, score in ((weakest, "random", 1.0), ("random", weakest, 0.0)):
        played = run("match", first, second, "--games", "100")
        assert played.code == 0, played.err
        share = float(played.out.splitlines()[1].split("(")[1].split("%")[0]) / 100
        assert abs(share - score) <= 0.01
    for pgn in tmp_path.glob("*.pgn"):
        assert run("match", "verify", pgn.name).code == 0


@pytest.mark.slow
@needs_stockfish
def test_the_ladder_places_a_simple_mover_below_stockfish(run: Run) -> None:
    rated = run("rate", "greedy", "--games", "10", "--probe-games", "6", "--movetime", "10")
    assert rated.code == 0, rated.err
    assert "greedy: Elo" in rated.out
