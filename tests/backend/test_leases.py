"""Whoever dies, however late or often a result comes: each piece of work is done once."""

import random

from backend.cluster.leases import Leases


def test_a_piece_of_a_lost_slot_is_lent_again_and_its_first_result_counts() -> None:
    leases = Leases[str](lease_s=10.0)
    first, second = leases.lend("a", "one", now=0.0), leases.lend("b", "two", now=0.0)
    assert leases.lend_waiting("two", now=0.0) is None
    assert leases.lose("one") == 1
    assert leases.lend_waiting("two", now=1.0) == (first, "a")
    assert leases.held_by("two") == 2
    assert leases.done(first) == "a"
    assert leases.done(first) is None
    assert (len(leases), leases.num_again) == (1, 1)
    assert leases.done(second) == "b"
    assert len(leases) == 0


def test_a_lease_ends_with_its_time_unless_there_was_a_sign_of_life() -> None:
    leases = Leases[str](lease_s=10.0)
    number = leases.lend("a", "slow", now=0.0)
    leases.lend("b", "alive", now=0.0)
    leases.renew("alive", now=5.0)
    assert leases.expire(9.9) == 0
    assert leases.expire(10.0) == 1
    assert leases.done(number) == "a"  # It came late, but before anybody else's.
    assert leases.lend_waiting("other", now=11.0) is None
    assert leases.expire(15.0) == 1


def test_what_is_left_is_handed_back_in_order() -> None:
    leases = Leases[str](lease_s=10.0)
    for work in "abc":
        leases.lend(work, work, now=0.0)
    leases.lose("b")
    assert leases.drain() == ["a", "b", "c"]
    assert len(leases) == 0


def test_in_any_order_of_deaths_delays_and_repetitions_each_piece_counts_once() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        leases = Leases[int](lease_s=3.0)
        slots = ["a", "b", "c"]
        on_the_way: list[int] = []
        counted: list[int] = []
        new = 0
        for now in range(2000):
            slot = chance.choice(slots)
            lent = leases.lend_waiting(slot, now)
            if lent is not None:
                on_the_way.append(lent[0])
            elif new < 100:
                on_the_way.append(leases.lend(new, slot, now))
                new += 1
            if chance.random() < 0.1:
                leases.lose(chance.choice(slots))
            leases.expire(now)
            if on_the_way and chance.random() < 0.8:
                number = chance.choice(on_the_way)  # It may come again.
                if chance.random() < 0.7:
                    on_the_way.remove(number)  # Now it is said, or lost for good.
                if chance.random() < 0.8 and (work := leases.done(number)) is not None:
                    counted.append(work)
        assert sorted(counted) == list(range(100))
        assert len(leases) == 0
