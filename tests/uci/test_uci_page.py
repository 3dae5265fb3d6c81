"""`docs/uci.md` says what the program does."""

from backend.search.single import PLAY_RULE
from backend.uci.options import OPTIONS, Options, announcement
from backend.uci.protocol import _NUMBERS
from tests.pages import Page, quoted

PAGE = Page("uci.md")


def test_every_option_stands_in_the_table_as_it_is_announced() -> None:
    announced = {
        line.split(" type ")[0].removeprefix("option name "): line.split(" type ")[1]
        for line in announcement(Options())
    }
    rows = {quoted(row[0])[0]: row for row in PAGE.tables("option", "type", "default", "meaning")}
    assert list(rows) == [option.name for option in OPTIONS]
    for option in OPTIONS:
        kind, default = rows[option.name][1], quoted(rows[option.name][2])[0]
        text = f"{option.kind} default {default}"
        if option.kind == "spin":
            text += f" min {option.low} max {option.high}"
            assert kind == f"{option.low} to {option.high}"
        else:
            assert kind == {"check": "true, false", "string": "text"}[option.kind]
        assert text == announced[option.name]


def test_every_limit_of_go_stands_in_the_table() -> None:
    named = {name for row in PAGE.tables("`go`", "meaning") for name in quoted(row[0])}
    assert named == {*_NUMBERS, "infinite", "ponder", "searchmoves"}


def test_the_constants_of_the_search_are_those_of_the_page() -> None:
    rule = PLAY_RULE
    text = (
        f"c = {rule.c_puct} + {rule.c_factor} ln((N + {rule.c_base:.0f} + 1) / {rule.c_base:.0f})"
    )
    assert text in PAGE.text
    assert f"reduction {rule.fpu_reduction}" in PAGE.text
    assert "90 tan(1.5637541897 v)" in PAGE.text
