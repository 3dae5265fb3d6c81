"""Move generation and search alone, without a network: one core, against python-chess."""

import chess
from _table import Row, rate, show

from backend.config import SearchConfig
from backend.search.evaluator import uniform
from backend.search.search import Search
from model.rules import from_fen, perft, start_position

KIWIPETE = "r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1"
NUM_GAMES = 128
SIMULATIONS = 64


def python_chess_perft(board: chess.Board, depth: int) -> int:
    """Leaves below the board, counted in bulk at the last ply as `perft` does."""
    if depth == 1:
        return board.legal_moves.count()
    nodes = 0
    for move in board.legal_moves:
        board.push(move)
        nodes += python_chess_perft(board, depth - 1)
        board.pop()
    return nodes


def search_visits(rule: str) -> float:
    """Simulations a second of many games in lock-step, with an evaluator that costs nothing."""
    config = SearchConfig(root=rule, simulations=SIMULATIONS)  # type: ignore[arg-type]
    search = Search(
        config, num_games=NUM_GAMES, max_simulations=SIMULATIONS, orientation="mover", seed=0
    )
    for game in range(NUM_GAMES):
        search.start(game, start_position())
        search.begin(game, SIMULATIONS, noise=True)

    def work() -> float:
        visits = 0
        for game in search.step(uniform):
            result = search.result(game)
            visits += result.simulations
            if search.play(game, int(result.moves[result.best])):
                search.start(game, start_position())
            search.begin(game, SIMULATIONS, noise=True)
        return visits

    work()
    return rate(work)


def main() -> None:
    position, board = from_fen(KIWIPETE), chess.Board(KIWIPETE)
    perft(position, 2)
    ours = rate(lambda: perft(position, 5))
    theirs = rate(lambda: python_chess_perft(board, 3))
    rows = [
        Row(
            what="perft, bulk at the last ply",
            value=ours,
            unit="nodes/s",
            baseline=theirs,
            against="python-chess",
        )
    ]
    for rule in ("gumbel", "puct"):
        what = f"search ({rule}), {NUM_GAMES} games x {SIMULATIONS} simulations"
        rows.append(Row(what=what, value=search_visits(rule), unit="visits/s"))
    show("Rules and search, one core, no network", rows)


if __name__ == "__main__":
    main()
