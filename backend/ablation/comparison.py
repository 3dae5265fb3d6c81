"""Findings as a table: each arm's means over the repetitions, and how it differs from the first.

A difference is taken repetition by repetition, so only those count that both arms have finished.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from backend.ablation.arms import Arm
from backend.ablation.results import AnyFinding, ArmsMatch, HeldOut, Puzzles
from backend.ablation.statistics import Estimate, estimate
from backend.evaluation.rating import Elo, elo_of_pairs

MEASURES: Final = ("policy_loss", "value_loss", "top1", "top5", "puzzles", "seconds")
"""policy_loss, value_loss: nats, on held-out positions. top1, top5, puzzles: shares. seconds: of
training."""


@dataclass(frozen=True, kw_only=True)
class Encounter:
    """All games of an arm against the first one."""

    wins: int
    draws: int
    losses: int
    truncated: int
    elo: Elo
    """Of all pairs together: its interval knows the games, not the seeds."""
    score: Estimate
    """Share of the points (0 to 1), over the repetitions."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is known of one arm."""

    arm: Arm
    measures: dict[str, Estimate]
    """By name, those of MEASURES that were taken."""
    differences: dict[str, Estimate]
    """This arm minus the first, over the repetitions; empty for the first."""
    encounter: Encounter | None
    """None for the first, and where no game was played."""


def compare(
    findings: Sequence[AnyFinding],
    arms: Sequence[Arm],
    *,
    seeds: int,
    puzzles: str = "",
    games: int = 0,
    simulations: int = 0,
) -> list[Summary]:
    """Of the findings for one budget those that were asked for; arms without any are left out.

    `puzzles` is the file's SHA-256 as in the findings, empty without puzzles.
    """
    values: dict[str, dict[str, dict[int, float]]] = {
        arm.name: {measure: {} for measure in MEASURES} for arm in arms
    }
    matches: dict[str, list[ArmsMatch]] = {arm.name: [] for arm in arms}
    for found in findings:
        if found.arm not in values or found.seed >= seeds:
            continue
        own = values[found.arm]
        match found:
            case HeldOut():
                for measure in ("policy_loss", "value_loss", "top1", "top5", "seconds"):
                    own[measure][found.seed] = getattr(found, measure)
            case Puzzles():
                if (found.puzzles, found.simulations) == (puzzles, simulations):
                    own["puzzles"][found.seed] = found.solved / found.count
            case ArmsMatch():
                if (found.against, found.games, found.simulations) == (
                    arms[0].name,
                    games,
                    simulations,
                ):
                    matches[found.arm].append(found)
    first = values[arms[0].name]
    return [
        Summary(
            arm=arm,
            measures={
                measure: estimate(list(by_seed.values()))
                for measure, by_seed in values[arm.name].items()
                if by_seed
            },
            differences=_differences(values[arm.name], first) if arm is not arms[0] else {},
            encounter=encounter_of(matches[arm.name]),
        )
        for arm in arms
        if values[arm.name]["policy_loss"]
    ]


def _differences(
    own: dict[str, dict[int, float]], first: dict[str, dict[int, float]]
) -> dict[str, Estimate]:
    found = {}
    for measure, by_seed in own.items():
        shared = sorted(by_seed.keys() & first[measure].keys())
        if shared:
            found[measure] = estimate([by_seed[seed] - first[measure][seed] for seed in shared])
    return found


def encounter_of(matches: Sequence[ArmsMatch]) -> Encounter | None:
    """All games of these matches together; None without any."""
    if not matches:
        return None
    pairs = [sum(counts) for counts in zip(*(match.pairs for match in matches), strict=True)]
    return Encounter(
        wins=sum(match.wins for match in matches),
        draws=sum(match.draws for match in matches),
        losses=sum(match.losses for match in matches),
        truncated=sum(match.truncated for match in matches),
        elo=elo_of_pairs(pairs),
        score=estimate([(match.wins + match.draws / 2) / match.games for match in matches]),
    )
