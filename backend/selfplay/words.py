"""A number of games as one line for people."""

from backend.events import GamesTuned


def games_in_words(tuned: GamesTuned) -> str:
    """'64 games at once; evaluations/s with 32: 14,100, 64: 15,000, 128: 15,100'."""
    pairs = zip(tuned.tried, tuned.evaluations_per_s, strict=True)
    measured = ", ".join(f"{games}: {rate:,.0f}" for games, rate in pairs)
    return f"{tuned.games} games at once; evaluations/s with {measured}"
