from random import Random

import pytest

from backend.config import SupervisorConfig
from backend.errors import ExitCode
from backend.supervision import GiveUp, Pulse, Restart, RestartPolicy, describe_exit

CONFIG = SupervisorConfig(
    backoff_s=1.0, backoff_max_s=10.0, max_crashes=6, stall_s=60.0, startup_s=300.0
)


def delays(policy: RestartPolicy, times: list[float]) -> list[float]:
    found = []
    for now in times:
        decision = policy.exited(-11, now)
        assert isinstance(decision, Restart)
        found.append(decision.delay_s)
    return found


def test_the_delay_doubles_up_to_its_limit_with_jitter() -> None:
    waits = delays(RestartPolicy(CONFIG, Random(1)), [0, 1, 2, 3, 4])
    for wait, full in zip(waits, [1, 2, 4, 8, 10], strict=True):
        assert 0.75 * full <= wait <= full
    assert waits != delays(RestartPolicy(CONFIG, Random(2)), [0, 1, 2, 3, 4])


def test_too_many_crashes_within_ten_minutes_end_in_giving_up() -> None:
    policy = RestartPolicy(CONFIG, Random(1))
    delays(policy, [0, 100, 200, 300, 400])
    decision = policy.exited(1, 500)
    assert isinstance(decision, GiveUp)
    assert "6 abnormal exits" in decision.reason


def test_crashes_are_forgiven_after_ten_minutes() -> None:
    policy = RestartPolicy(CONFIG, Random(1))
    delays(policy, [0, 1, 2, 3, 4])
    decision = policy.exited(1, 604.5)
    assert isinstance(decision, Restart)
    assert decision.crashes == 1
    assert decision.delay_s <= 1.0


def test_a_configuration_error_is_never_retried() -> None:
    assert isinstance(RestartPolicy(CONFIG, Random(1)).exited(ExitCode.CONFIG, 0.0), GiveUp)


def test_an_unasked_clean_exit_counts_as_a_crash() -> None:
    decision = RestartPolicy(CONFIG, Random(1)).exited(ExitCode.DONE, 0.0)
    assert isinstance(decision, Restart)
    assert decision.crashes == 1


@pytest.mark.parametrize(
    ("phase", "limit"),
    [
        ("playing", 60),
        ("waiting", 60),
        ("compiling", 300),
        ("saving", 300),
        ("loading", 300),
        ("tuning", 300),
    ],
)
def test_each_phase_has_its_own_deadline(phase: str, limit: float) -> None:
    pulse = Pulse(CONFIG, 0.0)
    pulse.beat(phase, 1000.0)
    assert not pulse.is_stalled(1000.0 + limit)
    assert pulse.is_stalled(1000.1 + limit)


def test_a_gap_in_our_own_time_restarts_the_deadline() -> None:
    pulse = Pulse(CONFIG, 0.0)
    pulse.beat("playing", 0.0)
    pulse.forgive(5000.0)
    assert not pulse.is_stalled(5060.0)
    assert pulse.is_stalled(5061.0)


def test_exits_are_described_in_words() -> None:
    assert "memory" in describe_exit(-9)
    assert describe_exit(-11) == "killed by signal 11"
    assert describe_exit(71) == "exit status 71 (device)"
    assert describe_exit(3) == "exit status 3"
