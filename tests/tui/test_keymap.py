"""Keys of the user's own: checked, in force, and shown."""

import re
from pathlib import Path

import pytest

from backend import commands as c
from backend.errors import ConfigError
from backend.state import RunState
from tests.pages import Page, quoted
from tests.tui.conftest import SMALL, FakeLink, draw
from tests.tui.plain import plain
from tui.action import Context, Place
from tui.actions import ACTIONS, BY_ID
from tui.app import ControlCentre
from tui.client import LinkView
from tui.keymap import RESERVED, keymap, shown_keys
from tui.panes.bars import key_pieces


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"puase": "x"}, "no action 'puase'; did you mean 'pause'?"),
        ({"pause": "c"}, "'c' is the key of pause and of checkpoint; give one of them another"),
        ({"pause": "/"}, "'/' is the key of pause and of find; give one of them another"),
        ({"pause": "blah"}, "pause = 'blah' is no key; write a character, f5, space, left, "),
        ({"pause": "f2,"}, "pause = '' is no key"),
        ({"pause": "ctrl+"}, "is no key"),
        ({"pause": "j"}, "pause cannot have the key 'j': it moves down in lists"),
    ],
)
def test_what_cannot_be_a_key_is_refused_in_one_line(keys: dict[str, str], why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        keymap(keys)
    assert str(refused.value).startswith("[keys]: ")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_keys_are_swapped_and_signs_have_their_names() -> None:
    assert keymap({}) == {}
    swapped = keymap({"pause": "c", "checkpoint": "space, f5"})
    assert swapped["matrix0.pause"] == "c"
    assert swapped["matrix0.checkpoint"] == "space,f5"
    assert swapped["matrix0.nearer"] == "plus"
    assert swapped.keys() == {f"matrix0.{action.id}" for action in ACTIONS}
    assert keymap({"play": ",", "tune": "%"})["matrix0.play"] == "comma"
    assert shown_keys({"play": ",", "tune": "ctrl+s"}) == {"play": ",", "tune": "ctrl+s"}


async def test_changed_keys_work_and_are_shown_and_shared_ones_stay(
    rich: RunState, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = FakeLink(rich)
    app = ControlCentre(
        link,
        run_dir=Path("runs/demo"),
        clock=lambda: rich.now,
        refresh_s=3600.0,
        keys={"pause": "f2", "smooth": "f3", "help": "f4"},
    )
    async with app.run_test(size=SMALL) as pilot:
        await draw(app, pilot)
        assert " f2 Pause" in plain(app).lines[-1]
        await pilot.press("space", "f2")
        await draw(app, pilot)
        assert link.sent == [c.PauseRun()]
        entries = {entry.title: entry.help for entry in app.get_system_commands(app.screen)}
        assert entries["Pause or resume the run"].startswith("f2  Workers finish")

        done: list[str] = []
        monkeypatch.setattr(ControlCentre, "action_act", lambda self, id: done.append(id))
        places: tuple[tuple[Place, list[str]], ...] = (
            ("dashboard", ["smooth"]),
            ("log", ["log-source"]),
            ("games", ["games-source"]),
        )
        for place, wanted in places:
            monkeypatch.setattr(ControlCentre, "place", place)
            done.clear()
            await pilot.press("s", "f3")
            assert done == wanted
        monkeypatch.undo()
        await pilot.press("f4")
        await draw(app, pilot)
        assert "f2  Pause or resume the run" in plain(app)


def test_the_footer_shows_the_first_of_several_keys(rich: RunState) -> None:
    context = Context(rich, LinkView("connected", ""), keys=shown_keys({"checkpoint": "f9,c"}))
    line = "".join(text for text, _, _ in key_pieces(context, 120))
    assert "f9 Checkpoint" in line


def test_the_page_of_keys_names_every_action_and_every_reserved_key() -> None:
    page = Page("keys.md")
    rows = {
        quoted(row[0])[0]: row[1:] for row in page.tables("action", "key", "what it does", "where")
    }
    assert rows == {
        a.id: [f"`{a.shown_key}`", a.title, ", ".join(a.places) or "everywhere"] for a in ACTIONS
    }
    (listed,) = re.findall(r"keys\s+that move in lists \(([^)]*)\)", page.text)
    assert set(quoted(listed)) == RESERVED.keys() - {"shift+tab"}
    (example,) = page.blocks("toml")
    for id in re.findall(r"^([a-z-]+) = ", example, flags=re.MULTILINE):
        assert id in BY_ID
