"""`matrix0 verify`: what is whole is called whole, whatever is damaged is named."""

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from backend import checkpoints
from backend.audit.run import examine
from backend.events import CheckpointSaved, CycleFinished, EventBase, Promoted, ShardAdmitted
from backend.rundir import RunDirectory
from tests.backend.fakes.process import SupervisorProcess, prepare
from tests.command_line import Run


@pytest.fixture
def copy(whole: RunDirectory, tmp_path: Path) -> RunDirectory:
    shutil.copytree(whole.path, tmp_path / "run")
    return RunDirectory(tmp_path / "run")


def sql(run: RunDirectory, statement: str) -> None:
    with closing(sqlite3.connect(run.database)) as database:
        database.execute(statement)
        database.commit()


def named(run: RunDirectory, *, replays: bool = True) -> list[str]:
    return [str(problem) for problem in sorted(examine(run, replays=replays).problems)]


def newest(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[-1]


def test_a_run_that_ended_is_whole_and_everything_was_looked_at(
    whole: RunDirectory, run: Run
) -> None:
    audit = examine(whole)
    assert audit.problems == audit.notes == []
    assert min(audit.counted[kind] for kind in ("shards", "games", "checkpoints")) > 1
    shown = run("verify", str(whole.path))
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.endswith(": whole\n")


def test_a_run_at_work_is_looked_at_without_a_complaint(tmp_path: Path, run: Run) -> None:
    path = prepare(tmp_path / "run")
    with SupervisorProcess(path) as supervisor:
        kinds: list[type[EventBase]] = [CheckpointSaved, ShardAdmitted, Promoted, CycleFinished]
        for kind in kinds:
            supervisor.wait_for(kind)
            shown = run("verify", str(path))
            assert (shown.code, shown.err) == (0, ""), shown.out
        supervisor.process.terminate()
        assert supervisor.finish() == 0
    assert examine(RunDirectory(path)).is_whole


HARM: dict[str, tuple[Callable[[RunDirectory], object], str]] = {
    "a shard is gone": (
        lambda run: newest(run.replay, "*.safetensors").unlink(),
        "the file is gone",
    ),
    "a checkpoint is gone": (
        lambda run: shutil.rmtree(newest(run.checkpoints, "step-*")),
        "the directory is gone",
    ),
    "weights are cut": (
        lambda run: (file := newest(run.checkpoints, "step-*") / "ema.safetensors").write_bytes(
            file.read_bytes()[:-1]
        ),
        "/ema.safetensors: damaged",
    ),
    "a game has another result": (
        lambda run: sql(run, "UPDATE games SET plies = plies + 1 WHERE id LIKE '%:0'"),
        ":0 was (",
    ),
    "a game has no row": (
        lambda run: sql(run, "DELETE FROM games WHERE id LIKE '%:1'"),
        "rows of games",
    ),
    "a game is twice in the PGN file": (
        lambda run: (file := run.games / "selfplay.pgn").write_bytes(
            file.read_bytes()[: file.stat().st_size // 2] + file.read_bytes()
        ),
        "games/selfplay.pgn",
    ),
    "a promotion is forgotten": (
        lambda run: sql(run, "DELETE FROM promotions WHERE seq > 1"),
        "the database does not have this Promoted",
    ),
    "a promotion is made up": (
        lambda run: sql(run, "UPDATE meta SET value = 'step-00000000' WHERE key = 'best'"),
        "best is step-00000000",
    ),
    "a match has another result": (
        lambda run: sql(run, "UPDATE matches SET body = replace(body, '\"wins\":', '\"wins\":1')"),
        "the database does not have this MatchFinished",
    ),
    "a line of the journal is changed": (
        lambda run: run.journal.write_bytes(run.journal.read_bytes().replace(b"cycle", b"cycel")),
        "journal.jsonl: line",
    ),
    "a line of the journal is taken out": (
        lambda run: run.journal.write_bytes(
            b"".join(run.journal.read_bytes().splitlines(True)[1:])
        ),
        "journal.jsonl: entries are not numbered",
    ),
    "the settings cannot be read": (
        lambda run: run.config_file.write_text("[training\n"),
        "config.toml",
    ),
    "the database is overwritten": (
        lambda run: run.database.write_bytes(b"x" * 8192),
        "matrix0.db: damaged",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_damaged_is_named(harm: str, copy: RunDirectory) -> None:
    damage, words = HARM[harm]
    damage(copy)
    assert any(words in problem for problem in named(copy)), named(copy)


def test_damage_is_said_on_the_command_line_with_an_exit_code(copy: RunDirectory, run: Run) -> None:
    shard = newest(copy.replay, "*.safetensors")
    shard.write_bytes(shard.read_bytes()[:-1])
    for words in ((), ("--quick",)):
        shown = run("verify", str(copy.path), *words)
        assert shown.code == 65
        assert shown.out.startswith(f"replay/{shard.name}: damaged: SHA-256")
        assert shown.out.endswith("1 problem\n")


def test_what_a_kill_leaves_is_a_note_and_no_problem(copy: RunDirectory) -> None:
    (copy.replay / "x.safetensors.tmp.1.00000000").write_bytes(b"half")
    sql(copy, "DELETE FROM games")
    sql(copy, "DELETE FROM shards")
    sql(copy, "UPDATE meta SET value = '0' WHERE key = 'pgn_bytes'")
    with copy.journal.open("ab") as journal:
        journal.write(b'{"crc32":1')
    audit = examine(copy)
    assert audit.problems == []
    assert {note.what.split(";")[0] for note in audit.notes} == {
        "half-written",
        "has no row",
        "its last line is torn",
    }


def test_what_the_next_step_needs_is_missed(copy: RunDirectory) -> None:
    path = newest(copy.checkpoints, "step-*")
    found = checkpoints.load(path)
    optimizer = {**found.optimizer, "exp_avg.weights": found.model["weights"]}
    del optimizer["rng.mask"]
    checkpoints.save(
        copy.path / "other",
        step=found.manifest.step,
        model=found.manifest.model,
        parts={"model": found.model, "ema": {}, "optimizer": optimizer},
        parent=found.manifest.parent,
    )
    shutil.rmtree(path)
    (copy.path / "other" / path.name).rename(path)
    words = " ".join(named(copy))
    for missed in ("rng.mask is missing", "has no exp_avg_sq, step", "is in the weights or their"):
        assert missed in words
    assert "no sampler" in words
    assert "its row says" in words


def flip_and_look(run: RunDirectory, count: int, seed: int) -> None:
    """Single bits of each kind of file, one at a time; every one must be named."""
    rng = random.Random(seed)
    kinds = [
        newest(run.replay, "*.safetensors"),
        *sorted(newest(run.checkpoints, "step-*").iterdir()),
        run.journal,
        run.games / "selfplay.pgn",
    ]
    missed = []
    for path in kinds:
        content = path.read_bytes()
        for _ in range(count):
            damaged = bytearray(content)
            bit = rng.randrange(8 * len(content))
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            if not any(path.name in problem for problem in named(run)):
                missed.append(f"{path.name}, bit {bit}")
            cut = rng.randrange(len(content))
            path.write_bytes(content[:cut])
            audit = examine(run)
            if audit.is_whole and path.name not in str(audit.notes):
                missed.append(f"{path.name}, cut to {cut} bytes")
        path.write_bytes(content)
    assert missed == []


@pytest.mark.slow
def test_many_flipped_bits_in_any_file_are_named(copy: RunDirectory) -> None:
    flip_and_look(copy, 8, seed=2)


def test_a_setting_that_was_edited_is_named(copy: RunDirectory) -> None:
    text = copy.config_file.read_text()
    copy.config_file.write_text(text.replace("steps_per_cycle = 20", "steps_per_cycle = 21"))
    assert [str(note) for note in examine(copy).notes] == [
        "config.toml: was edited since the last start of this run: "
        "training.steps_per_cycle is 21, was 20"
    ]
