"""The command line: what it offers, what it says when it cannot, and what it does not load."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from backend.presets import PRESETS
from backend.rundir import RunDirectory
from backend.settings import build_config, load_config
from matrix0 import __version__, cli
from tests.command_line import Outcome, Run
from tests.earlier import container
from tests.flags import FLAGS

ROOT = Path(__file__).resolve().parents[1]


# What there is ------------------------------------------------------------------------------------


def _flags(command: Any, name: str) -> dict[str, list[str]]:
    words = [
        next((flag for flag in parameter.opts if flag.startswith("--")), parameter.metavar)
        for parameter in command.params
    ]
    found = {name: sorted(word for word in words if word != "--help")}
    for sub in getattr(command, "commands", {}).values():
        found |= _flags(sub, f"{name} {sub.name}")
    return found


def test_the_command_line_has_these_flags_and_no_others() -> None:
    found = _flags(typer.main.get_command(cli.app), "matrix0")
    found |= _flags(typer.main.get_command(cli.tui_app), "matrix0-tui")
    found |= _flags(typer.main.get_command(cli.uci_app), "matrix0-uci")
    assert found == FLAGS


HIDDEN = {"follow", "hall", "labeller", "relay", "supervise", "think", "visit", "worker"}


def test_help_names_the_commands_and_hides_the_workers_entries(run: Run) -> None:
    shown = run("--help")
    assert shown.code == 0
    listed = {
        line.split()[0] for line in shown.out.split("Commands:")[1].splitlines() if line.strip()
    }
    commands = {name.split()[1] for name in FLAGS if name.startswith("matrix0 ")}
    assert listed == commands - HIDDEN


@pytest.mark.parametrize("name", FLAGS)
def test_every_command_explains_itself(name: str, run: Run) -> None:
    program, *words = name.split()
    entry = {"matrix0-tui": cli.tui_main, "matrix0-uci": cli.uci_main}.get(program, cli.main)
    shown = run(*words, "--help", entry=entry)
    assert shown.code == 0
    assert "Usage:" in shown.out


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from matrix0 import cli\n"
        "sys.argv = ['matrix0', '--help']\n"
        "try:\n"
        "    cli.main()\n"
        "except SystemExit:\n"
        "    pass\n"
        "heavy = {'torch', 'numba', 'numpy', 'textual', 'rich', 'chess', 'psutil', 'asyncio'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "loaded: []" in done.stdout


def test_version_is_that_of_the_package(run: Run) -> None:
    assert run("--version").out == f"matrix0 {__version__}\n"


# model, config, doctor ----------------------------------------------------------------------------


def test_model_shows_parts_that_add_up(run: Run) -> None:
    data = json.loads(run("model", "--json").out)
    assert list(data) == list(PRESETS)
    for network in data.values():
        assert sum(part["parameters"] for part in network["parts"]) == network["parameters"]
    table = run("model", "--preset", "tiny").out
    assert f"tiny: {data['tiny']['parameters']:,} parameters" in table
    assert "residual blocks" in table
    assert "earlier program" not in table
    assert data["flagship"]["of_the_earlier_program"] == 53_161_185
    flagship = run("model", "--preset", "flagship").out
    assert "53,161,185" in flagship
    assert f"{data['flagship']['parameters'] - 53_161_185:,}" in flagship


def test_config_prints_what_loads_as_the_same_settings(run: Run, tmp_path: Path) -> None:
    shown = run("config", "--preset", "tiny", "--set", "seed=5")
    path = tmp_path / "all.toml"
    path.write_text(shown.out)
    assert load_config(path) == build_config("tiny", overrides=["seed=5"])


def test_doctor_finds_every_library_and_a_device(run: Run) -> None:
    shown = run("doctor")
    assert shown.code == 0
    for word in ("torch", "kernel cache", "chosen", "disk", "TERM"):
        assert word in shown.out


def test_profile_accounts_for_a_step_of_the_preset(run: Run, tmp_path: Path) -> None:
    words = ("profile", "--batch", "16", "--steps", "1", "--set", "model.blocks=1")
    shown = run(*words, "--trace", str(tmp_path / "step.json"))
    assert shown.code == 0
    for word in ("trunk", "backward", "batch 16 in micro-batches of 16", "samples/s", "MiB"):
        assert word in shown.out
    assert (tmp_path / "step.json").exists()
    data = json.loads(run(*words, "--json").out)
    assert data["batch_size"] == 16
    refused = run("profile", "--run", str(tmp_path / "none"))
    assert refused.code == 64


# Games of others ----------------------------------------------------------------------------------


def test_games_are_imported_once_and_trained_on(run: Run) -> None:
    games = str(ROOT / "tests" / "data" / "games" / "games_ci.pgn")
    first = run("import", "pgn", games, "--run", "human")
    assert first.code == 0
    assert " imported, " in first.out
    assert run("import", "pgn", games, "--run", "human").out.startswith("0 games with 0 positions")
    small = ["model.channels=16", "model.blocks=1", "training.batch_size=32"]
    words = [word for setting in small for word in ("--set", setting)]
    trained = run("train", "--run", "human", "--preset", "tiny", "--steps", "3", *words)
    assert trained.code == 0, trained.err
    assert trained.out.splitlines()[-1].startswith("step 3: the first choice is the move")
    again = run("train", "--run", "human", "--steps", "1")
    assert again.out.splitlines()[-1].startswith("step 4: ")


def test_training_without_games_is_bad_data(run: Run) -> None:
    refused = run("train", "--run", "human", "--preset", "tiny", "--steps", "3")
    assert refused.code == 65
    assert "matrix0 import pgn FILE" in _one_line(refused)


# Networks of the earlier program ------------------------------------------------------------------


def test_an_earlier_network_becomes_the_first_of_a_run(run: Run, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save(container(), tmp_path / "v2.pt")
    done = run(
        "import", "checkpoint", "v2.pt", "--run", "old", "--set", "model.plies_left_head=true"
    )
    assert done.code == 0, done.err
    assert done.out == (
        "step-00000000: 152 tensors and 4 second names, the averaged weights of its step 5,000; "
        "32 channels, 6 blocks\ninitialised anew: plies_left_head, ssl_heads\n"
    )
    kept = RunDirectory(tmp_path / "old").read_config()
    assert (kept.model.channels, kept.model.orientation) == (32, "white")
    again = run("import", "checkpoint", "v2.pt", "--run", "old")
    assert again.code == 64
    assert "choose a new --run" in again.err


def test_a_file_that_is_no_earlier_network_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_text("text")
    refused = run("import", "checkpoint", "bad.pt", "--run", "old")
    assert refused.code == 65
    assert "bad.pt: not a checkpoint" in _one_line(refused)
    assert not (tmp_path / "old").exists()


# Matches ------------------------------------------------------------------------------------------


def test_a_match_of_baselines_prints_the_score_and_keeps_the_games(
    run: Run, tmp_path: Path
) -> None:
    prepared = RunDirectory(tmp_path / "prepared")
    prepared.create()
    prepared.settle(build_config("tiny", overrides=["evaluation.max_plies=60"]), "tiny")
    played = run("match", "greedy", "random", "--run", "prepared", "--games", "4")
    assert played.code == 0, played.err
    lines = played.out.splitlines()
    assert lines[0] == "greedy against random: 4 games"
    assert lines[2].startswith("Elo ")
    assert lines[3].startswith("pairs of 0, 0.5, 1, 1.5, 2 points: ")
    assert lines[4].startswith("LLR ")
    assert lines[4].endswith(" (-2.94, +2.94), +0 against +50 normalised Elo")
    (pgn,) = prepared.games.iterdir()
    assert pgn.read_text().count('[Event "') == 4
    rated = run("ratings", "--run", "prepared")
    assert rated.code == 0, rated.err
    heading, first, second, *_ = (line.split() for line in rated.out.splitlines())
    assert heading == ["rank", "player", "budget", "Elo", "95", "%", "games", "LOS"]
    assert {first[1], second[1]} == {"greedy", "random"}
    assert sorted((first[0], second[0])) == ["1", "2"]
    (anchor,) = (row for row in (first, second) if row[1] == "random")
    assert anchor[2:6] == ["—", "+0", "anchor", "4"]
    other = run("ratings", "--run", "prepared", "--anchor", "greedy")
    (anchor,) = (row.split() for row in other.out.splitlines() if "anchor" in row)
    assert anchor[1] == "greedy"
    nobody = run("ratings", "--run", "prepared", "--anchor", "kasparov")
    assert nobody.code == 64
    assert "nobody called 'kasparov' played in this run" in _one_line(nobody)
    nothing = run("ratings", "--run", "prepared", "--picture", "rise.svg")
    assert nothing.code == 64
    assert "no network of this run is rated" in _one_line(nothing)
    assert not Path("rise.svg").exists()


def test_ratings_and_rollbacks_say_what_is_missing(run: Run, tmp_path: Path) -> None:
    prepared = RunDirectory(tmp_path / "prepared")
    prepared.create()
    prepared.settle(build_config("tiny"), "tiny")
    refused = run("ratings", "--run", "prepared")
    assert refused.code == 64
    assert "no match was recorded yet" in _one_line(refused)
    refused = run("rollback", "--run", "prepared")
    assert refused.code == 64
    assert "no best network before this one" in _one_line(refused)
    refused = run("promote", "step-9", "--run", "prepared", "--reason", "a test")
    assert refused.code == 64
    assert "no checkpoint 'step-9' on disk" in _one_line(refused)


def test_a_match_needs_players_that_are_there(run: Run, tmp_path: Path) -> None:
    prepared = RunDirectory(tmp_path / "prepared")
    prepared.create()
    prepared.settle(build_config("tiny"), "tiny")
    refused = run("match", "latest", "random", "--run", "prepared")
    assert refused.code == 65
    assert "no checkpoint yet" in _one_line(refused)
    odd = run("match", "greedy", "random", "--run", "prepared", "--games", "5")
    assert odd.code == 2
    assert "must be even" in odd.err


# What goes wrong ----------------------------------------------------------------------------------


def _one_line(outcome: Outcome) -> str:
    assert outcome.out == ""
    assert outcome.err.count("\n") == 1
    return outcome.err.strip()


def test_an_unknown_preset_is_one_line_and_code_64(run: Run) -> None:
    refused = run("model", "--preset", "tinny")
    assert refused.code == 64
    assert _one_line(refused) == (
        "matrix0: no preset 'tinny'; did you mean 'tiny'? (there are: tiny, small, flagship)"
    )


def test_an_unknown_setting_is_one_line_and_makes_no_run(run: Run, tmp_path: Path) -> None:
    words = ("--no-ui", "--preset", "tiny", "--set", "search.simulation=3")
    refused = run(*words, entry=cli.tui_main)
    assert refused.code == 64
    assert "[search]: no setting 'simulation'; did you mean 'simulations'?" in _one_line(refused)
    assert list(tmp_path.iterdir()) == []


def test_a_control_character_in_a_message_does_not_reach_the_terminal(run: Run) -> None:
    refused = run("model", "--preset", "\x1b[31mred")
    assert "\x1b" not in refused.err


def test_a_screen_without_a_terminal_is_refused(run: Run) -> None:
    refused = run("--preset", "tiny", entry=cli.tui_main)
    assert refused.code == 2
    assert _one_line(refused) == (
        "matrix0-tui: the control centre needs a terminal; without one use --no-ui"
    )


def test_a_screen_cannot_join_what_is_not_a_supervisor(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = RunDirectory(tmp_path / "held")
    held.create()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for words in (("--no-ui",), ()):
        with held.lock("matrix0 train"):
            refused = run("--preset", "tiny", "--run", "held", *words, entry=cli.tui_main)
        assert refused.code == 73
        assert f"`matrix0 train` is at work on this run (process {os.getpid()})" in (
            _one_line(refused)
        )
        assert not held.exists


def test_json_without_headless_is_refused(run: Run) -> None:
    refused = run("--json", entry=cli.tui_main)
    assert refused.code == 2
    assert _one_line(refused) == "matrix0-tui: --json goes with --no-ui or --list"


def test_a_run_that_is_no_run_is_refused(run: Run, tmp_path: Path) -> None:
    refused = run("match", "best", "random", "--run", "nowhere")
    assert refused.code == 64
    assert "holds no run" in _one_line(refused)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_run_directory_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    refused = run("--no-ui", "--preset", "tiny", "--run", "taken", entry=cli.tui_main)
    assert refused.code == 64
    assert "taken: cannot be used as a run directory" in _one_line(refused)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_place_without_room_for_a_run_is_named(run: Run) -> None:
    refused = run("--no-ui", "--preset", "tiny", "--run", "/proc/x1", entry=cli.tui_main)
    assert refused.code == 64
    assert _one_line(refused) == (
        "matrix0-tui: /proc/x1: cannot be created: this place takes no directories"
    )


def test_a_bug_is_shown_whole_and_ends_with_70(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("backend.settings.build_config", broken)
    outcome = run("config")
    assert outcome.code == 70
    assert "Traceback" in outcome.err
    assert "matrix0: internal error, please report it: ZeroDivisionError: a bug" in outcome.err


def test_an_unknown_role_is_a_usage_error(run: Run) -> None:
    refused = run("worker", "gardener", "--run", "x", "--worker", "g-0")
    assert refused.code == 2
    assert "selfplay, trainer, evaluator" in refused.err
