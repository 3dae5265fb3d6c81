"""`docs/data.md` says what lies on disk: paths, columns, codes, manifest, tables, journal, PGN."""

import ast
import io
import random
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import chess.pgn
import numpy as np
import pytest

from backend import checkpoints, commands, commit, filesystem, intake, pool
from backend.checkpoints import FileRecord, Manifest
from backend.config import Config
from backend.errors import ExitCode, RunDirectoryError
from backend.replay import admission, imports, records, schema
from backend.replay.credits import EXPIRED_CREDITS, PRICE
from backend.replay.provenance import KINDS, Rescoring, Source, Teacher
from backend.replay.shardformat import ShardMetadata
from backend.replay.shards import ShardWriter
from backend.rundir import FOLDERS, RunDirectory
from backend.start import PRIOR_HASH, START
from backend.store import journal, store
from backend.store.schema import MIGRATIONS
from backend.store.seal import seal_of
from backend.teacher import labelling
from model.rules import Outcome
from tests.backend.fakes.worker import random_game
from tests.pages import Page, quoted

PAGE = Page("data.md")
BACKEND = Path(store.__file__).parents[1]


# Paths --------------------------------------------------------------------------------------------


def test_paths_of_a_run_are_those_of_the_table(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    paths = [path for path in vars(run).values() if isinstance(path, Path) and path != run.path]
    names = {f"{path.name}/" if path.name in FOLDERS else path.name for path in paths}
    names |= {f"{run.database.name}-wal", f"{run.database.name}-shm", seal_of(run.database).name}
    table = PAGE.tables("path", "holds", "if you delete it")
    assert {quoted(row[0])[0] for row in table} == names
    assert {f"{folder}/" for folder in FOLDERS} <= names


WRITERS = {
    "replay/sp-<worker>-<number>-<hash>.safetensors": ("workers/selfplay.py", "sp-{io.worker}"),
    "imported/train-<kind>-<number>-<hash>.safetensors": ("replay/imports.py", imports.LEARNED),
    "imported/val-<kind>-<number>-<hash>.safetensors": ("replay/imports.py", imports.HELD_OUT),
    "rescored/<prefix>-<number>-<hash>.safetensors": ("replay/rescored.py", '"rescored"'),
    "imported/rejects.tsv": ("replay/imports.py", imports.REPORT),
    "imported/import.json": ("replay/importmark.py", "import.json"),
    "imported/label-rejects.tsv": ("teacher/labelling.py", labelling.REPORT),
    "imported/labels-<crc32>.jsonl": ("teacher/labels.py", 'f"labels-{zlib.crc32('),
    "checkpoints/step-<step>/": ("checkpoints.py", "step-{step:08d}"),
    "games/selfplay.pgn": ("intake.py", "selfplay.pgn"),
    "games/match-<match>.pgn": ("workers/evaluator.py", "match-{order.match}.pgn"),
    "games/match-by-hand-<time>.pgn": ("../matrix0/commands/match.py", "match-by-hand-%Y"),
    "games/tournament-<time>.pgn": ("../matrix0/commands/tournament.py", "tournament-%Y"),
    "games/match-<match>.jsonl": ("workers/evaluator.py", "match-{order.match}.jsonl"),
    "games/match-in-progress-<crc32>.jsonl": ("evaluation/club.py", "match-in-progress-{"),
    "logs/<worker>.log": ("roster.py", "log_file(name)"),
    "logs/trainer.reading": ("rundir.py", '"trainer.reading"'),
    "logs/supervisor.log": ("processes.py", 'log_file("supervisor")'),
    "quarantine/<time>-<name>": ("recovery.py", 'run.quarantine / f"{stamp}-{name}"'),
    "quarantine/<time>-training-<step>/": ("training/evidence.py", 'f"{stamp}-training-{'),
    "backups/v<version>.db": ("store/migration.py", 'f"v{version}.db"'),
    "backups/<run>-<time>.json": ("backups/make.py", 'f"{self.run.name}-{day}{ending}.json"'),
    "backups/files/<sha256>": ("backups/make.py", "self.folder / FILES / sha256"),
    "<name>.tmp.<pid>.<8 hex digits>": ("commit.py", "{path.name}.tmp.{os.getpid()}."),
}
"""File of the table -> where its name is made."""


def test_files_of_the_table_are_named_so_in_the_code() -> None:
    assert [quoted(row[0])[0] for row in PAGE.tables("file", "what it is")] == list(WRITERS)
    for source, fragment in WRITERS.values():
        assert fragment in (BACKEND / source).read_text(encoding="utf-8")
    assert commit.is_temporary(Path("x.tmp.12.0123abcd"))


def test_sizes_on_the_page_are_those_of_the_code() -> None:
    for text in (
        f"up to {imports.SHARD_POSITIONS} positions",
        f"beyond {pool.MAX_LOG_BYTES >> 20} MiB",
        f"when {intake.SLACK} windows are full",
        f"the newest {store.MAX_EVENTS} are kept",
        f"within {schema.PROBABILITY_TOLERANCE:g}",
        f"legal moves, 1 to {records.MAX_LEGAL_MOVES}",
        f"0 to {schema.NUM_POLICY_INDICES - 1}",
        f"`user_version` {len(MIGRATIONS)}",
    ):
        assert text in PAGE.text
    assert f"a score of -{records.MIN_RESIGN_VALUE:g} or less" in PAGE.text
    for table, known in (
        ("metadata", schema.SCHEMA_VERSION),
        ("manifest", checkpoints.SCHEMA),
    ):
        version = next(
            row[2] for row in PAGE.tables(table, "type", "meaning") if "schema" in row[0]
        )
        assert int(version) == known


def test_the_five_steps_of_a_commit_are_the_calls_it_makes(tmp_path: Path) -> None:
    calls: list[str] = []

    class Recorder(filesystem.OsFileSystem):
        def __getattribute__(self, name: str) -> object:
            calls.append(name)
            return super().__getattribute__(name)

    def fill(add: commit.AddFile) -> None:
        add("file", b"content")

    commit.commit_directory(tmp_path / "whole", fill, fs=Recorder())
    in_page = {
        "Create": ["make_directory", "create", "write"],
        "fsync the file": ["sync", "close"],
        "fsync the temporary directory": ["sync_directory"],
        "Rename": ["rename"],
        "fsync the parent": ["sync_directory"],
    }
    # Within sync_directory the recorder sees its own sync too.
    made = [
        c for n, c in enumerate(calls) if not (c == "sync" and calls[n - 1] == "sync_directory")
    ]
    assert made == [call for step in in_page.values() for call in step]
    steps = re.findall(r"^\d\. (.*)$", PAGE.text, flags=re.MULTILINE)
    assert len(steps) == len(in_page)
    for step, words in zip(steps, in_page, strict=True):
        assert words in step


# Shards -------------------------------------------------------------------------------------------


def test_columns_have_the_types_and_shapes_of_the_table() -> None:
    rows = {
        quoted(row[0])[0]: (row[1], row[2])
        for row in PAGE.tables("column", "type", "shape", "view", "meaning")
    }
    assert rows == {
        name: (dtype, f"[{', '.join(map(str, shape))}]")
        for name, (dtype, shape) in schema.COLUMNS.items()
    }


def test_codes_are_those_of_the_table() -> None:
    table: dict[str, dict[str, int]] = {}
    for column, value, name, meaning in PAGE.tables("column", "value", "name", "meaning"):
        table.setdefault(quoted(column)[0], {})[quoted(name)[0]] = int(value)
        if quoted(column)[0] == "game_outcome":
            assert admission.TERMINATIONS[int(value)] == meaning
        if quoted(column)[0] == "game_origin":
            assert admission.ORIGINS[int(value)] == meaning

    def named(*names: str) -> dict[str, int]:
        return {name: getattr(records, name) for name in names}

    assert table == {
        "kind": named("FULL_SEARCH", "CHEAP_SEARCH", "PLAYED_MOVE", "SOLUTION", "TEACHER"),
        "value_source": named(
            "TARGET_OPEN", "TARGET_SEARCH", "TARGET_TABLES", "TARGET_TEACHER", "TARGET_MIX"
        ),
        "game_result": named("WHITE_WON", "DRAW", "BLACK_WON", "NO_RESULT"),
        "game_outcome": {o.name: int(o) for o in Outcome if o}
        | named("TABLEBASE", "RESIGNED", "EXTERNAL", "TRUNCATED"),
        "game_origin": named(
            "FROM_START", "RANDOM_OPENING", "BOOK_OPENING", "NETWORK_OPENING", "ARCHIVED"
        ),
    }
    assert set(table["value_source"].values()) == set(records.TARGETS)
    assert set(table["game_origin"].values()) == admission.ORIGINS.keys()
    assert set(table["game_outcome"].values()) == admission.TERMINATIONS.keys()


def test_metadata_and_manifest_have_the_fields_of_the_tables() -> None:
    rows = [quoted(row[0])[0] for row in PAGE.tables("metadata", "type", "meaning")]
    assert tuple(rows) == ShardMetadata.__struct_fields__
    for table, struct in (("source", Source), ("teacher", Teacher), ("rescoring", Rescoring)):
        rows = [quoted(row[0])[0] for row in PAGE.tables(table, "type", "meaning")]
        assert tuple(rows) == struct.__struct_fields__
    kinds = next(row[2] for row in PAGE.tables("source", "type", "meaning") if "kind" in row[0])
    assert kinds.replace(" or ", ", ").split(", ") == list(KINDS)
    rows = [quoted(row[0])[0] for row in PAGE.tables("manifest", "type", "meaning")]
    assert tuple(rows) == (*Manifest.__struct_fields__, "checksum")
    for field in FileRecord.__struct_fields__:
        assert f"`{field}`" in PAGE.text


def test_the_reader_on_the_page_prints_what_the_page_says(tmp_path: Path) -> None:
    (code,) = PAGE.blocks("python")
    (session,) = (block for block in PAGE.blocks("") if block.startswith("$ printf"))
    made, called, *output = session.splitlines()
    moves = re.findall(r"printf '(.*)\\n'", made)
    (tmp_path / "fool.pgn").write_text(f"{moves[0]}\n")
    imports.import_pgn([str(tmp_path / "fool.pgn")], tmp_path, "mover")
    (shard,) = tmp_path.glob(called.rpartition("/")[2])
    done = subprocess.run(
        [sys.executable, "-c", code, str(shard)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == output
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0\0")
    damaged = subprocess.run(
        [sys.executable, "-c", code, str(shard)], capture_output=True, text=True, check=False
    )
    assert "AssertionError: damaged" in damaged.stderr


# Checkpoints, database, journal, PGN --------------------------------------------------------------


def test_the_files_of_a_checkpoint_are_those_of_the_table(tmp_path: Path) -> None:
    rows = {quoted(row[0])[0]: row[1] for row in PAGE.tables("file", "arrays")}
    parts = {part: {"weight": np.zeros(1, np.float32)} for part in checkpoints.PARTS}
    path = checkpoints.save(tmp_path, step=1500, model=Config().model, parts=parts)
    assert {file.name for file in path.iterdir()} == rows.keys()
    assert f"`checkpoints/{path.name}/`" in PAGE.text


def test_names_within_a_checkpoint_are_those_of_the_trainer() -> None:
    # Read, not imported: loading torch takes longer than all else here.
    files = [*sorted((BACKEND / "training").glob("*.py")), BACKEND / "supervised.py"]
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    (optimiser,) = (row[1] for row in PAGE.tables("file", "arrays") if "optimizer" in row[0])
    (moments,) = re.findall(r"^_MOMENTS: Final = \((.*)\)$", source, flags=re.MULTILINE)
    (mask,) = re.findall(r'^_MASK_RNG: Final = "(.*)"$', source, flags=re.MULTILINE)
    names = [f"{moment}.<weight>" for moment in re.findall(r'"(\w+)"', moments)]
    assert quoted(optimiser) == [*names, mask]
    manifest = {quoted(row[0])[0]: row[2] for row in PAGE.tables("manifest", "type", "meaning")}
    (imported,) = re.findall(r'^IMPORTED_SAMPLES: Final = "(.*)"$', source, flags=re.MULTILINE)
    (trained,) = re.findall(r'^TRAINED_S: Final = "(.*)"$', source, flags=re.MULTILINE)
    (goal,) = re.findall(r'^GOAL: Final = "(.*)"$', source, flags=re.MULTILINE)
    assert quoted(manifest["data_position"]) == [
        "sampler",
        "imported",
        imported,
        trained,
        EXPIRED_CREDITS,
        PRICE,
        checkpoints.SAVED_BECAUSE,
        *(goal, "step", "group"),
        START,
        *("network", "step", "sha256"),
        PRIOR_HASH,
    ]
    (counters,) = re.findall(r"trainer: dict\[[^\n]*\] = \{\n(.*?)\}", source, flags=re.DOTALL)
    (measured,) = re.findall(r'trainer\["(\w+)"\] = ', source)
    assert quoted(manifest["trainer"]) == [*re.findall(r'"(\w+)":', counters), measured]


async def test_the_database_has_the_tables_and_columns_of_the_page(tmp_path: Path) -> None:
    opened = await store.Store.open(tmp_path / "matrix0.db")
    await opened.close()
    connection = sqlite3.connect(tmp_path / "matrix0.db")
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    columns = {
        table: {row[1]: row[2] for row in connection.execute(f"PRAGMA table_info({table})")}
        for (table,) in names
    }
    connection.close()
    page = PAGE.fields("column", "type", "meaning")
    assert {t: {c: cells[0] for c, cells in found.items()} for t, found in page.items()} == columns


def _handled_by(function: str, source: str) -> set[str]:
    """Types that the match statements of a function know."""
    tree = ast.parse((BACKEND / source).read_text(encoding="utf-8"))
    found = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == function
    )
    return {ast.unparse(n.cls) for n in ast.walk(found) if isinstance(n, ast.MatchClass)}


def test_values_within_the_database_are_those_of_the_page() -> None:
    page = PAGE.fields("column", "type", "meaning")
    text = "\n".join(statement for version in MIGRATIONS for statement in version)
    for table in ("shards", "checkpoints"):
        (values,) = re.findall(rf"TABLE {table} .*?state IN \((.*?)\)", text, flags=re.DOTALL)
        listed = re.sub(r" \([^)]*\)", "", page[table]["state"][1])
        assert listed.split(", ") == re.findall(r"'(\w+)'", values)
    keys = [
        key
        for file in ("store/store.py", "store/facts.py")
        for key in re.findall(r'put\(\S+, "(\w+)"', (BACKEND / file).read_text(encoding="utf-8"))
    ]
    assert set(quoted(page["meta"]["key"][1])) == set(keys)
    bodies = {quoted(c["body"][1])[0] for t, c in page.items() if "body" in c and t != "events"}
    assert bodies == _handled_by("insert", "store/facts.py") - {"ShardAdmitted"}


def test_the_facts_of_the_journal_are_those_of_the_table() -> None:
    facts = {name for row in PAGE.tables("fact", "when") for name in quoted(row[0])}
    decided = _handled_by("insert", "store/facts.py") - {"CheckpointSaved"}
    source = (BACKEND / "recovery.py").read_text(encoding="utf-8")
    decided |= set(re.findall(r"ledger\.recorded\((\w+)\)", source))
    source = (BACKEND / "supervisor.py").read_text(encoding="utf-8")
    decided |= set(
        re.findall(r"case (\w+)\(\):\n(?: +await .+\n)? +await .+\.commit\(event\)", source)
    )
    assert facts == decided | {kind.__name__ for kind in commands.CLIENT_COMMANDS}


def test_the_line_of_the_journal_is_one(tmp_path: Path) -> None:
    (line,) = PAGE.blocks("json")
    path = tmp_path / "journal.jsonl"
    path.write_text(line)
    reading = journal.read_journal(path)
    assert [type(entry.fact).__name__ for entry in reading.entries] == ["Promoted"]
    assert reading.damaged == ()


def test_games_of_self_play_have_the_headers_of_the_page(tmp_path: Path) -> None:
    section = PAGE.text.split("\n## PGN\n")[1].split("\n## ")[0]
    sentence = section.split("`games/selfplay.pgn` has the headers")[1].split(" only where")[0]
    writer = ShardWriter(tmp_path, "sp-sp0", producer="sp0", orientation="white")
    admitted = admission.admit(writer.write([random_game(random.Random(1))]).path)
    game = chess.pgn.read_game(io.StringIO(admitted.pgn))
    assert game is not None
    assert set(quoted(sentence)) == {*game.headers, "SetUp", "FEN"}
    assert game.headers["GameId"] == admitted.games[0].id == f"{Path(admitted.name).stem}:0"


async def test_a_database_of_a_newer_version_is_refused_with_the_code_of_the_page(
    tmp_path: Path,
) -> None:
    connection = sqlite3.connect(tmp_path / "matrix0.db")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(RunDirectoryError) as refused:
        await store.Store.open(tmp_path / "matrix0.db")
    row = next(r for r in PAGE.tables("found", "done") if "newer version" in r[0])
    assert row[1] == f"refused, exit code {refused.value.exit_code}"
    assert refused.value.exit_code == ExitCode.CONFIG
