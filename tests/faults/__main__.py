"""All faults, and the headline of what they took.

python -m tests.faults [--long] [--seed N]        what `make reliability` and `make faults` run
python -m tests.faults --only real_kills --count 50 --seed 12      one kind, so many, for long ones
"""

import argparse
import sys
import time
from dataclasses import dataclass, field, fields
from typing import Final

from tests.faults import bit_rot, call_failures, commit_kills, power_cuts, real_kills, states


@dataclass(frozen=True)
class Numbers:
    """How much of each."""

    commit_kills: int
    real_kills: int
    power_cuts: int
    flips_a_kind: int
    walks: int
    """Random walks of 30 steps through orders, words and deaths."""
    call_failures: int = 1
    """Whether each call is made to fail in turn; there is one way to do that."""


KINDS: Final = tuple(kind.name for kind in fields(Numbers))


SHORT: Final = Numbers(commit_kills=100, real_kills=25, power_cuts=500, flips_a_kind=100, walks=10)
LONG: Final = Numbers(
    commit_kills=1000, real_kills=300, power_cuts=5000, flips_a_kind=1000, walks=200
)


@dataclass
class Tally:
    """What is counted in the headline."""

    lost: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    trusted: list[str] = field(default_factory=list)
    """Damaged, and taken for whole."""
    orphans: int = 0
    slowest_s: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--count", type=int, help="with --only; else as many as otherwise")
    args = parser.parse_args()
    numbers = LONG if args.long else SHORT
    if args.only:
        count = getattr(numbers, args.only) if args.count is None else args.count
        numbers = Numbers(**(dict.fromkeys(KINDS, 0) | {args.only: count}))
    tally = Tally()
    made = [
        make(numbers, args.seed, tally) for make in (_calls, _kills, _cuts, _rot, _walks, _real)
    ]
    for problem in (*tally.lost, *tally.unreadable, *tally.trusted):
        _say(f"PROBLEM {problem}")
    print(
        f"{', '.join(filter(None, made))}: {len(tally.lost)} lost, "
        f"{len(tally.unreadable)} unreadable, "
        f"{len(tally.trusted)} damaged trusted, {tally.orphans} orphans; "
        f"recovery <= {tally.slowest_s:.1f} s (seed {args.seed})"
    )
    return 1 if tally.lost or tally.unreadable or tally.trusted or tally.orphans else 0


# Each says what came of it, adds to the tally, and returns its part of the headline.


def _calls(numbers: Numbers, seed: int, tally: Tally) -> str:
    if not numbers.call_failures:
        return ""
    calls = call_failures.fail_each()
    _say(f"{calls.tried} calls failed one by one: {len(calls.violations)} did harm")
    tally.lost += calls.violations
    return f"{calls.tried} failed calls"


def _kills(numbers: Numbers, seed: int, tally: Tally) -> str:
    if not numbers.commit_kills:
        return ""
    kills = commit_kills.kill(numbers.commit_kills, seed)
    _say(
        f"{kills.kills} kills of a commit loop, {kills.at_calls} of them at a system call: "
        f"{kills.shards} shards and {kills.checkpoints} checkpoints acknowledged, "
        f"{kills.adopted} orphan shards adopted, {kills.swept} half-written files swept, "
        f"recovery {kills.median_s:.2f} s, at most {kills.slowest_s:.2f} s, "
        f"{len(kills.problems)} problems"
    )
    tally.lost += kills.problems
    tally.slowest_s = max(tally.slowest_s, kills.slowest_s)
    return f"{kills.kills} kills of a commit loop"


def _cuts(numbers: Numbers, seed: int, tally: Tally) -> str:
    if not numbers.power_cuts:
        return ""
    cuts = power_cuts.simulate(numbers.power_cuts, seed)
    _say(
        f"{cuts.states} simulated power cuts: {cuts.bad_states} violations {dict(cuts.violations)}"
    )
    tally.lost += cuts.violations
    return f"{cuts.states} simulated power cuts"


def _rot(numbers: Numbers, seed: int, tally: Tally) -> str:
    if not numbers.flips_a_kind:
        return ""
    rot = bit_rot.damage(numbers.flips_a_kind, seed)
    for kind, tried in rot.tried.items():
        _say(f"{tried} x {kind} damaged: {rot.named[kind]} named, the others harmless")
    tally.trusted += rot.violations
    return f"{sum(rot.tried.values())} flipped bits and cut files"


def _walks(numbers: Numbers, seed: int, tally: Tally) -> str:
    if not numbers.walks:
        return ""
    states.walk(numbers.walks, 30, seed=seed)  # Raises what it finds, shortened.
    _say(f"{numbers.walks} random walks through a run's states: all said the same at each step")
    return f"{numbers.walks} random walks"


def _real(numbers: Numbers, seed: int, tally: Tally) -> str:
    if not numbers.real_kills:
        return ""
    real = real_kills.kill(numbers.real_kills, seed)
    for line in real.lines():
        _say(line)
    tally.lost += real.problems
    tally.unreadable += real.unreadable
    tally.orphans += real.orphans
    tally.slowest_s = max(tally.slowest_s, *real.recoveries)
    return f"{real.kills} kills of the real program"


_BEGAN: Final = time.monotonic()


def _say(text: str) -> None:
    print(f"{time.monotonic() - _BEGAN:6.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
