"""PGN as it is found: every game is read whole or refused with a reason, and memory stays small."""

import gzip
import io
import sys
import time
import tracemalloc
from pathlib import Path

import chess
import chess.pgn
import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import ReplayError
from backend.limits_config import LIMITS
from backend.replay import records
from backend.replay.pgn import PgnFault, PgnFile, PgnGame, open_pgn
from model.rules import move_to_uci

DATA = Path(__file__).resolve().parents[2] / "data"
HOSTILE = DATA / "hostile"
MATE = "1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# 1-0\n"

GAME_BYTES = LIMITS.game_kib << 10


def _read(text: str | bytes) -> list[PgnGame | PgnFault]:
    content = text.encode() if isinstance(text, str) else text
    return list(PgnFile("x", io.BufferedReader(io.BytesIO(content)), len(content)).games())


def _game(text: str) -> PgnGame:
    (game,) = _read(text)
    assert isinstance(game, PgnGame), game
    return game


def _reason(text: str | bytes) -> str:
    (fault,) = _read(text)
    assert isinstance(fault, PgnFault), fault
    return fault.reason


def _outline(name: str) -> list[str]:
    """'game' or the reason for each game of a hostile file."""
    with open_pgn(str(HOSTILE / f"{name}.pgn")) as file:
        found = list(file.games())
    assert [item.number for item in found] == list(range(1, len(found) + 1))
    return [item.reason if isinstance(item, PgnFault) else "game" for item in found]


@pytest.mark.parametrize(
    ("name", "outline"),
    [
        ("ambiguous_move", ["ply 4: ambiguous san: 'Nd2'"]),
        ("bad_evals", ["game"]),
        ("bad_fen_tag", ["its FEN tag is wrong: ", "game"]),
        ("deep_variations", ["game"]),
        ("empty", ["there is no game in this file"]),
        ("illegal_move", ["game", "ply 2: illegal san: 'Ke3'", "game"]),
        ("no_moves", ["it has no moves", "game"]),
        ("open_comment", ["a comment that never closes", "game"]),
        ("result_mismatch", ["the tag says 1-0, behind the moves stands another result"]),
        ("truncated", ["game", "ply 4: invalid san: 'Bb'"]),
        ("unfinished", ["game"]),
        ("utf16", ["UTF-16 text; save it as UTF-8"]),
        ("variant", ["variant 'Atomic' is not standard chess", "game"]),
    ],
)
def test_a_hostile_file_gives_its_good_games_and_a_reason_for_each_bad_one(
    name: str, outline: list[str]
) -> None:
    found = _outline(name)
    assert len(found) == len(outline)
    for reason, start in zip(found, outline, strict=True):
        assert reason.startswith(start)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1. e4 e5", "it stops without a result"),
        ("1. e4 e5 1-0 2. Nf3", "'Nf3' follows the result"),
        ("1. e4 e5 1-0 0-1", "it has two results"),
        ("1. e4 -- 2. d4 1-0", "ply 1: a null move"),
        ("1. e4 (1. d4 d5 1-0", "a variation that never closes"),
        ("1. e4 ) e5 1-0", "a ')' that closes nothing"),
        ("1. e4 } e5 1-0", "a '}' that closes nothing"),
        ("1. e4 e5 2. Qe7 1-0", "ply 2: illegal san: 'Qe7'"),
        ("1. e4 gibberish 1-0", "ply 1: invalid san: 'gibberish'"),
        ('[FEN "8/8/8/8/8/8/8/8 w - - 0 1"]\n\n1. e4 1-0', "its FEN tag is no legal position"),
        (
            '[FEN "1r2k3/8/8/8/8/8/8/1R2K3 w B - 0 1"]\n\n1. Rc1 1-0',
            "its FEN tag has castling rights of Chess960",
        ),
        (b"1. e4 \x00 e5 1-0", "binary data, not text"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str | bytes, reason: str) -> None:
    assert _reason(text).startswith(reason)


def test_a_game_is_read_move_by_move() -> None:
    game = _game(f'[Event "a "quoted" name"]\n[Result "1-0"]\n\n{MATE}')
    assert game.result == records.WHITE_WON
    assert game.final.is_checkmate()
    assert len(game.moves) == 7
    assert move_to_uci(game.start, game.moves[0]) == "e2e4"


@pytest.mark.parametrize(
    "text",
    [
        "1.e4 e5 2.Nf3 Nc6 3.Bc4 Bc5 4.0-0 Nf6 1/2-1/2",
        "1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. 0-0 Nf6 1/2-1/2",
        "1. e4! e5?! 2. Nf3 $1 Nc6 3. Bc4 ; remark 4. a4\nBc5 4. O-O Nf6 1/2-1/2",
        "1. e4 {a {strange} e5 2. Nf3 2... Nc6 (2... d6 3. d4 (3. Bc4)) 3. Bc4 Bc5\n"
        "% escaped 1-0\n4. O-O 4... Nf6 1/2-1/2",
        "e4 e5 Nf3 Nc6 Bc4 Bc5 O-O Nf6 1/2-1/2",
    ],
)
def test_the_main_line_is_found_among_everything_else(text: str) -> None:
    game = _game(text)
    assert game.final.fen().startswith("r1bqk2r/pppp1ppp/2n2n2/2b1p3/2B1P3/5N2/PPPP1PPP/RNBQ1RK1 w")
    assert game.moves[6] == 4 | 7 << 6, "the king takes the rook"
    assert game.result == records.DRAW


def test_moves_of_a_book_are_marked() -> None:
    assert _game("1. e4 {book} e5 {book, mb=+0} 2. Nf3 {bookish} Nc6 1-0").book == {0, 1}
    assert _game("1. e4 (1. d4 {book}) e5 1-0").book == frozenset()


def test_games_without_tags_end_at_an_empty_line() -> None:
    found = _read(f"% made by a program\n\n{MATE}\n1. d4 d5 *\n\n; the end\n")
    assert [item.number for item in found] == [1, 2]
    assert all(isinstance(item, PgnGame) for item in found)


def test_empty_lines_among_the_moves_of_a_tagged_game_do_not_cut_it() -> None:
    assert len(_game('[Event "a"]\n\n1. e4 e5\n\n2. Nf3 Nc6\n\n1-0\n').moves) == 4


def test_latin_1_and_windows_line_ends_are_read() -> None:
    content = f'[White "Gr\xfcnfeld"]\r\n[Result "1-0"]\r\n\r\n{MATE}'.encode("latin-1")
    (game,) = _read(content)
    assert isinstance(game, PgnGame)


def test_a_text_of_one_game_that_is_too_large_is_refused_and_the_next_is_read() -> None:
    huge = f'[Event "a"]\n\n1. e4 {{{"x" * GAME_BYTES}}} e5 1-0\n\n[Event "b"]\n\n{MATE}'
    first, second = _read(huge)
    assert isinstance(first, PgnFault)
    assert "larger than 1024 KiB" in first.reason
    assert isinstance(second, PgnGame)


def test_a_comment_of_a_megabyte_is_read() -> None:
    assert len(_game(f"1. e4 {{{'x' * 1_000_000}}} e5 1-0").moves) == 2


@pytest.mark.parametrize("filler", ["{}", "()", "$1 ", "; \n", "{book}"])
def test_a_megabyte_of_remarks_takes_seconds_not_hours(filler: str) -> None:
    text = "1. e4 " + filler * (1_000_000 // len(filler)) + " e5 1-0"
    assert len(_game(text).moves) == 2


@pytest.mark.parametrize("word", ["9" * 500_000 + "x", ".9" * 250_000])
def test_a_word_of_half_a_megabyte_is_refused_at_once(word: str) -> None:
    began = time.process_time()
    assert _reason(f"1. e4 {word} 1-0").startswith("ply ")
    assert time.process_time() - began < 1


def test_a_megabyte_of_variations_is_refused() -> None:
    assert "words in variations" in _reason("1. e4 " + "(e4)" * 250_000 + " e5 1-0")


def test_a_game_of_too_many_plies_is_refused() -> None:
    shuffle = "Nf3 Nf6 Ng1 Ng8 " * 300
    assert _reason(f"{shuffle} 1/2-1/2") == "it is longer than 1024 plies"


@pytest.mark.parametrize("suffix", ["pgn", "pgn.gz", "pgn.zst"])
def test_compressed_files_are_told_apart_by_their_content(tmp_path: Path, suffix: str) -> None:
    text = (MATE + "\n").encode() * 40
    content = {
        "pgn": text,
        "pgn.gz": gzip.compress(text),
        "pgn.zst": zstandard.compress(text[:900]) + zstandard.compress(text[900:]),
    }[suffix]
    path = tmp_path / f"games.{suffix}"
    path.write_bytes(content)
    with open_pgn(str(path)) as file:
        assert len(list(file.games())) == 40
        assert file.share_read() == 1.0


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_damaged_archive_gives_what_came_before_the_damage(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    remarks = ["".join(chr(97 + letter) for letter in rng.integers(0, 26, 60)) for _ in range(4000)]
    text = "".join(f"1. e4 {{{remark}}} e5 1-0\n\n" for remark in remarks).encode()
    content = bytearray(gzip.compress(text) if suffix == "gz" else zstandard.compress(text))
    content[-9:] = b"\xff" * 9
    content[len(content) // 2] ^= 0xFF
    path = tmp_path / f"games.pgn.{suffix}"
    path.write_bytes(content)
    with open_pgn(str(path)) as file:
        *games, last = file.games()
    assert isinstance(last, PgnFault)
    assert last.number == len(games) + 1


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BufferedReader(io.BytesIO(MATE.encode()))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))
    with open_pgn("-") as file:
        (game,) = file.games()
        assert file.share_read() is None
    assert isinstance(game, PgnGame)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = open_pgn(str(tmp_path / "nowhere.pgn"))
    with pytest.raises(ReplayError, match=r"nowhere.pgn: cannot be read: No such file"), missing:
        pass


@pytest.mark.parametrize("name", ["games_ci.pgn", "lichess_2025-05_sample.pgn"])
def test_real_games_are_read_as_python_chess_reads_them(name: str) -> None:
    path = DATA / "games" / name
    with open_pgn(str(path)) as file, path.open(encoding="utf-8") as text:
        for ours in file.games():
            theirs = chess.pgn.read_game(text)
            assert isinstance(ours, PgnGame)
            assert theirs is not None
            assert ours.final.fen() == theirs.end().board().fen()
            assert len(ours.moves) == theirs.end().ply()
        assert chess.pgn.read_game(text) is None


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pgn.zst"
    path.write_bytes(zstandard.compress(b" " * 100_000_000 + b"1. e4 e5 1-0\n"))
    tracemalloc.start()
    try:
        with open_pgn(str(path)) as file:
            (fault,) = file.games()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(fault, PgnFault)
    assert "larger than" in fault.reason
    assert peak < 16 * GAME_BYTES


@settings(max_examples=150)
@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(junk: bytes) -> None:
    for found in _read(f'[Event "a"]\n\n{MATE}\n'.encode() + junk):
        assert isinstance(found, PgnGame | PgnFault)


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(
            [
                "e4",
                "Nf3",
                "{",
                "}",
                "(",
                ")",
                ";",
                "\n",
                "\n\n",
                "1-0",
                "*",
                '[Event "a"]\n',
                "%",
                "$",
                "0-0",
                "12...",
                "..",
                '"',
                "\\",
            ]
        )
    )
)
def test_no_order_of_tokens_makes_it_fail(tokens: list[str]) -> None:
    assert all(isinstance(found, PgnGame | PgnFault) for found in _read(" ".join(tokens)))
