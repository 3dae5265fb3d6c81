"""Positions become labelled shards, each once, whatever the engine does and when we are killed."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import chess
import chess.engine
import numpy as np
import psutil
import pytest

from backend.errors import ConfigError, ReplayError
from backend.evaluation.engines import EngineSpec
from backend.evaluation.leash import Leash
from backend.limits_config import LIMITS
from backend.replay import records
from backend.replay.boards import board_from_position
from backend.replay.imports import import_pgn
from backend.replay.knowngames import game_hash, is_held_out, task_hash
from backend.replay.policy_moves import policy_index
from backend.replay.provenance import Teacher
from backend.replay.shards import Shard, list_shards, read_shard
from backend.teacher import labelling
from backend.teacher.engine import TeachingEngine
from backend.teacher.labelling import Labelling, LabelTally
from backend.teacher.labels import Labels
from backend.teacher.studies import ShardStudies, Studies, Study, open_lines
from tests.backend.replay.games import black_mates, cut_game, white_mates, write

ENGINE = Path(__file__).with_name("teaching_engine.py")
TEACHER = Teacher(engine="Right Hand 3", limit="nodes=1", multipv=3, temperature=0.1, values="sf16")
FENS = (
    "4k3/8/8/8/8/8/4P3/4K3 w - - 0 1",
    "4k3/4p3/8/8/8/8/8/4K3 b - - 0 1",
    "r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 3 9",
    "7k/5Q2/6K1/8/8/8/8/8 w - - 0 1",
)


def _spec(tmp_path: Path, failure: str = "") -> EngineSpec:
    return EngineSpec(
        word="right-hand",
        command=(sys.executable, str(ENGINE), str(tmp_path / "asked"), failure),
        protocol="uci",
        limit=chess.engine.Limit(nodes=1),
        options={},
    )


def _asked(tmp_path: Path) -> list[str]:
    path = tmp_path / "asked"
    return path.read_text().splitlines() if path.exists() else []


@contextmanager
def _labelling(
    tmp_path: Path, *, failure: str = "", hang_s: float = 20.0, share: float = 1.0, limit: int = 0
) -> Iterator[Labelling]:
    folder = tmp_path / "labels"
    folder.mkdir(exist_ok=True)
    engine = TeachingEngine(
        _spec(tmp_path, failure), processes=2, multipv=3, leash=Leash(), hang_s=hang_s
    )
    try:
        labels = Labels(folder, TEACHER, "mover")
        yield Labelling(
            engine,
            labels,
            in_flight=8,
            temperature=0.1,
            orientation="mover",
            share=share,
            limit=limit,
        )
        labels.close()
    finally:
        engine.close()


def _games(tmp_path: Path) -> Studies:
    folder = tmp_path / "games"
    folder.mkdir(exist_ok=True)
    if not list_shards(folder):
        write(folder, [white_mates(), cut_game(), black_mates()])
    return ShardStudies(list_shards(folder))


def _label_lines(tmp_path: Path, labelling: Labelling, lines: tuple[str, ...]) -> LabelTally:
    (tmp_path / "lines.epd").write_text("\n".join(lines))
    with open_lines(str(tmp_path / "lines.epd"), LIMITS) as studies:
        return labelling.run(studies)


def _shards(tmp_path: Path) -> list[Shard]:
    return [read_shard(path) for path in list_shards(tmp_path / "labels")]


def _positions(tmp_path: Path) -> Counter[str]:
    return Counter(
        board_from_position(position).epd()
        for shard in _shards(tmp_path)
        for position in shard.columns["positions"]
    )


def test_games_are_labelled_with_what_the_engine_says_and_keep_how_they_ended(
    tmp_path: Path,
) -> None:
    with _labelling(tmp_path) as work:
        tally = work.run(_games(tmp_path))
    num = len(_asked(tmp_path))
    assert (tally.labelled, tally.refused, tally.share_read) == (num, 0, 1.0)
    assert tally.labelled + tally.known == 7 + 3 + 4, "the start stands in all three games"
    assert max(_positions(tmp_path).values()) == 1
    for shard in _shards(tmp_path):
        (source,) = shard.metadata.sources
        assert (source.kind, source.teacher, shard.metadata.producer) == (
            "teacher",
            TEACHER,
            "teacher",
        )
        columns = shard.columns
        assert set(columns["kind"].tolist()) == {records.TEACHER}
        assert set(columns["value_source"].tolist()) == {records.TARGET_TEACHER}
        assert set(columns["game_outcome"].tolist()) <= {1, records.TRUNCATED}
        for at, position in enumerate(columns["positions"]):
            board = board_from_position(position)
            first, last = columns["policy_offset"][at : at + 2]
            names = {policy_index(board, move, "mover"): move for move in board.legal_moves}
            found = dict(
                zip(
                    columns["policy_index"][first:last],
                    columns["policy_prob"][first:last],
                    strict=True,
                )
            )
            assert found.keys() == names.keys()
            best = names[max(found, key=lambda index: found[index])]
            assert best.to_square % 8 == max(move.to_square % 8 for move in board.legal_moves)
            assert np.count_nonzero(list(found.values())) == min(3, len(names))
            assert columns["value_wdl"][at][0] > columns["value_wdl"][at][2], "the mover's view"


def test_a_second_call_asks_nothing_and_another_share_the_rest(tmp_path: Path) -> None:
    with _labelling(tmp_path, share=0.5) as work:
        first = work.run(_games(tmp_path))
    assert 0 < first.left_out < 14
    with _labelling(tmp_path, share=0.5) as work:
        again = work.run(_games(tmp_path))
    assert again.labelled == 0
    with _labelling(tmp_path) as work:
        rest = work.run(_games(tmp_path))
    assert rest.labelled == 10 - first.labelled, "the start stands in all three games"
    assert max(_positions(tmp_path).values()) == 1
    assert max(Counter(_asked(tmp_path)).values()) == 1


def test_answers_that_were_written_down_before_a_kill_are_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "KEEP_EVERY_S", 0.0)
    with monkeypatch.context() as killed:
        # As a kill leaves it: lines on disk, no shard.
        killed.setattr(Labels, "flush", lambda self: None)
        killed.setattr(Labels, "close", lambda self: self._lines.close())
        with _labelling(tmp_path, limit=6) as work:
            assert work.run(_games(tmp_path)).labelled == 6
    assert list_shards(tmp_path / "labels") == []
    (log,) = (tmp_path / "labels").iterdir()
    log.write_bytes(log.read_bytes()[:-9])  # The last line was torn.
    with _labelling(tmp_path) as work:
        tally = work.run(_games(tmp_path))
    assert tally.resumed == 5
    assert max(_positions(tmp_path).values()) == 1
    assert sorted(Counter(_asked(tmp_path)).values())[-2:] == [1, 2], "the torn one alone"
    assert not log.exists()


@pytest.mark.parametrize("failure", ["crash", "hang", "nonsense"])
def test_an_engine_that_fails_is_replaced_and_the_position_refused(
    tmp_path: Path, failure: str
) -> None:
    with _labelling(tmp_path, failure=f"{failure}:4k3/4p3", hang_s=1.0) as work:
        tally = _label_lines(tmp_path, work, FENS)
    assert (tally.labelled, tally.refused, tally.lost) == (3, 1, 2)
    assert tally.rejects[0][:3] == ("lines.epd", 2, 0)
    assert tally.rejects[0][3].startswith("engine-")
    assert sum(_positions(tmp_path).values()) == 3
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in str(p.info["cmdline"])
    ]


def test_an_engine_that_never_answers_ends_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelling, "HOPELESS", 2)
    with (
        pytest.raises(ReplayError, match="answered none of the last 2 positions"),
        _labelling(tmp_path, failure="nonsense:k") as work,
    ):
        _label_lines(tmp_path, work, FENS)


def test_lines_are_fen_or_epd_and_what_is_neither_is_named(tmp_path: Path) -> None:
    lines = (
        "# remarks are passed over",
        FENS[2],
        '4k3/8/8/8/8/8/4P3/4K3 w - - bm e4; id "one";',
        "nothing of the kind",
        "8/8/8/8/8/8/8/K6K w - - 0 1",
        "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1",
        FENS[3],
    )
    with _labelling(tmp_path) as work:
        tally = _label_lines(tmp_path, work, lines)
    assert tally.labelled == 3
    assert [reject[1] for reject in tally.rejects] == [4, 5, 6]
    ended = {
        (int(outcome), int(result))
        for shard in _shards(tmp_path)
        for outcome, result in zip(
            shard.columns["game_outcome"], shard.columns["game_result"], strict=True
        )
    }
    assert ended <= {(records.TRUNCATED, records.NO_RESULT), (1, records.WHITE_WON), (2, 0)}


def test_what_an_import_holds_out_is_held_out_here_too(tmp_path: Path) -> None:
    fens = [f"4k3/8/8/8/8/8/4P3/4K3 w - - 0 {number}" for number in range(1, 3)]
    fens += [f"4k3/8/8/{n}P{7 - n}/8/8/8/4K3 w - - 0 1" for n in range(1, 7)]
    fens += [f"4k3/8/{n}N{7 - n}/8/8/8/8/4K3 w - - 0 1" for n in range(1, 7)]
    (tmp_path / "x.fen").write_text("\n".join(fens))
    with open_lines(str(tmp_path / "x.fen"), LIMITS) as studies:
        found = [study for study in studies if isinstance(study, Study)]
    assert [s.is_held_out() for s in found] == [is_held_out(task_hash(s.start)) for s in found]
    assert found[0].is_held_out() == found[1].is_held_out(), "clocks are nothing"
    (game, *_) = [study for study in _games(tmp_path) if isinstance(study, Study)]
    moves = np.array(game.moves, np.uint16)
    assert game.is_held_out() == is_held_out(game_hash(game.start, moves))


def test_tasks_of_a_suite_are_held_out_as_their_import_held_them_out(tmp_path: Path) -> None:
    squares = [file + rank for file in "abcdefgh" for rank in "234"]
    boards = [f"7k/8/8/8/{'/'.join(_with_pawn(square))}/4K3 w - -" for square in squares]
    suite = tmp_path / "suite.epd"
    suite.write_text("".join(f"{board} bm Kd1;\n" for board in boards))
    (tmp_path / "imported").mkdir()
    tally = import_pgn([str(suite)], tmp_path / "imported", "mover", kind="epd")
    assert 0 < tally.held_out_games < tally.games == len(boards)
    for path in list_shards(tmp_path / "imported"):
        for study in ShardStudies([path]):
            assert isinstance(study, Study)
            assert study.is_held_out() == path.name.startswith("val-")


def _with_pawn(square: str) -> list[str]:
    """The fourth, third and second rank with one pawn on them."""
    file = "abcdefgh".index(square[0])
    row = f"{file or ''}P{7 - file or ''}"
    return [row if rank == square[1] else "8" for rank in "432"]


def test_a_teacher_must_speak_uci_and_know_more_than_one_line(tmp_path: Path) -> None:
    bad = Path(__file__).parents[1] / "evaluation" / "bad_engine.py"
    spec = EngineSpec(
        word="bad",
        command=(sys.executable, str(bad), "none"),
        protocol="uci",
        limit=chess.engine.Limit(nodes=1),
        options={},
    )
    with pytest.raises(ConfigError, match="tells only its best line; use --multipv 1"):
        TeachingEngine(spec, processes=1, multipv=2, leash=Leash())
