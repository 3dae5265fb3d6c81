"""Numbers and outside text as they are shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui import format as fmt
from tui.glyphs import ASCII, UNICODE


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (831, "831"), (999.6, "1.0k"), (5214, "5.2k"), (99_960, "100k"), (1.4e6, "1.4M")],
)
def test_short_numbers(number: float, text: str) -> None:
    assert fmt.short(number) == text


@given(st.floats(0, 9.9e11))
def test_short_numbers_are_short(number: float) -> None:
    assert len(fmt.short(number)) <= 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (4 * 3600 + 720, "4h12m"),
        (2 * 86400 + 3 * 3600, "2d03h"),
        (None, "—"),
        (float("inf"), "—"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert fmt.duration(seconds) == text


def test_elo_with_its_interval_and_at_the_cut_of_the_protocol() -> None:
    assert fmt.elo(37.2, 16.0, 58.0) == "+37 ±21"
    assert fmt.elo(-12.0, None, None) == "-12"
    assert fmt.elo(-0.3, -82.0, 82.0) == "+0 ±82"
    assert fmt.elo(-0.3, None, None) == "+0"
    assert fmt.elo(1200.0, 400.0, 1200.0) == ">+1200"
    assert fmt.elo(-1200.0, -1200.0, -400.0) == "<-1200"
    assert fmt.elo(None, None, None) == "—"


def test_memory_is_a_dash_where_it_is_not_known() -> None:
    assert [fmt.memory(m) for m in (None, 0.0, 410.0, 1126.4)] == ["—", "—", "410M", "1.1G"]


def test_checkpoints_are_called_by_their_step() -> None:
    assert fmt.network("step-00001500") == "1,500"
    assert fmt.network("random") == "random"
    assert fmt.network("step-x") == "step-x"


def test_small_numbers_are_written_with_an_exponent() -> None:
    assert [fmt.loss(x) for x in (7.5e-4, -0.002, 0.0, 0.0123)] == [
        "7.5e-4",
        "-2.0e-3",
        "0.000",
        "0.012",
    ]


def test_tick_labels_have_the_same_number_of_decimals() -> None:
    assert fmt.axis([2.0, 2.5, 3.0]) == ["2.0", "2.5", "3.0"]
    assert fmt.axis([0.0, 2.0, 4.0]) == ["0", "2", "4"]
    assert fmt.axis([5000.0, 10000.0]) == ["5.0k", "10k"]


@given(st.text(max_size=40), st.integers(0, 30))
def test_fitted_text_has_exactly_the_width(text: str, width: int) -> None:
    assert cell_len(fmt.fit(fmt.line(text), width)) == width


@given(st.text(max_size=200))
def test_outside_text_cannot_speak_to_the_terminal(text: str) -> None:
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in fmt.line(text))


@given(st.floats(0, 1), st.integers(1, 30), st.sampled_from([UNICODE, ASCII]))
def test_a_bar_is_full_only_when_all_is_done(frac: float, width: int, glyphs: object) -> None:
    signs = UNICODE if glyphs is UNICODE else ASCII
    drawn = fmt.bar(frac, width, signs)
    assert len(drawn) == width
    assert (drawn == signs.bar_full * width) == (frac == 1)
    if signs is UNICODE:
        assert (drawn == signs.bar_empty * width) == (frac == 0)


def test_sparks_show_the_shape() -> None:
    assert fmt.spark([8.0, 7, 6, 5, 4, 3, 2, 1], 8) == "█▇▆▅▄▃▂▁"
    assert fmt.spark([1.0, 1.0], 8) == "▄▄"
    assert fmt.spark([], 8) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "░░░░│░░░░"),
        (1.6, "░░░░│██░░"),
        (9.0, "░░░░│████"),
        (-0.8, "░░░█│░░░░"),
        (-3.0, "████│░░░░"),
    ],
)
def test_a_balance_leans_to_the_nearer_bound(value: float, text: str) -> None:
    assert fmt.balance(value, -2.94, 2.94, 9) == text
    assert fmt.balance(value, -2.94, 2.94, 9, ASCII).isascii()
