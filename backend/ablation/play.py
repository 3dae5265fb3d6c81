"""What trained arms do at the board: puzzles, and games against the first arm."""

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from backend.ablation.arms import Arm
from backend.ablation.experiment import OnProgress
from backend.ablation.results import AnyFinding, ArmsMatch, Puzzles, Results
from backend.commit import commit_file
from backend.config import Config
from backend.device import choose_device
from backend.errors import ConfigError, ReplayError
from backend.evaluation.lineup import match_batch
from backend.evaluation.match import MatchGame, play_match, score_of, to_pgn
from backend.evaluation.matchlog import MatchLog
from backend.evaluation.openings import random_openings
from backend.evaluation.players import NetworkPlayer
from backend.evaluation.suites import Solved, solve_puzzles
from backend.inference.choose import Chooser
from backend.replay.puzzles import Puzzle, PuzzleFault, read_puzzles
from backend.weights import load_network


class PuzzleSet:
    """The puzzles of a file."""

    def __init__(self, path: Path) -> None:
        """ReplayError when there is none in it."""
        rows = list(read_puzzles(path))
        self.puzzles = [row for row in rows if isinstance(row, Puzzle)]
        self.faults = [row for row in rows if isinstance(row, PuzzleFault)]
        """The rows that are none; they are left out."""
        if not self.puzzles:
            raise ReplayError(f"{path}: no puzzle in it")
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()[:16]


class Trained(Protocol):
    """An experiment whose arms are trained."""

    out: Path
    arms: list[Arm]
    base: Config
    seeds: int
    results: Results

    @property
    def calibration(self) -> Path | None:
        """Shards on which networks are compared before they play; None: random positions."""

    def config(self, arm: Arm, seed: int) -> Config:
        """The settings of an arm in one repetition."""

    def network(self, arm: Arm, seed: int) -> Path:
        """The checkpoint that plays for it."""

    def found(self) -> list[AnyFinding]:
        """What was found for this budget."""

    @property
    def spent(self) -> str:
        """The budget in words, as findings name it."""


class Arena:
    """Lets the trained networks of an experiment play; what was found is not played again."""

    def __init__(self, experiment: Trained, *, simulations: int) -> None:
        """`simulations`: leaf evaluations for one move, the same for all. All arms are trained."""
        self._experiment = experiment
        self._simulations = simulations
        self._evaluation = experiment.base.evaluation
        self._chooser = Chooser(
            experiment.base.inference,
            choose_device(experiment.base.device),
            batch=match_batch(self._evaluation.parallel_games),
            replay=experiment.calibration,
            seed=experiment.base.seed,
        )
        self._players: dict[tuple[int, str], NetworkPlayer] = {}
        """Of one repetition."""

    def solve(
        self, puzzles: PuzzleSet, *, on_progress: OnProgress, should_stop: Callable[[], bool]
    ) -> bool:
        """Every arm at the puzzles; whether all of it is done."""
        turns = list(itertools.product(range(self._experiment.seeds), self._experiment.arms))
        slots = self._evaluation.parallel_games
        for number, (seed, arm) in enumerate(turns):
            if self._has_solved(puzzles, seed, arm):
                continue
            player = self._player(seed, arm)
            solved: list[Solved] = []
            while len(solved) < len(puzzles.puzzles):
                if should_stop():
                    return False
                part = puzzles.puzzles[len(solved) : len(solved) + slots]
                solved += solve_puzzles(player, part, slots=slots)
                share = len(solved) / len(puzzles.puzzles)
                right = sum(one.is_solved for one in solved)
                on_progress(
                    arm.name, (number + share) / len(turns), f"{right}/{len(solved)} puzzles solved"
                )
            self._experiment.results.add(
                Puzzles(
                    arm=arm.name,
                    seed=seed,
                    budget=self._experiment.spent,
                    puzzles=puzzles.sha256,
                    simulations=self._simulations,
                    count=len(solved),
                    solved=sum(one.is_solved for one in solved),
                )
            )
        return True

    def compete(
        self, games: int, *, on_progress: OnProgress, should_stop: Callable[[], bool]
    ) -> bool:
        """Every other arm against the first, `games` in each repetition; whether all is done."""
        first, *others = self._experiment.arms
        turns = list(itertools.product(range(self._experiment.seeds), others))
        for number, (seed, arm) in enumerate(turns):
            if self._has_played(games, seed, arm, first):
                continue

            def on_games(finished: list[MatchGame], number: int = number, arm: Arm = arm) -> None:
                points = sum(game.candidate_points for game in finished)
                share = len(finished) / games
                on_progress(
                    f"{arm.name} against {first.name}",
                    (number + share) / len(turns),
                    f"{len(finished)}/{games} games, {points:g} points",
                )

            found = self._match(games, seed, arm, first, on_games, should_stop)
            if found is None:
                return False
            self._experiment.results.add(found)
        return True

    def _match(
        self,
        games: int,
        seed: int,
        arm: Arm,
        first: Arm,
        on_games: Callable[[list[MatchGame]], None],
        should_stop: Callable[[], bool],
    ) -> ArmsMatch | None:
        """None when it was stopped; its finished games are kept for the next start."""
        settings = self._evaluation
        try:
            openings = random_openings(
                games // 2, settings.opening_plies, self._experiment.base.seed + seed
            )
        except ValueError as error:
            raise ConfigError(f"[evaluation] opening_plies: {error}") from error
        folder = self._experiment.out / "games"
        folder.mkdir(exist_ok=True)
        name = f"{arm.folder}-against-{first.folder}-seed-{seed}"
        identity = f"{name}, {self._experiment.spent}, {self._simulations} simulations, {games}"
        with MatchLog(folder / f"{name}.jsonl", identity, openings) as log:

            def hear(finished: list[MatchGame]) -> None:
                log.hear(finished)
                on_games(finished)

            played = play_match(
                self._player(seed, arm),
                self._player(seed, first),
                openings,
                max_plies=settings.max_plies,
                slots=min(games, settings.parallel_games),
                played=log.finished,
                on_game=hear,
                on_step=lambda: not should_stop(),
            )
            if played is None:
                return None
            event = f"Matrix0 ablation, {self._simulations} simulations"
            pgn = to_pgn(played, arm.name, first.name, event)
            commit_file(folder / f"{name}.pgn", pgn.encode())
            log.remove()
        score = score_of(played)
        return ArmsMatch(
            arm=arm.name,
            seed=seed,
            budget=self._experiment.spent,
            against=first.name,
            games=games,
            simulations=self._simulations,
            wins=score.wins,
            draws=score.draws,
            losses=score.losses,
            truncated=score.truncated,
            pairs=score.pairs,
        )

    def _player(self, seed: int, arm: Arm) -> NetworkPlayer:
        """The trained network of an arm, as self-play would play it."""
        if any(held != seed for held, _ in self._players):
            self._players.clear()
        key = (seed, arm.name)
        if key not in self._players:
            path = self._experiment.network(arm, seed)
            config = self._experiment.config(arm, seed)
            self._players[key] = NetworkPlayer(
                arm.name,
                self._chooser.choose(load_network(path)).inference,
                config.search,
                simulations=self._simulations,
                slots=self._evaluation.parallel_games,
                orientation=config.model.orientation,
                seed=config.seed,
            )
        return self._players[key]

    def _has_solved(self, puzzles: PuzzleSet, seed: int, arm: Arm) -> bool:
        return any(
            isinstance(found, Puzzles)
            and (found.seed, found.arm) == (seed, arm.name)
            and (found.puzzles, found.simulations) == (puzzles.sha256, self._simulations)
            for found in self._experiment.found()
        )

    def _has_played(self, games: int, seed: int, arm: Arm, first: Arm) -> bool:
        return any(
            isinstance(found, ArmsMatch)
            and (found.seed, found.arm, found.against) == (seed, arm.name, first.name)
            and (found.games, found.simulations) == (games, self._simulations)
            for found in self._experiment.found()
        )
