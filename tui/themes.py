"""Two themes of our own on the Okabe-Ito hues; every other Textual theme gets the same names.

`cursor` lies behind the row that the keys move. `good`, `attention` and `bad` differ in lightness
and never stand without a sign and a word.
"""

from typing import Final

from textual.app import App
from textual.theme import Theme

_DARK: Final = {
    "series-1": "#56b4e9",
    "series-2": "#e69f00",
    "series-3": "#cc79a7",
    "series-4": "#2fbf93",
    "series-5": "#f0e442",
    "series-6": "#f2762e",
    "raw": "#3a5568",
    "good": "#2fbf93",
    "attention": "#f0e442",
    "bad": "#f2762e",
    "best": "#e69f00",
    "muted": "#8b99a8",
    "line": "#34414f",
    "cursor": "#22303d",
}
_LIGHT: Final = {
    "series-1": "#005f99",
    "series-2": "#8a5000",
    "series-3": "#99406f",
    "series-4": "#00694c",
    "series-5": "#7a5c00",
    "series-6": "#b04400",
    "raw": "#a9c3d6",
    "good": "#00694c",
    "attention": "#7a5c00",
    "bad": "#a84100",
    "best": "#8a5000",
    "muted": "#56626e",
    "line": "#b9c2cc",
    "cursor": "#d6e3ee",
}

DARK: Final = Theme(
    name="matrix0-dark",
    primary="#56b4e9",
    secondary="#cc79a7",
    accent="#56b4e9",
    warning="#f0e442",
    error="#f2762e",
    success="#2fbf93",
    foreground="#dce4ec",
    background="#0e141b",
    surface="#131b24",
    panel="#1a2530",
    dark=True,
    variables=_DARK,
)
LIGHT: Final = Theme(
    name="matrix0-light",
    primary="#005f99",
    secondary="#99406f",
    accent="#005f99",
    warning="#7a5c00",
    error="#a84100",
    success="#00694c",
    foreground="#1b232c",
    background="#fbfcfd",
    surface="#f3f6f8",
    panel="#e4eaf0",
    dark=False,
    variables=_LIGHT,
)


FEW_COLOURS: Final = "-few-colours"
"""Class of an application in a terminal of 16 colours: there a row's or square's shade is lost, and
other signs stand for it."""


def dress(app: App[int]) -> None:
    """Give it our themes, and the class of what its terminal can show."""
    app.register_theme(DARK)
    app.register_theme(LIGHT)
    app.set_class(app.console.color_system == "standard", FEW_COLOURS)


def defaults(dark: bool) -> dict[str, str]:
    """Our variables for a theme that does not have them."""
    return dict(_DARK if dark else _LIGHT)
