"""The trainer looks at a position so often and no more, and says what it waits for."""

from backend.config import ReplayConfig
from backend.replay.credits import Credits


def _credits(samples_per_position: float = 2.0) -> Credits:
    return Credits(ReplayConfig(min_positions=100, samples_per_position=samples_per_position))


def test_the_first_positions_must_be_there() -> None:
    account = _credits()
    account.admitted = 99
    assert account.waiting_for(10) == "for positions: 99 of the first 100"
    account.admitted = 100
    assert account.waiting_for(10) == ""


def test_spent_credits_are_waited_for_in_positions() -> None:
    account = _credits()
    account.admitted, account.presented = 100, 195
    assert account.balance == 5
    assert account.waiting_for(16) == "for credits: self-play must add 6 positions"
    account.admitted += 6
    assert account.waiting_for(16) == ""


def test_no_position_is_presented_more_often_than_bought() -> None:
    for bought in (0.5, 1.0, 3.0, 4.0):
        account = _credits(bought)
        account.admitted = 1000
        while not account.waiting_for(32):
            account.presented += 32
        assert bought * 1000 - 32 < account.presented <= bought * 1000
