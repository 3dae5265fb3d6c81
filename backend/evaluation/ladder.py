"""Where a player stands among opponents of known order, found by few matches.

    rungs   random  greedy  sf 1 node  sf 50 nodes  UCI_Elo 1400  1600  1800 …  2800
                               ▲ 3rd        ▲ 2nd                    ▲ 1st probe

Each probe halves the part of the ladder where the player's strength may lie; the rung nearest to it
is then played for long. Only rungs with a rating of their own (Stockfish under UCI_Elo: the scale
its authors fitted) give one to the player; from the others it gets a difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from backend.evaluation.match import MatchScore

MAX_PROBES: Final = 4
_WEAK_NODES: Final = (1, 50)
_ELOS: Final = range(1400, 2801, 200)
"""Within the limits of every Stockfish since its version 11."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """An opponent; `elo` is its rating on its own scale, None where it has none."""

    player: str
    elo: int | None = None


@dataclass(frozen=True, kw_only=True)
class Placed:
    """What the matches found."""

    probes: tuple[tuple[Rung, MatchScore], ...]
    rung: Rung
    confirmed: MatchScore

    @property
    def elo(self) -> tuple[float, float, float] | None:
        """Rating and the ends of its 95 % interval; None against a rung that has none."""
        if self.rung.elo is None:
            return None
        difference = self.confirmed.elo
        return (
            self.rung.elo + difference.elo,
            self.rung.elo + difference.low,
            self.rung.elo + difference.high,
        )


def rungs(stockfish: str | None, movetime_ms: int = 100) -> list[Rung]:
    """Weakest first. `stockfish` is the engine's name or path; without it there are two rungs."""
    ladder = [Rung(player="random"), Rung(player="greedy")]
    if stockfish is None:
        return ladder
    ladder += [Rung(player=f"{stockfish}:nodes={n},Skill Level=0") for n in _WEAK_NODES]
    ladder += [
        Rung(player=f"{stockfish}:movetime={movetime_ms},UCI_Elo={elo}", elo=elo) for elo in _ELOS
    ]
    return ladder


def place(
    ladder: Sequence[Rung],
    probe: Callable[[Rung], MatchScore],
    confirm: Callable[[Rung], MatchScore],
) -> Placed:
    """Bisect with at most MAX_PROBES probes, then confirm against the rung nearest in strength."""
    if not ladder:
        raise ValueError("a ladder needs a rung")
    low, high = 0, len(ladder)  # The player beats all below `low`, and none from `high` on.
    probes: list[tuple[Rung, MatchScore]] = []
    while low < high and len(probes) < MAX_PROBES:
        middle = (low + high) // 2
        score = probe(ladder[middle])
        probes.append((ladder[middle], score))
        if score.score > 0.5:
            low = middle + 1
        else:
            high = middle
    nearest = min(probes, key=lambda probed: abs(probed[1].score - 0.5))[0]
    return Placed(probes=tuple(probes), rung=nearest, confirmed=confirm(nearest))
