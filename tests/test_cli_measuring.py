"""The commands that measure training: overfit, lr-find, ablate."""

import json
from pathlib import Path

from tests.command_line import Run

GAMES = Path(__file__).resolve().parent / "data" / "games" / "games_ci.pgn"


def test_overfit_says_what_does_not_learn_and_ends_with_1(run: Run) -> None:
    words = ("overfit", "--batch", "8", "--steps", "2", "--set", "model.blocks=1")
    shown = run(*words, "--set", "training.value_weight=0")
    assert shown.code == 1
    assert "value does not learn: no gradient reaches its weights" in shown.out
    lessons = json.loads(run(*words, "--json").out)
    assert {"head", "first", "last", "floor", "guess", "way", "fault"} <= set(lessons[0])


def test_lr_find_draws_its_curve_and_leaves_the_run_as_it_was(run: Run, tmp_path: Path) -> None:
    run("import", "pgn", str(GAMES), "--run", "human")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    small = ["model.channels=16", "model.blocks=1", "training.batch_size=16"]
    words = [word for setting in small for word in ("--set", setting)]
    shown = run("lr-find", "--run", "human", "--steps", "12", *words)
    assert shown.code == 0, shown.err
    assert "1e-05" in shown.out
    assert "rate 1e+00" in shown.out
    assert "suggest" in shown.out.splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert run("lr-find", "--run", "human", "--from", "1", "--to", "0.1").code == 2
    assert run("lr-find", "--run", "nowhere").code == 64


def test_ablate_compares_two_arms_and_leaves_the_run_as_it_was(run: Run, tmp_path: Path) -> None:
    run("import", "pgn", str(GAMES), "--run", "human")
    before = sorted((tmp_path / "human").rglob("*"))
    small = ["model.channels=16", "model.blocks=1", "training.batch_size=16", "device.kind=cpu"]
    words = ["ablate", "--run", "human", "--vary", "ssl.enabled=true,false", "--games", "0"]
    words += [word for setting in small for word in ("--set", setting)]
    shown = run(*words, "--steps", "2", "--seeds", "2")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0].startswith("2 steps for each of 2 arms, seeds: 2, in ")
    assert lines[1] == "policy loss, nats, held-out positions"
    assert lines[3].startswith("  ssl.enabled=false  ")
    assert lines[3].count(" ± ") == 2
    again = json.loads(run(*words, "--steps", "2", "--seeds", "1", "--json").out)
    assert [arm["name"] for arm in again["arms"]] == ["ssl.enabled=true", "ssl.enabled=false"]
    assert again["arms"][1]["differences"]["policy_loss"]["margin"] is None
    alone = run(*words, "--steps", "2", "--seeds", "1").out
    assert alone.splitlines()[-1] == "One seed has no interval: what differs there may be chance."
    assert sorted((tmp_path / "human").rglob("*")) == before
    assert run(*words).code == 2
    assert run(*words, "--steps", "2", "--vary", "ssl.enabeld=true,false").code == 64
