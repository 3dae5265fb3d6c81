"""The report as Markdown: the figures of the page, and nothing of others that could do anything."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from backend.commands import PlayMatch, RecordMatch
from backend.config import Config
from backend.errand import carry_out
from backend.events import CycleFinished, TrainingStep
from backend.replay.gametext import read_game
from backend.report.facts import Facts, gather
from backend.report.markdown import MOST_ROWS, markdown
from backend.rundir import RunDirectory
from matrix0 import cli
from tests.backend.starting import started
from tests.backend.test_cycle import result

HOSTILE = "a|b `x` \\| <script>*c*</script> ![p](http://e.org/p.png) @all #1\x1b[31m\n\n# big"
MILD = "step_1 *best* [x](y) <b>"
PGN = '[Event "x"]\n[White "``` <b>"]\n[Result "1-0"]\n\n1. e4 { ![p](x) } e5 1-0\n'


async def recorded(folder: Path, candidate: str) -> Facts:
    """A run with curves, a match of `candidate`, and a game whose headers are not ours."""
    run = RunDirectory(folder)
    run.create()
    run.settle(Config())
    metrics = {"policy_loss": 3.0, "policy_kl": 0.75, "value_loss": 0.9}
    metrics |= {"piece_loss": 1.5, "piece_guess": 2.5, "piece_f1": 0.4, "piece_f1_baseline": 0.1}
    async with started(run) as found:
        found.ledger.publish(TrainingStep(step=10, metrics=metrics))
    order = PlayMatch(
        match="m", candidate=candidate, opponent="random", games=4, simulations=8, seed=1
    )
    match = msgspec.structs.replace(result(order), results=(0, 0, 1, 0, 0, 0, 1, 0, 0))
    await asyncio.to_thread(carry_out, run, RecordMatch(result=match), "a test")
    (run.games / "selfplay.pgn").write_text(PGN)
    return await asyncio.to_thread(gather, run)


def cycle(number: int) -> CycleFinished:
    return CycleFinished(
        cycle=number,
        step=100 * number,
        games=9,
        positions=900,
        seconds=60.0,
        policy_loss=3.0,
        value_loss=0.9,
        piece_loss=1.5,
        verdict="inconclusive",
        elo=3.0,
        elo_low=-40.0,
        elo_high=46.0,
    )


def parsed(text: str) -> SyntaxTreeNode:
    return SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(text))


def shown(node: SyntaxTreeNode) -> str:
    if node.type in ("text", "code_inline", "fence"):
        return node.content.strip()
    return "".join(shown(child) for child in node.children)


def rows(tree: SyntaxTreeNode, first: str) -> list[list[str]]:
    """Of the table that begins with this heading."""
    for table in (node for node in tree.walk() if node.type == "table"):
        found = [[shown(cell) for cell in row.children] for row in table.walk() if row.type == "tr"]
        if found[0][0] == first:
            return found
    raise AssertionError(f"no table {first!r}")


async def test_the_markdown_says_what_was_recorded(tmp_path: Path) -> None:
    facts = await recorded(tmp_path / "run", "net")
    cycles = [cycle(number) for number in range(1, MOST_ROWS + 6)]
    changed: list[tuple[str, object, object]] = [("search.simulations", 12, 64)]
    text = markdown(replace(facts, cycles=cycles, changed=changed), [("torch", "2")], 0.0)
    tree = parsed(text)
    assert rows(tree, "setting") == [
        ["setting", "this run", "the defaults"],
        ["search.simulations", "12", "64"],
    ]
    assert [row[:2] for row in rows(tree, "cycle")[1:]] == [
        [str(n), f"{100 * n:,}"] for n in range(6, MOST_ROWS + 6)
    ]
    assert f"The last {MOST_ROWS} of {MOST_ROWS + 5}." in text
    assert rows(tree, "loss")[1:] == [
        ["policy", "3.000", "2.250 (entropy of the search's policy)", "—", "—"],
        ["value", "0.900", "—", "—", "—"],
        ["piece", "1.500", "2.500 (guessing)", "40%", "10%"],
    ]
    assert facts.standings is not None
    ladder = rows(tree, "player")[1:]
    assert [row[0] for row in ladder] == [row.player.name for row in facts.standings.rows]
    for cells, row in zip(ladder, facts.standings.rows, strict=True):
        assert cells[2] == f"{row.elo:+z.0f}"
        assert cells[3] in ("anchor", f"[{row.low:+z.0f}, {row.high:+z.0f}]")
    (block,) = [node for node in tree.walk() if node.type == "fence"]
    assert block.info == "pgn"
    game = read_game(block.content)
    assert [move.uci() for move in game.mainline_moves()] == ["e2e4", "e7e5"]
    assert game.headers["White"] == "``` <b>"


@pytest.mark.parametrize("name", [HOSTILE, MILD], ids=["hostile", "mild"])
async def test_what_others_wrote_stays_text(tmp_path: Path, name: str) -> None:
    facts = await recorded(tmp_path / "run", name)
    changed: list[tuple[str, object, object]] = [(name, name, name)]
    tree = parsed(markdown(replace(facts, changed=changed), [("x", name)], 0.0))
    kinds = {node.type for node in tree.walk()}
    assert not kinds & {"html_inline", "html_block", "link", "image", "em", "strong", "list_item"}
    assert [node.tag for node in tree.walk() if node.type == "heading"] == ["h1"] + ["h2"] * 6
    told = name.replace("\x1b", "\ufffd").replace("\n", " ")
    seen = rows(tree, "setting")[1]
    assert seen == [told.replace("|", "¦") if "@" in told else told] * 3
    assert {len(row) for row in rows(tree, "player")} == {6}
    # Behind a backslash these would be a call, a number of an issue and an address all the same.
    plain = "".join(node.content for node in tree.walk() if node.type == "text")
    assert [sign for sign in ("@", "#", "://") if sign in plain] == []


def test_the_form_follows_the_name_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(recorded(tmp_path / "run", "net"))
    monkeypatch.chdir(tmp_path)

    def write(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["matrix0", "report", "run", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code

    for words, made, start in (
        (["-o", "a.md"], "a.md", "# run\n"),
        (["--format", "md"], "run.md", "# run\n"),
        (["-o", "a.txt", "--format", "md"], "a.txt", "# run\n"),
        (["-o", "a.html"], "a.html", "<!DOCTYPE html>"),
        (["--format", "html", "-o", "b.md"], "b.md", "<!DOCTYPE html>"),
        ([], "run.html", "<!DOCTYPE html>"),
    ):
        write(*words)
        assert Path(made).read_text("utf-8").startswith(start), words
