"""Openings of a match: a few random plies, each line used for one pair of games only."""

import random

import chess

from backend.evaluation.referee import verdict


def random_openings(count: int, plies: int, seed: int) -> list[list[chess.Move]]:
    """`count` different lines of `plies` uniformly random moves, none of which ends the game.

    Raises ValueError where so many different positions do not exist.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    openings: list[list[chess.Move]] = []
    tries = 0
    while len(openings) < count:
        tries += 1
        if tries > 100 * count + 1000:
            raise ValueError(f"{count} different openings of {plies} plies were not found")
        board = chess.Board()
        for _ in range(plies):
            board.push(rng.choice(list(board.legal_moves)))
            if verdict(board) is not None:
                break
        if verdict(board) is not None or board.epd() in seen:
            continue
        seen.add(board.epd())
        openings.append(list(board.move_stack))
    return openings
