"""From what was measured to what is proposed, by arithmetic that can be read. Imports no torch.

p = simulations / evaluations a second      self-play's time for a position
t = samples a position / samples a second   the trainer's time for it

one GPU      1 / (p + t)                    positions a second: both take turns on it
C cores      C / (p + t), at most 1 / t     the trainer is one process on one core
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from backend.config import Config

SAMPLES_PER_WEIGHT: Final = 10
"""What `tiny` had seen when it beat the greedy mover (docs/lab-notes.md): 1.3 million for 132 k."""
WITHIN_S: Final = 24 * 3600.0
"""A network is proposed that sees so many within a day."""
FEWEST_SIMULATIONS: Final = 16
MOST_TIMES_SIMULATIONS: Final = 4
"""Of the preset's."""
GAIN_THAT_PAYS: Final = 1.1
"""A larger batch must present so many times the samples a second."""
MEMORY_SHARE: Final = 0.8
"""Of the machine's memory, for all processes of a run."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """What one preset does on this machine."""

    preset: str
    weights: int
    runtime: str
    """What computed it fastest in play, as in `int8 openvino`."""
    games: int
    """Of one worker: the fewest that keep the device busy."""
    evaluations_per_s: float
    """Of one worker in self-play with so many games."""
    samples_per_s: Mapping[int, float]
    """Of the trainer alone, by batch size."""
    worker_gib: float
    others_gib: float
    """Trainer and evaluator together."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What was measured of it."""

    device: str
    """cpu, cuda or mps."""
    reason: str
    cores: int
    memory_gib: float
    speeds: Sequence[Speed]
    """Smallest network first."""
    left_out: str = ""
    """Which presets were not measured, and why."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """Settings over a preset, and what they are predicted to do."""

    preset: str
    workers: int
    games: int
    batch_size: int
    learning_rate: float
    simulations: int
    positions_per_s: float
    """Of self-play beside the trainer."""
    samples_per_s: float
    """Presented by the trainer: the positions' credits."""
    trainer_alone_per_s: float
    """Samples the trainer could present if it had a core or the GPU to itself."""
    selfplay_share: float
    """Of the machine's time, self-play's (0 to 1); the rest is the trainer's."""
    waits: str
    """Who waits for whom."""
    hours_to_goal: float
    """Until every weight has seen `SAMPLES_PER_WEIGHT` samples."""
    memory_gib: float


def propose(machine: Machine, presets: Mapping[str, Config]) -> Proposal:
    """The largest network that comes far within a day; where none does, the smallest."""
    all_of_them = [_settle(machine, speed, presets[speed.preset]) for speed in machine.speeds]
    quick = [one for one in all_of_them if one.hours_to_goal * 3600 <= WITHIN_S]
    fitting = [one for one in quick if one.memory_gib <= machine.memory_gib]
    return (fitting or all_of_them[:1])[-1]


def _settle(machine: Machine, speed: Speed, config: Config) -> Proposal:
    batch, rate = _batch(speed, config)
    credits = config.replay.samples_per_position
    trained_s = credits / speed.samples_per_s[batch]
    workers = _workers(machine, speed)
    simulations = _simulations(machine, speed, config, trained_s, workers)
    played_s = simulations / speed.evaluations_per_s
    positions, waits = _rate(machine, played_s, trained_s, workers)
    samples = positions * credits
    return Proposal(
        preset=speed.preset,
        workers=workers,
        games=speed.games,
        batch_size=batch,
        learning_rate=rate,
        simulations=simulations,
        positions_per_s=positions,
        samples_per_s=samples,
        trainer_alone_per_s=speed.samples_per_s[batch],
        selfplay_share=played_s / (played_s + trained_s),
        waits=waits,
        hours_to_goal=speed.weights * SAMPLES_PER_WEIGHT / samples / 3600,
        memory_gib=workers * speed.worker_gib + speed.others_gib,
    )


def _rate(machine: Machine, played_s: float, trained_s: float, workers: int) -> tuple[float, str]:
    """Positions a second with both at work, and who waits."""
    if machine.device != "cpu":
        return 1 / (played_s + trained_s), "neither: both take turns on the device"
    shared, trainers = machine.cores / (played_s + trained_s), 1 / trained_s
    players = workers / played_s
    if trainers < min(shared, players):
        return trainers, "self-play waits: the trainer's one core is full"
    return min(shared, players), "the trainer waits for positions"


def _workers(machine: Machine, speed: Speed) -> int:
    """One for a GPU; on a CPU one for each core, as far as the memory goes."""
    if machine.device != "cpu":
        return 1
    room = machine.memory_gib * MEMORY_SHARE - speed.others_gib
    return max(1, min(machine.cores, math.floor(room / speed.worker_gib)))


def _batch(speed: Speed, config: Config) -> tuple[int, float]:
    """The preset's batch, or a larger one that pays, or what fits; and the rate that goes with it.

    The learning rate follows the square root of the batch, as Adam's noise does.
    """
    wanted = config.training.batch_size
    sizes = sorted(speed.samples_per_s)
    chosen = max((size for size in sizes if size <= wanted), default=sizes[0])
    for size in sizes:
        gain = speed.samples_per_s[size] / speed.samples_per_s[chosen]
        if size > chosen and gain >= GAIN_THAT_PAYS:
            chosen = size
    rate = config.training.learning_rate * math.sqrt(chosen / wanted)
    return chosen, float(f"{rate:.2g}")


def _simulations(
    machine: Machine, speed: Speed, config: Config, trained_s: float, workers: int
) -> int:
    """The preset's; more where self-play would outrun the trainer, fewer where a day is too short.

    More are worth nothing where they cost positions; where the trainer is full they are free.
    """
    usual = config.search.simulations

    def positions(simulations: int) -> float:
        played_s = simulations / speed.evaluations_per_s
        return _rate(machine, played_s, trained_s, workers)[0]

    if machine.device == "cpu" and positions(usual) >= 1 / trained_s:
        more = range(usual, MOST_TIMES_SIMULATIONS * usual + 1, 8)
        return max(number for number in more if positions(number) >= 1 / trained_s)
    goal = speed.weights * SAMPLES_PER_WEIGHT / WITHIN_S / config.replay.samples_per_position
    fewer = [usual, *(n for n in range(usual - 8, 0, -8) if n >= FEWEST_SIMULATIONS)]
    return next((number for number in fewer if positions(number) >= goal), fewer[-1])
