"""A fleet of up to 10,000 workers and the one machine that takes its games in, event by event.

    python bench/fleet_simulation.py                      10, 100, 1,000 and 10,000 workers
    python bench/fleet_simulation.py --workers 10000 --games 0.002 --seconds 3600

Beside what the simulation admits stands what the model of docs/design says that it must. What
cannot be read from a formula is the point of it: queues, rest, and how old games are when they
count. Own loop on a heap, since a library's processes cost ten times as much for each event.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from _table import Row, options, show

PORTIONS: Final = 100
"""The trainer takes what it may in hundredths of a network's samples."""


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What the model knows. Figures: `bench/fleet.py`, self-play of `small` on one core, and a
    trainer with a GPU, as docs/lab-notes.md has them; latency, link and match are assumptions."""

    workers: int = 10_000
    games_per_s: float = 0.114
    """Of one worker: 12.8 positions a second."""
    games_at_once: int = 32
    """Begun and not ended, in one worker; a game lasts this many divided by `games_per_s`."""
    positions_per_game: float = 112.0
    game_bytes: float = 27_200.0
    network_bytes: float = 14.2e6
    link_bytes_per_s: float = 125e6
    """Of the machine that takes games in, each way."""
    latency_s: float = 0.05
    """Mean, one way, exponential: between a worker and that machine."""
    admission_s: float = 0.015
    """Processor and disk time to replay and record one shard."""
    samples_per_position: float = 2.0
    samples_per_s: float = 6_100.0
    """What the trainer can take."""
    samples_per_network: float = 512e3
    """Between two candidates: a cycle."""
    evaluation_s: float = 300.0
    """From a candidate to its promotion."""
    max_waiting: int = 16
    """Shards of one worker on their way; then it rests."""
    waits_for_admission: bool = True
    """Whether a shard counts as on its way until it is admitted; else until it has arrived."""
    max_staleness: int = 0
    """Promotions; 0 refuses nothing."""
    life_s: float = 0.0
    """Mean time to a worker's death; 0 means that none dies."""
    restart_s: float = 30.0
    repeat_frac: float = 0.0
    """Of shards that are sent again, since nobody heard that they had come."""


class Limits(NamedTuple):
    """Games a second that each stage can do; the least is what the fleet can."""

    workers: float
    link: float
    admission: float
    trainer: float
    full_queue_s: float
    """At most, if admission is full, from a game's end to its admission: every worker has all
    that it may on the way, except who plays, who lacks one."""

    @property
    def first(self) -> str:
        """The stage that is full first."""
        return self._fields[self.index(min(self[:4]))]

    @property
    def admitted(self) -> float:
        """Games a second that come to count: a full trainer stops nobody."""
        return min(self.workers, self.link, self.admission)


def limits(fleet: Fleet) -> Limits:
    """What the model says, without a simulation."""
    alive = 1.0 if not fleet.life_s else fleet.life_s / (fleet.life_s + fleet.restart_s)
    return Limits(
        workers=fleet.workers * fleet.games_per_s * alive,
        link=fleet.link_bytes_per_s / (fleet.game_bytes * (1 + fleet.repeat_frac)),
        admission=1 / fleet.admission_s if fleet.admission_s else math.inf,
        trainer=fleet.samples_per_s / (fleet.samples_per_position * fleet.positions_per_game),
        full_queue_s=fleet.workers * fleet.max_waiting * fleet.admission_s - 1 / fleet.games_per_s,
    )


@dataclass(kw_only=True)
class Seen:
    """What happened; times are of simulated seconds."""

    seconds: float = 0.0
    begun: int = 0
    lost: int = 0
    """With the worker that played them."""
    in_play: int = 0
    """At the end."""
    on_the_way: int = 0
    """At the end: ended, neither admitted nor refused."""
    admitted: int = 0
    stale: int = 0
    repeats: int = 0
    """Shards that came a second time, and were not counted."""
    promotions: int = 0
    samples: float = 0.0
    late_admitted: int = 0
    """Admitted in the second half, when queues have settled."""
    late_behind: int = 0
    """Summed over `late_admitted`: between the network of the last move and the best one."""
    late_age_s: float = 0.0
    """Summed likewise: from the end of a game to its admission."""
    most_waiting: int = 0
    """Shards that had arrived and were not admitted."""
    rests: int = 0
    """Times that a worker had `max_waiting` shards on the way."""

    @property
    def admitted_per_s(self) -> float:
        return 2 * self.late_admitted / self.seconds

    @property
    def mean_age_s(self) -> float:
        return self.late_age_s / max(1, self.late_admitted)

    @property
    def mean_behind(self) -> float:
        """Promotions."""
        return self.late_behind / max(1, self.late_admitted)


class _Shard(NamedTuple):
    worker: int
    network: int
    ended_at: float
    is_repeat: bool = False


class _Worker:
    __slots__ = ("is_alive", "is_resting", "life", "waiting")

    def __init__(self) -> None:
        self.life = 0
        """Counts its starts: what an earlier life had planned does not happen."""
        self.is_alive = False
        self.is_resting = False
        self.waiting = 0
        """Its shards on the way. They outlive it: a node keeps them until they are safe."""


class Simulation:
    """One run of a fleet."""

    def __init__(self, fleet: Fleet, seed: int = 0) -> None:
        self._fleet = fleet
        self._rng = random.Random(seed)
        self._agenda: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        """When, a number that breaks ties, and what happens then."""
        self._number = 0
        self._now = 0.0
        self._workers = [_Worker() for _ in range(fleet.workers)]
        self._promoted_at = [0.0]
        self._link_free_at = 0.0
        self._queue: deque[_Shard] = deque()
        self._credits = 0.0
        """Samples that the trainer may draw."""
        self._portions = 0
        """Hundredths of the samples of the network in training."""
        self._is_training = False
        self.seen = Seen()

    def run(self, seconds: float) -> Seen:
        """Plays for so long."""
        self.seen.seconds = seconds
        for number in range(self._fleet.workers):
            self._begin(number)
        while self._agenda and self._agenda[0][0] <= seconds:
            self._now, _, happens, details = heapq.heappop(self._agenda)
            happens(*details)
        return self.seen

    def _plan(self, delay_s: float, what: Callable[..., None], *details: object) -> None:
        self._number += 1
        heapq.heappush(self._agenda, (self._now + delay_s, self._number, what, details))

    def _random_s(self, mean_s: float) -> float:
        return self._rng.expovariate(1 / mean_s) if mean_s else 0.0

    # A worker -------------------------------------------------------------------------------------

    def _begin(self, number: int) -> None:
        worker, fleet = self._workers[number], self._fleet
        worker.life += 1
        worker.is_alive = True
        worker.is_resting = worker.waiting >= fleet.max_waiting
        self.seen.begun += fleet.games_at_once
        self.seen.in_play += fleet.games_at_once
        if fleet.life_s:
            self._plan(self._random_s(fleet.life_s), self._die, number)
        self._play_on(number)

    def _play_on(self, number: int) -> None:
        worker = self._workers[number]
        if worker.is_alive and not worker.is_resting:
            delay_s = self._random_s(1 / self._fleet.games_per_s)
            self._plan(delay_s, self._end_game, number, worker.life)

    def _end_game(self, number: int, life: int) -> None:
        worker, fleet = self._workers[number], self._fleet
        if worker.life != life or not worker.is_alive:
            return
        self.seen.begun += 1  # Another one takes its place.
        self.seen.on_the_way += 1
        worker.waiting += 1
        shard = _Shard(number, self._network_of(number), self._now)
        self._send(shard)
        if self._rng.random() < fleet.repeat_frac:
            self._send(shard._replace(is_repeat=True))
        if worker.waiting >= fleet.max_waiting:
            worker.is_resting = True
            self.seen.rests += 1
        self._play_on(number)

    def _die(self, number: int) -> None:
        self._workers[number].is_alive = False
        self.seen.in_play -= self._fleet.games_at_once
        self.seen.lost += self._fleet.games_at_once
        self._plan(self._fleet.restart_s, self._begin, number)

    def _hear(self, number: int) -> None:
        """That one of its shards is safe."""
        worker = self._workers[number]
        worker.waiting -= 1
        if worker.is_resting and worker.is_alive:
            worker.is_resting = False
            self._play_on(number)

    def _network_of(self, number: int) -> int:
        """The newest that has come to this worker: who has it passes it on, in a binary tree."""
        fleet = self._fleet
        hop_s = fleet.latency_s + 2 * fleet.network_bytes / fleet.link_bytes_per_s
        delay_s = ((number + 2).bit_length() - 1) * hop_s
        network = len(self._promoted_at) - 1
        while network and self._promoted_at[network] + delay_s > self._now:
            network -= 1
        return network

    # Home -----------------------------------------------------------------------------------------

    def _send(self, shard: _Shard) -> None:
        """Over the one link, first come, first served."""
        sending_s = self._fleet.game_bytes / self._fleet.link_bytes_per_s
        self._link_free_at = max(self._now, self._link_free_at) + sending_s
        delay_s = self._link_free_at - self._now + self._random_s(self._fleet.latency_s)
        self._plan(delay_s, self._arrive, shard)

    def _arrive(self, shard: _Shard) -> None:
        if shard.is_repeat:
            self.seen.repeats += 1  # Its name is known: it has cost the link, and nothing else.
            return
        self._queue.append(shard)
        self.seen.most_waiting = max(self.seen.most_waiting, len(self._queue))
        if not self._fleet.waits_for_admission:
            self._hear(shard.worker)
        if len(self._queue) == 1:
            self._plan(self._fleet.admission_s, self._admit)

    def _admit(self) -> None:
        shard, seen, fleet = self._queue.popleft(), self.seen, self._fleet
        seen.on_the_way -= 1
        behind = len(self._promoted_at) - 1 - shard.network
        if fleet.max_staleness and behind > fleet.max_staleness:
            seen.stale += 1
        else:
            seen.admitted += 1
            if self._now > seen.seconds / 2:
                seen.late_admitted += 1
                seen.late_behind += behind
                seen.late_age_s += self._now - shard.ended_at
            self._credits += fleet.samples_per_position * fleet.positions_per_game
            self._train()
        if fleet.waits_for_admission:
            self._hear(shard.worker)
        if self._queue:
            self._plan(fleet.admission_s, self._admit)

    def _train(self) -> None:
        portion = self._fleet.samples_per_network / PORTIONS
        if self._is_training or self._credits < portion:
            return
        self._credits -= portion
        self._is_training = True
        self._plan(portion / self._fleet.samples_per_s, self._have_trained, portion)

    def _have_trained(self, samples: float) -> None:
        self.seen.samples += samples
        self._is_training = False
        self._portions += 1
        if self._portions % PORTIONS == 0:
            self._plan(self._fleet.evaluation_s, self._promote)
        self._train()

    def _promote(self) -> None:
        self._promoted_at.append(self._now)
        self.seen.promotions += 1


def rows_of(fleet: Fleet, seconds: float) -> list[Row]:
    """What was seen of one fleet, beside the model's figure."""
    seen, model = Simulation(fleet).run(seconds), limits(fleet)
    name = f"{fleet.workers:,} workers"
    traffic = seen.admitted_per_s * fleet.game_bytes * (1 + fleet.repeat_frac)
    return [
        Row(
            what=f"{name}: admitted",
            value=seen.admitted_per_s,
            unit="games/s",
            baseline=model.admitted,
            against=f"the model; full first: {model.first}",
        ),
        Row(
            what=f"{name}: trained",
            value=seen.samples / seconds,
            unit="samples/s",
            baseline=min(model.admitted, model.trainer)
            * fleet.samples_per_position
            * fleet.positions_per_game,
            against="the model",
        ),
        Row(what=f"{name}: games brought home", value=traffic / 1e6, unit="MB/s"),
        Row(what=f"{name}: from a game's end to its admission", value=seen.mean_age_s, unit="s"),
        Row(what=f"{name}: promotions meanwhile", value=seen.mean_behind, unit="promotions"),
        Row(what=f"{name}: most shards in the queue", value=seen.most_waiting, unit="shards"),
        Row(what=f"{name}: refused as stale", value=seen.stale, unit="games"),
        Row(what=f"{name}: lost with their worker", value=seen.lost, unit="games"),
        Row(what=f"{name}: came twice, counted once", value=seen.repeats, unit="games"),
    ]


def main() -> None:
    parser = options(__doc__)
    standard = Fleet()
    parser.add_argument("--workers", default="10,100,1000,10000", help="one number, or several")
    parser.add_argument("--seconds", type=float, default=1200.0, help="simulated")
    for name, value, text in (
        ("games", standard.games_per_s, "a second, of one worker"),
        ("admission", standard.admission_s, "seconds for one shard"),
        ("latency", standard.latency_s, "seconds, one way"),
        ("link", standard.link_bytes_per_s, "bytes a second"),
        ("samples", standard.samples_per_s, "a second, of the trainer"),
        ("waiting", standard.max_waiting, "shards of one worker on their way"),
        ("life", standard.life_s, "mean seconds to a worker's death; 0: none dies"),
        ("repeats", standard.repeat_frac, "share of shards that come twice"),
    ):
        parser.add_argument(f"--{name}", type=type(value), default=value, help=text)
    parser.add_argument("--staleness", type=int, default=0, help="promotions; 0 refuses nothing")
    parser.add_argument("--no-bound", action="store_true", help="arrived is enough to play on")
    given = parser.parse_args()
    fleet = replace(
        standard,
        games_per_s=given.games,
        admission_s=given.admission,
        latency_s=given.latency,
        link_bytes_per_s=given.link,
        samples_per_s=given.samples,
        life_s=given.life,
        repeat_frac=given.repeats,
        max_waiting=given.waiting,
        max_staleness=given.staleness,
        waits_for_admission=not given.no_bound,
    )
    rows = []
    for workers in given.workers.split(","):
        rows += rows_of(replace(fleet, workers=int(workers)), given.seconds)
    show("A fleet and the machine that takes its games in", rows, parser)


if __name__ == "__main__":
    main()
