"""A campaign: so many mutated inputs for a target, each under a clock, the whole under a scale.

    input = mutate(Random("<target>:<seed>:<number>"))
    handled: it comes back, or it raises what the target calls its refusal
    a failure: any other exception, more than LIMIT_S seconds of work, memory not given back

So every input is known by three words, and a failure is replayed by

    python -m tests.fuzz --target pgn --seed 0 --number 4711
"""

import ctypes
import gc
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

import psutil

from tests.fuzz.mutations import mutate, shrink
from tests.fuzz.target import Handler, Target
from tests.fuzz.targets import TARGETS

LIMIT_S: Final = 2.0
"""No input takes longer, in time of the processor: others may be at work on the machine."""
WAITING_S: Final = 30.0
"""No input takes longer by the clock: one that waits for something uses no processor."""
WARM: Final = 50
"""Inputs before memory is measured for the first time: caches and kernels are filled by then."""
MAX_GROWTH_MIB: Final = 48.0
"""By which a campaign may have grown at its end; by 96 at its peak."""


class HangError(Exception):
    """An input took too long."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    target: str
    seed: int
    number: int
    what: str
    """The exception, in one line."""
    trace: str
    data: bytes
    """Shrunk."""

    def __str__(self) -> str:
        return (
            f"{self.what}\n  replay: python -m tests.fuzz --target {self.target} --seed {self.seed}"
            f" --number {self.number}\n  shrunk: {self.data[:400]!r}\n{self.trace}"
        )


@dataclass(kw_only=True)
class Report:
    target: str
    inputs: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    growth_mib: float = 0.0
    peak_mib: float = 0.0
    """By which the highest memory of the process rose."""
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.target:<12} {self.inputs:>9,} inputs, {self.refused:>9,} refused, "
            f"{len(self.failures)} failures, slowest {self.slowest_s:.3f} s, memory "
            f"{self.growth_mib:+.0f} MiB (peak {self.peak_mib:+.0f}), {self.seconds:.0f} s"
        )


def campaign(name: str, count: int, seed: int, *, most_failures: int = 3) -> Report:
    """Tries `count` inputs on a target; ends early after `most_failures`."""
    target = TARGETS[name]
    report = Report(target=name)
    began = time.monotonic()
    with opened(target) as handle:
        for seed_input in target.seeds():  # Compiles kernels and fills caches, without a clock.
            with suppress(*target.refusals):
                handle(seed_input)
        before = peak = 0.0
        for number in range(count):
            if number == min(WARM, count // 2):
                before, peak = _memory_mib(), _peak_mib()
            elif number % 64 == 0:
                _memory_mib()  # So that the peak is of some inputs, not of all that was kept.
            data = input_of(target, seed, number)
            at = time.process_time()
            error, refused = _try(target, handle, data)
            report.slowest_s = max(report.slowest_s, time.process_time() - at)
            report.inputs += 1
            report.refused += refused
            if error is not None:
                report.failures.append(_failure(target, handle, seed, number, data, error))
                if len(report.failures) >= most_failures:
                    break
        report.growth_mib, report.peak_mib = _memory_mib() - before, _peak_mib() - peak
    report.seconds = time.monotonic() - began
    if report.growth_mib > MAX_GROWTH_MIB or report.peak_mib > 2 * MAX_GROWTH_MIB:
        what = f"memory grew by {report.growth_mib:.0f} MiB, at the peak {report.peak_mib:.0f}"
        report.failures.append(
            Failure(target=name, seed=seed, number=-1, what=what, trace="", data=b"")
        )
    return report


@contextmanager
def opened(target: Target) -> Iterator[Handler]:
    with (
        tempfile.TemporaryDirectory(prefix="matrix0-fuzz-") as folder,
        target.open(Path(folder)) as handle,
    ):
        yield handle


def input_of(target: Target, seed: int, number: int) -> bytes:
    rng = random.Random(f"{target.name}:{seed}:{number}")
    return target.repair(mutate(rng, target.seeds(), target.tokens, target.longest))


def _try(target: Target, handle: Handler, data: bytes) -> tuple[BaseException | None, bool]:
    """What it raised that it must not, and whether it refused."""
    try:
        with _clock(LIMIT_S):
            handle(data)
    except target.refusals as error:
        if "\n" in str(error).strip() or not str(error):
            return AssertionError(f"a refusal is one line: {str(error)!r}"), True
        return None, True
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return error, False
    return None, False


def _failure(
    target: Target, handle: Handler, seed: int, number: int, data: bytes, error: BaseException
) -> Failure:
    def fails_alike(candidate: bytes) -> bool:
        found, _ = _try(target, handle, candidate)
        return type(found) is type(error)

    shrunk = data if isinstance(error, HangError) else shrink(data, fails_alike)
    what = f"{target.name}: {type(error).__name__}: {str(error)[:300]}"
    trace = "".join(traceback.format_exception(error)[-6:])
    return Failure(
        target=target.name, seed=seed, number=number, what=what, trace=trace, data=shrunk
    )


@contextmanager
def _clock(seconds: float) -> Iterator[None]:
    """HangError within it after so many seconds of work, or after WAITING_S."""

    def ring(number: int, _frame: FrameType | None) -> None:
        limit = WAITING_S if number == signal.SIGALRM else seconds
        raise HangError(f"longer than {limit} s")

    timers = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, WAITING_S),
    }
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, limit in timers.values():
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for timer, _limit in timers.values():
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _memory_mib() -> float:
    """Resident, without what the C library keeps for the next time."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return float(psutil.Process().memory_info().rss) / 2**20


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
