"""The searching session by itself: what ends a search, what it says, and what it keeps."""

import threading
import time
from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest

from backend.engine.course import Game
from backend.engine.limits import Clock, Limits
from backend.engine.tables import RootTables
from backend.engine.thinker import Report, Settings, Thinker
from backend.errors import ConfigError, NonFiniteError
from backend.search.evaluator import Evaluate, uniform
from tests.fake_evaluators import Counting, Scripted, material, scattered
from tests.limits import PATIENCE_S
from tests.search.test_search_mates import MATE_OR_BE_MATED, MATES_IN_2

TABLES = Path(__file__).parents[1] / "data" / "syzygy"


def make(evaluate: Evaluate = material, **settings: Any) -> Thinker:
    return Thinker(
        evaluate,
        orientation="mover",
        max_nodes=settings.pop("max_nodes", 20_000),
        settings=Settings(**settings),
    )


# What ends a search -------------------------------------------------------------------------------


@pytest.mark.parametrize("leaves", [1, 7, 64])
def test_a_node_limit_is_kept_exactly(leaves: int) -> None:
    counting = Counting(scattered(1))
    report = make(counting, leaves=leaves).think(Game(), Limits(nodes=300)).report
    assert report.nodes == 300
    assert report.evaluations == len(counting.keys)


def test_a_stop_that_came_before_the_search_still_gets_a_move() -> None:
    stop = threading.Event()
    stop.set()
    counting = Counting(material)
    thought = make(counting).think(Game(), Limits(), stop_event=stop)
    assert chess.Move.from_uci(thought.best) in chess.Board().legal_moves
    assert len(counting.keys) == 1


def test_a_search_without_limits_ends_with_the_stop() -> None:
    stop = threading.Event()

    def on_report(report: Report) -> None:
        if report.nodes > 500:
            stop.set()

    report = make().think(Game(), Limits(), on_report, stop).report
    assert report.nodes > 500


def test_an_infinite_search_that_knows_all_waits_for_the_stop() -> None:
    stop = threading.Event()
    found = threading.Event()
    done = threading.Event()

    def think() -> None:
        make().think(Game(MATES_IN_2[1]), Limits(infinite=True), lambda _: found.set(), stop)
        done.set()

    thread = threading.Thread(target=think)
    thread.start()
    assert found.wait(PATIENCE_S)
    assert not done.wait(0.3)
    stop.set()
    assert done.wait(PATIENCE_S)
    thread.join()


def test_limits_count_from_the_ponder_hit() -> None:
    hit, stop = threading.Event(), threading.Event()

    def on_report(report: Report) -> None:
        if report.nodes > 400:
            hit.set()

    limits = Limits(nodes=50)
    report = make().think(Game(), limits, on_report, stop, hit_event=hit).report
    assert hit.is_set()
    assert 400 < report.nodes < 10_000


def test_a_ponder_search_that_knows_all_waits_for_the_hit() -> None:
    hit = threading.Event()
    game = Game(MATES_IN_2[1])
    timer = threading.Timer(0.2, hit.set)
    timer.start()
    thought = make().think(game, Limits(movetime_s=5.0), hit_event=hit)
    assert hit.is_set()
    assert thought.report.lines[0].mate == 3
    timer.join()


def test_a_tree_of_no_more_room_ends_the_search() -> None:
    report = make(max_nodes=500).think(Game(), Limits(nodes=100_000)).report
    assert report.nodes < 500
    assert report.fill_frac > 0.9


def test_visits_to_decided_positions_do_not_go_on_for_ever() -> None:
    game = Game("8/8/8/8/8/2k5/2p5/2K5 w - - 0 1", ())  # stalemate is never far
    for nodes in (1, 50, 5000):
        make().think(game, Limits(nodes=nodes))


def test_a_single_legal_move_costs_no_time_on_a_clock() -> None:
    clock = Clock(remaining_s=3600.0)
    game = Game("k7/8/8/8/8/1r6/8/K6r w - - 0 1")
    thought = make(uniform).think(game, Limits(clock=clock))
    assert thought.best == "a1a2"
    assert thought.report.nodes < 50


def test_on_a_clock_a_leader_that_nobody_can_overtake_is_played() -> None:
    fen = "rnb1kbnr/pppp1ppp/8/4p1q1/4P3/5N2/PPPP1PPP/RNBQKB1R w KQkq - 0 4"
    evaluate = Scripted(priors={fen: {"f3g5": 0.97}})
    thinker = make(evaluate, max_nodes=1_000_000)
    report = thinker.think(Game(fen), Limits(clock=Clock(remaining_s=30.0))).report
    assert report.lines[0].move == "f3g5"
    assert report.elapsed_s < 0.95, "the soft limit is 1 s"


def test_depth_is_the_mean_length_of_the_simulations() -> None:
    report = make().think(Game(), Limits(depth=2, nodes=20_000)).report
    assert report.depth == 2
    assert report.deepest >= 2


# Mates and draws ----------------------------------------------------------------------------------


@pytest.mark.parametrize("fen", MATES_IN_2)
@pytest.mark.parametrize("leaves", [1, 32])
def test_a_mate_in_two_is_found_counted_and_shown_to_its_end(fen: str, leaves: int) -> None:
    thought = make(uniform, leaves=leaves).think(Game(fen), Limits(nodes=15_000, mate=2))
    line = thought.report.lines[0]
    assert line.mate == 3
    board = chess.Board(fen)
    for move in line.pv:
        board.push_uci(move)
    assert len(line.pv) == 3
    assert board.is_checkmate()
    assert thought.ponder == line.pv[1]


@pytest.mark.parametrize(("fen", "only"), MATE_OR_BE_MATED)
def test_a_move_that_is_mated_by_force_is_not_played(fen: str, only: str) -> None:
    thought = make(uniform, num_lines=50).think(Game(fen), Limits(nodes=10_000))
    assert thought.best == only
    lost = [line for line in thought.report.lines if line.mate is not None and line.mate < 0]
    assert lost
    assert thought.report.lines[-1] in lost


def test_the_side_that_is_mated_by_force_is_told_when() -> None:
    thought = make(uniform).think(Game("7k/8/8/8/8/1r6/r7/7K w - - 0 1"), Limits(nodes=500))
    assert thought.best == "h1g1"
    assert thought.report.lines[0].mate == -2


def test_a_third_repetition_is_a_draw_whatever_the_evaluator_thinks() -> None:
    fen = "6k1/5ppp/8/8/8/8/5PPP/Q5K1 w - - 0 1"  # a queen up
    moves = ("g1f1", "g8f8", "f1g1", "f8g8", "g1f1", "g8f8")
    limits = Limits(nodes=1000, searchmoves=("f1g1",))
    third = make(material).think(Game(fen, moves), limits)
    assert abs(third.report.lines[0].value) < 0.1, "f8g8 makes the first position a third time"
    fresh = make(material).think(Game("5k2/5ppp/8/8/8/8/5PPP/Q4K2 w - - 6 4"), limits)
    assert fresh.report.lines[0].value > 0.3


def test_a_game_that_has_ended_has_no_move() -> None:
    thought = make().think(Game("7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"), Limits(nodes=10))
    assert thought.best == ""
    assert thought.report.lines == ()


def test_a_drawn_position_that_nobody_claimed_still_gets_a_move() -> None:
    for fen in ("8/8/4k3/8/8/3QK3/8/8 w - - 100 80", "8/8/4k3/8/8/3NK3/8/8 w - - 0 80"):
        thought = make().think(Game(fen), Limits(nodes=50))
        assert chess.Move.from_uci(thought.best) in chess.Board(fen).legal_moves


# What is kept and what is refused -----------------------------------------------------------------


def test_the_tree_is_kept_while_the_game_goes_on() -> None:
    thinker = make(scattered(2))
    first = thinker.think(Game(), Limits(nodes=2000))
    line = first.report.lines[0]
    game = Game(moves=line.pv[:2])
    stop = threading.Event()
    stop.set()
    kept = thinker.think(game, Limits(), stop_event=stop)
    assert kept.report.nodes <= 8
    assert sum(line.visits for line in kept.report.lines) > 20
    thinker.new_game()
    fresh = thinker.think(game, Limits(), stop_event=stop)
    assert sum(line.visits for line in fresh.report.lines) == 0


def test_another_game_begins_with_an_empty_tree() -> None:
    thinker = make(scattered(2))
    thinker.think(Game(moves=("e2e4",)), Limits(nodes=500))
    stop = threading.Event()
    stop.set()
    other = thinker.think(Game(moves=("d2d4",)), Limits(), stop_event=stop)
    assert sum(line.visits for line in other.report.lines) == 0


def test_the_same_search_comes_to_the_same_end() -> None:
    def lines() -> list[tuple[str, int]]:
        thinker = make(scattered(4), leaves=16, num_lines=50)
        report = thinker.think(Game(), Limits(nodes=700)).report
        return [(line.move, line.visits) for line in report.lines]

    assert lines() == lines()


def test_after_a_broken_answer_the_next_search_begins_anew() -> None:
    broken = threading.Event()

    def evaluate(positions: Any, move_index: Any, num_moves: Any, /) -> Any:
        logits, wdl = material(positions, move_index, num_moves)
        return logits, wdl * (np.nan if broken.is_set() else 1)

    thinker = make(evaluate)
    thinker.think(Game(), Limits(nodes=100))
    broken.set()
    with pytest.raises(NonFiniteError):
        thinker.think(Game(moves=("e2e4",)), Limits(nodes=100_000))
    broken.clear()
    assert thinker.think(Game(moves=("e2e4",)), Limits(nodes=100)).report.nodes == 100


@pytest.mark.parametrize(
    "game",
    [
        Game("8/8/8/8/8/8/8/8 w - - 0 1"),
        Game(moves=("e2e5",)),
        Game(moves=("e2e4", "e2e4")),
        Game("rk2k2r/8/8/8/8/8/8/RK5R w Q - 0 1"),
        Game("1rk4r/pppppppp/8/8/8/8/PPPPPPPP/1RK4R w KQkq - 0 1"),
    ],
)
def test_what_is_not_a_game_of_standard_chess_is_refused(game: Game) -> None:
    with pytest.raises(ValueError, match=r"FEN|illegal|Chess960"):
        make().think(game, Limits(nodes=10))


# Tables -------------------------------------------------------------------------------------------


def test_tables_choose_among_the_moves_of_the_root() -> None:
    fen = "8/8/8/8/8/2k5/1r6/K7 w - - 0 1"  # Kxb2 draws, there is nothing else
    thinker = make()
    thinker.tables = RootTables(str(TABLES))
    lost = thinker.think(Game("8/8/8/4k3/8/8/1r6/K7 w - - 0 1"), Limits(nodes=50))
    assert lost.best == "a1b2"
    won = Game("8/8/8/8/8/2k5/8/K2Q4 w - - 0 1")  # some queen moves lose the queen
    report = thinker.think(won, Limits(nodes=400)).report
    assert report.table_hits == len(list(chess.Board(won.start).legal_moves))
    assert report.lines[0].wdl == (1.0, 0.0, 0.0)
    board = chess.Board(won.start)
    board.push_uci(report.lines[0].move)
    assert not any(board.is_capture(reply) for reply in board.legal_moves)
    assert chess.Board(fen).is_valid()
    thinker.tables.close()


def test_tables_say_nothing_of_larger_positions() -> None:
    tables = RootTables(str(TABLES))
    assert tables.ask(chess.Board()) is None
    assert tables.ask(chess.Board("8/8/8/8/8/2kn4/8/K2Q4 w - - 0 1")) is None
    tables.close()


def test_a_directory_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no \.rtbw table"):
        RootTables(str(tmp_path))
    with pytest.raises(ConfigError, match="No such file"):
        RootTables(str(tmp_path / "nowhere"))


# Reports ------------------------------------------------------------------------------------------


def test_reports_grow_and_the_last_one_is_the_thought() -> None:
    reports: list[Report] = []
    thought = make(num_lines=3).think(Game(), Limits(nodes=1500), reports.append)
    assert reports[-1] == thought.report
    assert [r.nodes for r in reports] == sorted(r.nodes for r in reports)
    for report in reports:
        assert len(report.lines) == 3
        assert len({line.move for line in report.lines}) == 3
        for line in report.lines:
            assert sum(line.wdl) == pytest.approx(1.0, abs=1e-5)
            board = chess.Board()
            for move in line.pv:
                board.push_uci(move)
            assert line.pv[0] == line.move


def test_time_that_passed_before_the_search_counts() -> None:
    began_s = time.monotonic() - 10.0
    report = make().think(Game(), Limits(movetime_s=5.0), began_s=began_s).report
    assert report.nodes <= 1
