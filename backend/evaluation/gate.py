"""Whether a candidate becomes the best network: the test that decides, and what it says.

Three verdicts, those of the test: promoted (proven stronger; under gate regression, proven no
weaker), rejected, and inconclusive, where all games are played and nothing is proven. An
inconclusive candidate may be promoted all the same. That is the rule for a loop: a step of training
is worth a few Elo, which no affordable match proves, and a gate that waits for proof would starve
self-play of the newest network. KataGo's gate asks for half of the points of 200 games, lc0's
server for more than -50 Elo.
"""

from typing import NamedTuple

from backend.config import EvaluationConfig
from backend.evaluation.sprt import Sprt
from backend.events import MatchFinished, Verdict


class Decision(NamedTuple):
    verdict: Verdict
    promotes: bool
    """Whether the candidate becomes the best; of an inconclusive one too."""
    score: float
    """The candidate's share of the points (0 to 1)."""
    llr: float | None
    """Of the test; None without one."""
    reason: str


def gate_test(config: EvaluationConfig) -> Sprt | None:
    """The test that may end a match of candidate against best early; None with gate none."""
    if config.gate == "none":
        return None
    low, high = config.gate_elo0, config.gate_elo1
    if config.gate == "regression":
        low, high = -high, -low
    return Sprt(
        elo0=low,
        elo1=high,
        alpha=config.gate_alpha,
        beta=config.gate_beta,
        scale=config.gate_scale,
    )


def decide(match: MatchFinished, config: EvaluationConfig) -> Decision:
    """The decision on the candidate of a finished match, derived from its pairs alone."""
    games = match.wins + match.draws + match.losses
    score = (match.wins + match.draws / 2) / games
    said = (
        f"scored {score:.1%} of {games} games against {match.opponent}, "
        f"Elo {match.elo:+z.0f} [{match.elo_low:+z.0f}, {match.elo_high:+z.0f}]"
    )
    test = gate_test(config)
    if test is None:
        return Decision("promoted", True, score, None, f"{said}: there is no gate")
    llr = test.llr(match.pairs)
    low, high = test.bounds
    said += f", LLR {llr:+z.2f} of {low:.2f} to {high:+.2f} ({test})"
    match test.decide(llr), config.gate:
        case "elo1", "regression":
            return Decision("promoted", True, score, llr, f"{said}: no loss")
        case "elo1", _:
            return Decision("promoted", True, score, llr, f"{said}: proven stronger")
        case "elo0", "regression":
            return Decision("rejected", False, score, llr, f"{said}: a proven loss")
        case "elo0", _:
            return Decision("rejected", False, score, llr, f"{said}: not stronger")
        case _, "regression":
            said += ": no proven loss, promoted all the same"
            return Decision("inconclusive", True, score, llr, said)
    if score > config.gate_score:
        said += f": nothing proven, promoted all the same above {config.gate_score:.1%}"
        return Decision("inconclusive", True, score, llr, said)
    said += f": nothing proven, and not above {config.gate_score:.1%}"
    return Decision("inconclusive", False, score, llr, said)
