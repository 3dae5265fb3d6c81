"""The trainer looks at a position so often and no more, and says what it waits for."""

import pytest

from backend.config import ReplayConfig
from backend.replay.credits import Credits


def _credits(samples_per_position: float = 2.0, admitted: int = 0) -> Credits:
    account = Credits(ReplayConfig(min_positions=100, samples_per_position=samples_per_position))
    account.admitted = admitted
    account.window_holds(admitted)
    return account


def test_the_first_positions_must_be_in_the_window() -> None:
    assert _credits(admitted=99).waiting_for(10) == "for positions: 99 of the first 100"
    account = _credits(admitted=100)
    assert account.waiting_for(10) == ""
    account.window_holds(0)
    assert account.waiting_for(10) == "for positions: 0 of the 100 needed are left in replay/"


def test_a_full_window_is_enough_when_it_is_smaller_than_the_first_positions() -> None:
    account = Credits(ReplayConfig(window_positions=50, min_positions=100))
    account.admitted = 50
    account.window_holds(49)
    assert account.waiting_for(10) == "for positions: 49 of the 50 needed are left in replay/"
    account.window_holds(50)
    assert account.waiting_for(10) == ""


def test_spent_credits_are_waited_for_in_positions() -> None:
    account = _credits(admitted=100)
    account.presented = 195
    assert account.balance == 5
    assert account.waiting_for(16) == "for credits: self-play must add 6 positions"
    account.admitted += 6
    account.window_holds(106)
    assert account.waiting_for(16) == ""


@pytest.mark.parametrize("bought", [0.5, 1.0, 3.0, 4.0])
def test_no_position_is_presented_more_often_than_bought(bought: float) -> None:
    account = _credits(bought, admitted=1000)
    while not account.waiting_for(32):
        account.presented += 32
    assert bought * 1000 - 32 < account.presented <= bought * 1000


@pytest.mark.parametrize("bought", [0.5, 1.0, 3.0, 4.0])
def test_what_lost_positions_had_bought_is_not_spent_on_the_others(bought: float) -> None:
    account = _credits(bought, admitted=50_000)
    account.window_holds(0)
    account.admitted += 1000
    account.window_holds(1000)
    while not account.waiting_for(32):
        account.presented += 32
    assert bought * 1000 - 32 < account.presented <= bought * 1000


def test_a_backlog_that_left_the_window_expires_once() -> None:
    account = _credits(admitted=1000)
    account.admitted += 500
    account.window_holds(1000)
    assert (account.expired, account.balance) == (1000, 2000.0)
    account.presented += 1200
    account.window_holds(1000)
    assert (account.expired, account.balance) == (1000, 800.0)


@pytest.mark.parametrize("bought", [0.1, 0.3, 0.7, 1.7, 3.3])
def test_a_restart_finds_nothing_more_to_expire(bought: float) -> None:
    account = _credits(bought)
    for admitted in range(1000, 9000, 7):
        account.admitted = admitted
        account.window_holds(997)
        expired = account.expired
        account.window_holds(997)
        assert account.expired == expired
        if admitted % 2:
            account.presented += 5


def _priced(samples_per_position: float) -> ReplayConfig:
    return ReplayConfig(min_positions=100, samples_per_position=samples_per_position)


def test_a_higher_price_counts_for_positions_to_come() -> None:
    account = _credits(1.0, admitted=1000)
    account.presented = 900
    account.reprice(_priced(4.0))
    assert account.balance == 100
    account.admitted += 10
    account.window_holds(1010)
    assert account.balance == 140


def test_a_lower_price_leaves_no_more_than_the_window_would_buy_now() -> None:
    account = _credits(4.0, admitted=1000)
    account.reprice(_priced(0.5))
    assert account.balance == 500
    account.admitted += 10
    account.window_holds(1010)
    assert account.balance == 505
