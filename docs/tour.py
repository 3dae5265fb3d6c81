"""Walk every screen of a run by keyboard alone, in tmux, and write down what is seen.

    .venv/bin/python docs/tour.py --run runs/tiny

writes docs/tour.md, every stop with its keys, and the pictures of some to docs/images (PNG by
`rsvg-convert`, of librsvg2-bin). The run needs a best network, stored games, and another run in the
same folder to be compared with. It is joined if it is at work, else started and stopped again. No
order but that is given to it.

To take in a new screen add a `Stop` to STOPS. To look at all of them in some terminal:

    .venv/bin/python docs/tour.py --run runs/tiny --size 80x24 --env 'NO_COLOR=1' --out /tmp/look
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

import picture

DOCS = Path(__file__).resolve().parent
PROGRAM = Path(sys.executable).with_name("matrix0-tui")
SIZE = "120x40"
LIMIT_S = 600.0
"""For a text to be seen: a network that plays for the first time compiles for a minute, and on a
busy machine for several."""
KEY_S, POLL_S, SETTLED_S = 0.4, 0.2, 1.2
"""Between two keys, as a person types; between two looks at the screen; before it is taken."""
ESCAPE = "\x1b[27u"
"""As terminals with the keyboard protocol of kitty send it. The bare code begins those of other
keys: a busy machine reads it together with the next key, as Alt and that key."""
LIGHT = "48;2;251;252;253"
"""The code of the light theme's background."""
ZOOM = "0.88"
"""Pixels of a PNG for one of its SVG."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    name: str
    keys: str = ""
    """Names of tmux, with spaces between them: `z h C-p Escape`; `'e4'` is typed as it is.

    `{word}` is no key: the next one is pressed when that word is on screen, `{!word}` when it no
    longer is. Keys for a screen that another key opens need it."""
    see: str
    """Regular expression for a line that is on screen then, and was not before; codes count."""
    says: str
    has_picture: bool = False
    """Beside the text, which colour means much to."""


STOPS = (
    Stop(
        name="dashboard",
        see="TRAINING|EVALUATING",
        says="The dashboard: what the loop is at, the curves, a game that is being played now, "
        "workers, checkpoints with their Elo, and what happened.",
        has_picture=True,
    ),
    Stop(
        name="policy",
        keys="i",
        see="i: hide policy",
        says="Where the search would have moved, and how much it would have liked to.",
    ),
    Stop(
        name="more-charts",
        keys="Right Right Right Right",
        see="gradient norm",
        says="The next page of charts.",
    ),
    Stop(
        name="chart",
        keys="Right Right Right Right Right z h h h",
        see="policy loss +step",
        says="One chart over the whole screen, with a cursor that is read out.",
        has_picture=True,
    ),
    Stop(name="logarithmic", keys="Y X", see="log x", says="Both axes logarithmic."),
    Stop(name="next-task", keys="Y X Escape Escape m", see="threat", says="Another task."),
    Stop(name="light", keys="T", see=LIGHT, says="The light theme.", has_picture=True),
    Stop(name="alerts", keys="T 6", see="alerts|nothing has gone", says="Alerts beside the log."),
    Stop(name="log", keys="6 L", see="all sources", says="The whole log: search, level, source."),
    Stop(
        name="games",
        keys="Escape {!sources} b",
        see=r"game sp.* ply 0",
        says="The stored games, of self-play and matches.",
    ),
    Stop(
        name="game",
        keys="i Right Right Right Right Right Right Right Right Right Right Right",
        see=r"game sp.* ply 11 ",
        says="One of them, ply by ply, with what its search thought, on the board as well.",
        has_picture=True,
    ),
    Stop(
        name="cycles",
        keys="Escape {!Result} t",
        see="cycle +step",
        says="What every cycle brought.",
    ),
    Stop(
        name="settings",
        keys="Escape {!verdict} u {sets;} j j",
        see="change a setting",
        says="What can be changed while the run is at work, from the next step or move on.",
    ),
    Stop(
        name="worker",
        keys="Escape {!sets;} 2 Enter",
        see="Restart the selected worker",
        says="What can be done with one worker.",
    ),
    Stop(
        name="checkpoint",
        keys="Escape {!Restart} 4 j Enter",
        see="Verify the selected checkpoint",
        says="What can be done with one checkpoint.",
    ),
    Stop(
        name="difference",
        keys="d {!Verify} {compare} Enter",
        see="whole network",
        says="How far it is from the best network: losses, Elo, settings, weights.",
    ),
    Stop(
        name="runs",
        keys="Escape {!whole} C",
        see=r"1 of \d+ runs",
        says="The runs beside this one, which is marked.",
    ),
    Stop(
        name="compare",
        keys="j Space",
        see=r"A \S+ +B \S+ +ahead",
        says="Two of them over each other: best values, settings that differ, events.",
        has_picture=True,
    ),
    Stop(
        name="replay",
        keys="Escape {!ahead} V",
        see=r"REPLAY .*x\d+ ",
        says="The run from its beginning, as its database tells it.",
    ),
    Stop(
        name="faster",
        keys="> > >",
        see=r"REPLAY .*x\d+,000 ",
        says="The same, a thousand times as fast.",
    ),
    Stop(
        name="help",
        keys="Escape {!REPLAY} ?",
        see="Everywhere",
        says="All keys, and why some do nothing.",
    ),
    Stop(
        name="palette",
        keys="Escape {!Everywhere} C-p",
        see="Search for",
        says="Every action by its name.",
    ),
    Stop(
        name="stop",
        keys="Escape {!Search} Q",
        see="Stop the run",
        says="What cannot be undone asks.",
    ),
    Stop(
        name="play", keys="n {!only,} p", see="your move", says="A game against the best network."
    ),
    Stop(
        name="reply",
        keys="'e4' Enter",
        see=r"1\. +e4 +\S+ +[+-]\d",
        says="A move is just typed.",
    ),
    Stop(
        name="hints",
        keys="i",
        see=r"Q [+-]\d",
        says="What the network would play, beside the board and on it.",
        has_picture=True,
    ),
)


class Terminal:
    """A tmux server of its own with one program in it."""

    def __init__(self, command: str, size: tuple[int, int], environment: dict[str, str]) -> None:
        self.size = size
        self._tmux = ["tmux", "-L", f"matrix0-tour-{os.getpid()}", "-f", "/dev/null"]
        words = [*("set", "-g", "default-terminal", environment["TERM"], ";")]
        words += [*("set", "-g", "remain-on-exit", "on", ";", "new-session", "-d")]
        words += ["-x", str(size[0]), "-y", str(size[1]), command]
        known = {**os.environ, **environment}
        subprocess.run([*self._tmux, "start-server", ";", *words], check=True, env=known)

    def press(self, keys: str) -> None:
        for key in shlex.split(keys, posix=False):
            if key.startswith("{"):
                word = key.strip("{!}")
                self.wait_for(re.escape(word), f"{key} in {keys!r}", gone=key.startswith("{!"))
            elif key == "Escape":
                self._run("send-keys", "-l", ESCAPE)
            else:
                typed = key.startswith("'")
                self._run("send-keys", *(["-l"] if typed else []), key.strip("'"))
            time.sleep(KEY_S)

    def lines(self) -> list[str]:
        return self._run("capture-pane", "-p").split("\n")[: self.size[1]]

    def _looked_at(self) -> list[str]:
        """Lines as they are read, and with their codes."""
        return [*self.lines(), *self._run("capture-pane", "-p", "-e").split("\n")]

    def wait_for(self, pattern: str, where: str, *, gone: bool = False) -> None:
        """Until a line has it, or none has it any more."""
        until = time.monotonic() + LIMIT_S
        while any(re.search(pattern, line) for line in self._looked_at()) == gone:
            has_ended = self._run("display-message", "-p", "#{pane_dead}").strip() == "1"
            if has_ended or time.monotonic() > until:
                never = "ended before" if has_ended else "never lost" if gone else "never saw"
                sys.exit("\n".join([*self.lines(), f"{where}: {never} {pattern!r}"]))
            time.sleep(POLL_S)

    def save_picture(self, path: Path) -> None:
        """As PNG where `rsvg-convert` is installed, else as SVG."""
        drawn = picture.svg(self._run("capture-pane", "-p", "-e", "-N"), *self.size)
        path.with_suffix(".svg").write_text(drawn, encoding="utf-8")
        if program := shutil.which("rsvg-convert"):
            files = ["--unlimited", str(path.with_suffix(".svg"))]
            files += ["-o", str(path.with_suffix(".png"))]
            subprocess.run([program, "--zoom", ZOOM, *files], check=True)
            path.with_suffix(".svg").unlink()

    def close(self) -> None:
        self._run("kill-server")

    def _run(self, *command: str) -> str:
        done = subprocess.run([*self._tmux, *command], check=True, capture_output=True, text=True)
        return done.stdout


@contextmanager
def terminal(
    command: str, size: tuple[int, int], environment: dict[str, str]
) -> Iterator[Terminal]:
    opened = Terminal(command, size, environment)
    try:
        yield opened
    finally:
        opened.close()


def walk(there: Terminal, out: Path, *, all_pictures: bool) -> str:
    """Every stop, as Markdown; pictures go to the folder `images` beside it."""
    (out / "images").mkdir(parents=True, exist_ok=True)
    size = "x".join(map(str, there.size))
    parts = ["# A tour by keyboard", f"Made by `docs/tour.py` in a terminal of {size}."]
    for stop in STOPS:
        print(stop.name, file=sys.stderr)
        there.press(stop.keys)
        there.wait_for(stop.see, stop.name)
        time.sleep(SETTLED_S)
        keys = " ".join(key for key in stop.keys.split() if not key.startswith("{"))
        pressed = f"`{keys}`: " if keys else ""
        parts += [f"## {stop.name}", "\n".join(wrap(pressed + stop.says, 110))]
        if stop.has_picture or all_pictures:
            there.save_picture(out / "images" / stop.name)
        if stop.has_picture:
            parts.append(f"![{stop.name}](images/{stop.name}.png)")
        else:
            parts.append("\n".join(["```text", *(line.rstrip() for line in there.lines()), "```"]))
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, default=Path("runs/tiny"))
    parser.add_argument("--size", default=SIZE, help="columns x rows of the terminal")
    parser.add_argument("--env", default="", help="NAME=VALUE for the program, with spaces between")
    parser.add_argument("--flags", default="", help="more for matrix0-tui, as in --ascii")
    parser.add_argument("--out", type=Path, help="another folder than docs; pictures of every stop")
    args = parser.parse_args()
    columns, rows = (int(number) for number in args.size.split("x"))
    environment = {"TERM": "tmux-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    environment |= dict(pair.split("=", 1) for pair in args.env.split())
    was_at_work = (args.run / "socket").exists()
    command = shlex.join([str(PROGRAM), "--run", str(args.run), *shlex.split(args.flags)])
    out = args.out or DOCS
    with tempfile.TemporaryDirectory() as kept:  # Whatever theme this person likes.
        environment["XDG_STATE_HOME"] = kept
        with terminal(command, (columns, rows), environment) as there:
            text = walk(there, out, all_pictures=args.out is not None)
    (out / "tour.md").write_text(text, encoding="utf-8")
    if not was_at_work:
        matrix0 = str(PROGRAM.with_name("matrix0"))
        subprocess.run([matrix0, "ctl", "stop", "--run", str(args.run), "--wait"], check=True)


if __name__ == "__main__":
    main()
