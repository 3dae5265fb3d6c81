"""The report of a run: whole HTML, the figures of the database, nothing that could run."""

import asyncio
import sys
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import chess
import numpy as np
import pytest

from backend.commands import PlayMatch, RecordMatch
from backend.config import Config
from backend.errand import carry_out
from backend.errors import RunDirectoryError
from backend.evaluation.pool import rate_run
from backend.events import TrainingStep
from backend.report.drawing import COLUMNS, board, chart, decimate
from backend.report.facts import gather
from backend.report.page import page
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.store.reading import curve
from matrix0 import cli
from tests.backend.fakes.process import CONFIG, SupervisorProcess, prepare
from tests.backend.starting import started
from tests.backend.test_cycle import result

VOID = {"meta", "img", "br", "link", "input", "hr"}
HOSTILE = "<script>alert(1)</script>\"'&\x1b[31m"


class Reader(HTMLParser):
    """Checks that every tag is closed in order, and keeps what a browser would show or load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    assert {tag for tag, _ in reader.tags} & {"script", "link", "iframe", "object", "form"} == set()
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    return reader


def test_a_report_says_what_the_database_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunDirectory(prepare(tmp_path / "run", CONFIG))
    with SupervisorProcess(run.path, "--cycles", "2") as supervisor:
        assert supervisor.finish() == 0
    monkeypatch.setattr(sys, "argv", ["matrix0", "report", str(run.path), "-o", "r.html"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert capsys.readouterr().out.startswith("r.html: ")
    shown = read((tmp_path / "r.html").read_text("utf-8"))
    facts = gather(run)
    assert len(facts.cycles) == 2
    for cycle in facts.cycles:
        assert f"{cycle.policy_loss:.3f}" in shown.text
    for match in facts.matches:
        assert f"+{match.wins} ={match.draws} -{match.losses}" in shown.text
    for promotion in facts.promotions:
        assert promotion.reason in shown.text
    for name in ("policy_loss", "value_loss", "piece_loss"):
        step, value = curve(run.database, name)[-1]
        assert f"at step {step:,}: " in shown.text
        assert f" {value:.6g}" in shown.text
    assert f"{facts.games:,} games, {facts.positions:,} positions" in shown.text
    pictures = [attributes for tag, attributes in shown.tags if tag == "img"]
    assert len(pictures) == len(facts.samples) == 2
    for (_, game), picture in zip(facts.samples, pictures, strict=True):
        assert picture["alt"] == game.end().board().fen()
        assert picture["src"] == board(game.end().board())
    changed = build_config(file=run.config_file)
    assert changed.evaluation.games == 4
    assert "evaluation.games" in shown.text
    assert f"matrix0 ratings --run {run.path}" in shown.text


async def test_hostile_names_become_text(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    run.create()
    run.settle(Config())
    async with started(run) as found:
        found.ledger.publish(TrainingStep(step=10, metrics={"policy_loss": 3.0}))
    order = PlayMatch(
        match="m", candidate=HOSTILE, opponent="random", games=4, simulations=8, seed=1
    )
    record = RecordMatch(result=result(order))
    await asyncio.to_thread(carry_out, run, record, "a test")
    (run.games / "selfplay.pgn").write_text(
        f'[Event "x"]\n[White "{HOSTILE.replace(chr(34), "")}"]\n[Result "1-0"]\n\n'
        "1. e4 { <b>bold</b> } e5 1-0\n"
    )
    moved = tmp_path / "<img src=x onerror=alert(1)>"
    run.path.rename(moved)
    facts = gather(RunDirectory(moved))
    html = page(facts, [("x", HOSTILE)], 0.0)
    shown = read(html)
    assert "<script>alert(1)</script>" in shown.text
    assert moved.name in shown.text
    assert "\x1b" not in html
    assert "bold" not in shown.text


def test_a_run_that_was_never_at_work_has_no_report(tmp_path: Path) -> None:
    run = RunDirectory(prepare(tmp_path / "run"))
    with pytest.raises(RunDirectoryError, match="nothing is recorded yet"):
        gather(run)
    run.database.write_bytes(b"damaged" * 1000)
    with pytest.raises(RunDirectoryError, match="not a database"):
        gather(run)


def test_no_outlier_of_a_long_curve_is_lost() -> None:
    steps = np.arange(50_000.0)
    values = np.ones(50_000)
    values[[7, 31_234]] = 9.0, -9.0
    x, low, high, mean = decimate(steps, values, COLUMNS)
    assert len(x) <= COLUMNS
    assert (low.min(), high.max()) == (-9.0, 9.0)
    assert (np.diff(x) > 0).all()
    assert ((low <= mean) & (mean <= high)).all()
    assert len(chart("loss", {"loss": (steps, values)})) < 40_000
    same = decimate(steps[:5], values[:5], COLUMNS)
    for part, whole in zip(same, (steps, values, values, values), strict=True):
        assert np.array_equal(part, whole[:5])


@pytest.mark.parametrize("count", [1, 2])
def test_a_curve_of_one_or_two_points_is_drawn(count: int) -> None:
    drawn = chart("a < b", {"loss": (np.arange(float(count)), np.ones(count))})
    read(drawn)
    assert "nan" not in drawn
    assert "a &lt; b" in drawn


def test_the_board_of_a_game_is_a_picture_in_the_page() -> None:
    assert board(chess.Board()).startswith("data:image/svg+xml;base64,")
    assert rate_run(Path("/nowhere")) is None
