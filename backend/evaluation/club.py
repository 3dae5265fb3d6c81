"""Matches that a person orders: players by name, games that go on where they stopped.

The games of a match in progress are kept under a name made from all that determines it, so that the
same order, given again, finds them.
"""

import shlex
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import chess

from backend.config import Config
from backend.device import choose_device
from backend.evaluation.adjudication import Adjudicator
from backend.evaluation.engines import names_engine, parse_engine
from backend.evaluation.fixture import Fixture, Halls, Names
from backend.evaluation.leash import Leash
from backend.evaluation.lineup import make_player, match_batch
from backend.evaluation.match import MatchGame, play_match
from backend.evaluation.matchlog import MatchLog
from backend.evaluation.openings import openings_of
from backend.evaluation.players import Player
from backend.evaluation.sprt import Sprt
from backend.evaluation.trial import Trial
from backend.events import InferenceChosen
from backend.inference.choose import Chooser
from backend.inference.front import Inference
from backend.inference.words import in_words
from backend.weights import load_network

Say = Callable[[str], None]


class Club:
    """Players of a run, or of none, and the matches between them; networks are made ready once."""

    def __init__(
        self,
        config: Config,
        checkpoints: Path,
        *,
        slots: int,
        say: Say,
        halls: Halls | None = None,
    ) -> None:
        """`checkpoints` is where networks are; `say` hears how each is computed.

        With `halls` matches are played there, else here.
        """
        self._config = config
        self._checkpoints = checkpoints
        self.slots = slots
        self._say = say
        self._halls = halls
        self._chooser: Chooser | None = None
        self._ready: dict[str, Inference] = {}
        self._said: set[str] = set()
        self.versions: dict[str, str] = {}
        """What the engines that have played call themselves, with their budgets."""

    def player(self, name: str, simulations: int, seed: int) -> Player:
        """To be closed. Raises what `make_player` does. The path of an engine is said before its
        first start."""
        if names_engine(name) and name not in self._said:
            self._said.add(name)
            self._say(f"engine {name}: {shlex.join(parse_engine(name).command)}")
        logs = self._checkpoints.parent / "logs"
        return make_player(
            name,
            self._load,
            self._config.search,
            simulations=simulations,
            slots=self.slots,
            seed=seed,
            leash=Leash(limits=self._config.limits, logs=logs if logs.is_dir() else None),
        )

    def play(
        self,
        fixture: Fixture,
        folder: Path,
        on_game: Callable[[list[MatchGame]], None],
        test: Sprt | None = None,
    ) -> tuple[list[MatchGame], MatchLog]:
        """All games of a match, of which some may have been played before.

        With a test only those that it counts, up to the pair that decides. Remove the log when the
        games are kept elsewhere.
        """
        trial = Trial(test)
        settings = self._config.evaluation
        openings = openings_of(settings, fixture.games // 2, fixture.seed)
        identity = fixture.identity(self._config)
        path = folder / f"match-in-progress-{zlib.crc32(identity.encode()):08x}.jsonl"
        with MatchLog(path, identity, openings) as log:
            if log.finished:
                self._say(f"goes on after {len(log.finished)} of {fixture.games} games")

            def hear(finished: list[MatchGame]) -> None:
                log.hear(finished)
                trial.hear(finished)
                on_game(finished)

            def go_on() -> bool:
                return not trial.decision

            names: Names | None
            if self._halls is None:
                names = self._play_here(fixture, openings, log.finished, hear, go_on)
            else:
                names = self._halls.play(
                    fixture,
                    self._config,
                    openings,
                    played=log.finished,
                    on_game=hear,
                    on_step=go_on,
                )
        for name, said in zip((fixture.first, fixture.second), names or (), strict=False):
            if said != name:
                self.versions[name] = said
        return trial.counted, log

    def _play_here(
        self,
        fixture: Fixture,
        openings: Sequence[chess.Board],
        played: Sequence[MatchGame],
        on_game: Callable[[list[MatchGame]], None],
        on_step: Callable[[], bool],
    ) -> Names:
        players: list[Player] = []
        try:
            for side, name in enumerate((fixture.first, fixture.second)):
                players.append(self.player(name, fixture.budgets[side], fixture.seed + side))
            play_match(
                players[0],
                players[1],
                openings,
                max_plies=self._config.evaluation.max_plies,
                slots=self.slots,
                adjudicator=Adjudicator(self._config.adjudication),
                played=played,
                on_game=on_game,
                on_step=on_step,
            )
            return players[0].name, players[1].name
        finally:
            for player in players:
                player.close()

    def _load(self, name: str) -> Inference:
        """As self-play would compute it."""
        if name not in self._ready:
            if self._chooser is None:
                self._chooser = Chooser(
                    self._config.inference,
                    choose_device(self._config.device),
                    batch=match_batch(self.slots),
                    replay=self._checkpoints.parent / "replay",
                    seed=self._config.seed,
                )
            choice = self._chooser.choose(load_network(self._checkpoints / name))
            chosen = InferenceChosen(worker="match", network=name, **choice.facts())
            self._say(in_words(chosen))
            self._ready[name] = choice.inference
        return self._ready[name]
