"""Which games of a match count, and when they decide it.

Many games are played at once and short ones end first; won games are shorter than drawn ones. So
pairs are counted in the order of their openings only: the k-th counts once it and all before it are
complete, whatever else has ended. The test sees the same sequence as if the pairs had been played
one after the other. Once it decides, later pairs count no more, finished or not, and the match
may be broken off.
"""

from collections.abc import Sequence

from backend.evaluation.match import MatchGame
from backend.evaluation.sprt import Decision, Sprt


class Trial:
    """Use `hear` as `on_game` of a match."""

    def __init__(self, test: Sprt | None) -> None:
        """Without a test every pair counts and nothing is decided."""
        self._test = test
        self._finished: dict[int, MatchGame] = {}
        self.counted: list[MatchGame] = []
        """Games of counted pairs, in the order of their numbers."""
        self._pairs = [0] * 5
        self.llr: float | None = None if test is None else 0.0
        self.decision: Decision = ""

    @property
    def pairs(self) -> tuple[int, int, int, int, int]:
        """Counted pairs in which the candidate scored 0, 0.5, 1, 1.5, 2."""
        lost, half, even, more, won = self._pairs
        return lost, half, even, more, won

    def hear(self, finished: Sequence[MatchGame]) -> None:
        """All games that have finished so far, in any order."""
        for game in finished[len(self._finished) :]:
            self._finished[game.number] = game
        while not self.decision:
            number = len(self.counted)
            pair = [self._finished.get(number), self._finished.get(number + 1)]
            games = [game for game in pair if game is not None]
            if len(games) < 2:
                break
            self._count(games)

    def _count(self, pair: list[MatchGame]) -> None:
        self.counted += pair
        self._pairs[round(2 * sum(game.candidate_points for game in pair))] += 1
        if self._test is not None:
            self.llr = self._test.llr(self._pairs)
            self.decision = self._test.decide(self.llr)
