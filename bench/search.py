"""Tree search alone, with ready answers for a network: against python-chess, one thread and two.

Before anything is measured both searches are shown to make the same visits.
"""

import threading
import time
from typing import Literal

import chess
import numpy as np
import psutil
from _plain_search import plain_search
from _table import Row, rate, show

from backend.config import SearchConfig
from backend.search.evaluator import MOVE_SLOTS
from backend.search.search import Search
from model.encoding import policy_index
from model.rules import from_fen, move_to_uci, uci_to_move, zobrist

RULES: tuple[Literal["gumbel", "puct"], ...] = ("gumbel", "puct")
NUM_GAMES = 256
SIMULATIONS = 100
FENS = (
    chess.STARTING_FEN,
    "r1bq1rk1/pp2bppp/2n1pn2/2pp4/3P4/2PBPN2/PP1N1PPP/R1BQ1RK1 w - - 0 8",
    "r4rk1/1pp1qppp/p1np1n2/2b1p1B1/2B1P1b1/P1NP1N2/1PP1QPPP/R4RK1 w - - 0 10",
    "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
)

_generator = np.random.default_rng(0)
LOGITS = _generator.normal(size=(NUM_GAMES, MOVE_SLOTS)).astype(np.float32)
WDL = _generator.dirichlet([4, 4, 4], NUM_GAMES).astype(np.float32)


def dummy(positions: np.ndarray, move_index: np.ndarray, num_moves: np.ndarray) -> tuple:
    """Ready answers that have nothing to do with the positions."""
    return LOGITS[: len(positions)], WDL[: len(positions)]


def opinion(positions: np.ndarray, move_index: np.ndarray, num_moves: np.ndarray) -> tuple:
    """Answers that depend on the position and the move alone, so that two searches agree."""
    keys = np.array([int(zobrist(position)) % 65_521 for position in positions])
    logits = np.sin(keys[:, None] + 0.37 * move_index).astype(np.float32)
    value = 0.5 * np.sin(7.0 * keys)
    return logits, np.stack([(1 + value) / 2, 0 * value, (1 - value) / 2], 1).astype(np.float32)


def plain_opinion(board: chess.Board, moves: list[chess.Move]) -> tuple[list[float], float]:
    """The same for the plain search."""
    position = from_fen(board.fen())
    index = [policy_index(position, uci_to_move(position, m.uci()), True) for m in moves]
    logits, wdl = opinion(position[None], np.array([index]), np.array([len(moves)]))
    priors = np.exp(logits[0].astype(np.float64))
    return (priors / priors.sum()).tolist(), float(wdl[0, 0] - wdl[0, 2])


def make(rule: Literal["gumbel", "puct"], num_games: int, simulations: int) -> Search:
    config = SearchConfig(root=rule, simulations=simulations)
    search = Search(
        config, num_games=num_games, max_simulations=simulations, orientation="mover", seed=0
    )
    for game in range(num_games):
        search.start(game, from_fen(FENS[game % len(FENS)]))
    return search


def check_equal_visits(rule: Literal["gumbel", "puct"]) -> None:
    """Stop unless both searches visit the same moves as often as the other."""
    for fen in FENS[:2]:
        config = SearchConfig(root=rule, mate_check=False)
        search = Search(config, num_games=1, max_simulations=200, orientation="mover", seed=0)
        search.start(0, from_fen(fen))
        result = search.search(0, 200, opinion)
        ours = {
            move_to_uci(from_fen(fen), int(move)): int(visits)
            for move, visits in zip(result.moves, result.visits, strict=True)
        }
        root = plain_search(chess.Board(fen), 200, plain_opinion, config)
        theirs = {move.uci(): child.visits for move, child in root.children.items()}
        if ours != theirs:
            raise SystemExit(f"the two {rule} searches differ in {fen}: {ours} and {theirs}")


def run(search: Search, num_games: int, simulations: int) -> float:
    """Search all games once; returns the visits."""
    for game in range(num_games):
        search.forget(game)
        search.begin(game, simulations, noise=False)
    left = num_games
    while left:
        left -= len(search.step(dummy))
    return num_games * simulations


def plain_visits(rule: Literal["gumbel", "puct"]) -> float:
    """Visits a second of the plain search with ready answers."""

    def ready(board: chess.Board, moves: list[chess.Move]) -> tuple[list[float], float]:
        return [1 / len(moves)] * len(moves), 0.1

    config = SearchConfig(root=rule)

    def work() -> float:
        for fen in FENS:
            plain_search(chess.Board(fen), SIMULATIONS, ready, config)
        return SIMULATIONS * len(FENS)

    return rate(work)


def two_threads(rule: Literal["gumbel", "puct"], seconds: float = 3.0) -> float:
    """Visits a second of two searches in two threads of one process."""
    searches = [make(rule, NUM_GAMES, SIMULATIONS) for _ in range(2)]
    visits = [0.0, 0.0]

    def work(number: int, until: float) -> None:
        while time.perf_counter() < until:
            visits[number] += run(searches[number], NUM_GAMES, SIMULATIONS)

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(k, began + seconds)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(visits) / (time.perf_counter() - began)


def memory_mib(simulations: int = 800, num_games: int = 32) -> float:
    """Resident memory of one game whose arena is as full as it gets: two searches and a move."""
    before = psutil.Process().memory_info().rss
    search = make("gumbel", num_games, simulations)
    for _ in range(3):
        for game in range(num_games):
            search.begin(game, simulations, noise=False)
        left = num_games
        while left:
            for game in search.step(dummy):
                result = search.result(game)
                if search.play(game, int(result.moves[result.best])) != 0:
                    search.start(game, from_fen(FENS[0]))
                left -= 1
    return (psutil.Process().memory_info().rss - before) / 2**20 / num_games


def main() -> None:
    rows = []
    for rule in RULES:
        check_equal_visits(rule)
        search = make(rule, NUM_GAMES, SIMULATIONS)
        run(search, NUM_GAMES, SIMULATIONS)
        ours = rate(lambda search=search: run(search, NUM_GAMES, SIMULATIONS))
        what = f"{rule}, {NUM_GAMES} games x {SIMULATIONS} simulations"
        rows.append(
            Row(
                what=what,
                value=ours,
                unit="visits/s",
                baseline=plain_visits(rule),
                against="python-chess, same visits",
            )
        )
        rows.append(
            Row(
                what=f"{rule}, two threads",
                value=two_threads(rule),
                unit="visits/s",
                baseline=ours,
                against="one thread",
            )
        )
    rows.append(Row(what="memory of a game at 800 simulations", value=memory_mib(), unit="MiB"))
    show("Search without a network", rows)


if __name__ == "__main__":
    main()
