"""Which network a rollback brings back."""

from backend.events import Promoted
from backend.succession import reign


def promoted(name: str, *, back: bool = False) -> Promoted:
    return Promoted(name=name, previous="", reason="", is_rollback=back)


def test_a_rollback_takes_the_last_promotion_away() -> None:
    history = [promoted("a"), promoted("b"), promoted("c")]
    assert reign(history) == ["a", "b", "c"]
    history.append(promoted("b", back=True))
    assert reign(history) == ["a", "b"]
    assert reign([*history, promoted("a", back=True)]) == ["a"]
    assert reign([*history, promoted("d")]) == ["a", "b", "d"]
    assert reign([]) == []


def test_a_network_that_was_best_twice_is_come_back_to_as_it_was_last() -> None:
    history = [promoted(name) for name in ("a", "b", "a", "c")]
    assert reign([*history, promoted("a", back=True)]) == ["a", "b", "a"]
