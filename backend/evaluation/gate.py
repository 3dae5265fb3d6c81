"""Whether a candidate becomes the best network."""

from typing import NamedTuple

from backend.events import MatchFinished, Verdict


class Decision(NamedTuple):
    verdict: Verdict
    score: float
    """The candidate's share of the points (0 to 1)."""
    reason: str


def decide(match: MatchFinished, gate_score: float) -> Decision:
    """Promote above `gate_score`, reject below; a score right on it decides nothing."""
    games = match.wins + match.draws + match.losses
    score = (match.wins + match.draws / 2) / games
    interval = f"Elo {match.elo:+z.0f} [{match.elo_low:+z.0f}, {match.elo_high:+z.0f}]"
    said = f"scored {score:.1%} of {games} games against {match.opponent}, {interval}"
    if score == gate_score:
        return Decision("inconclusive", score, f"{said}: exactly the gate of {gate_score:.1%}")
    side = "above" if score > gate_score else "below"
    verdict: Verdict = "promoted" if score > gate_score else "rejected"
    return Decision(verdict, score, f"{said}: {side} the gate of {gate_score:.1%}")
