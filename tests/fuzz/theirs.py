"""Readers of what others write: positions, moves, games, tasks, puzzles, books."""

import datetime
import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from backend.replay.provenance import SourceKind
from tests.fuzz.target import Handler

# Positions and moves ------------------------------------------------------------------------------

FENS: Final = (
    b"rnbqkbnr/pppppppp/8/8/8/8/PPPPPPPP/RNBQKBNR w KQkq - 0 1",
    b"r3k2r/p1ppqpb1/bn2pnp1/3PN3/1p2P3/2N2Q1p/PPPBBPPP/R3K2R w KQkq - 0 1",
    b"rnbqkbnr/ppp1pppp/8/8/3pP3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 3",
    b"8/P6k/8/8/8/8/7p/K7 w - - 99 8191",
    b"bqnbrnkr/pppppppp/8/8/8/8/PPPPPPPP/BQNBRNKR w HEhe - 0 1",
)


def fen(data: bytes) -> object:
    import numpy as np

    from model.rules import MAX_LEGAL_MOVES, from_fen, legal_moves, to_fen

    position = from_fen(data.decode("utf-8", "surrogateescape"))
    legal_moves(position, np.empty(MAX_LEGAL_MOVES, np.uint16))
    text = to_fen(position)
    assert (from_fen(text) == position).all(), text
    return text


def uci_line(data: bytes) -> object:
    from backend.uci.protocol import parse

    return parse(data.decode("utf-8", "replace"))


@cache
def typed() -> tuple[object, ...]:
    import chess

    return (chess.Board(), *(chess.Board(fen.decode()) for fen in FENS[1:4]))


def entry(data: bytes) -> object:
    from backend.play.entry import completions, read_move

    text = data.decode("utf-8", "replace")
    for board in typed():
        completions(board, text)  # type: ignore[arg-type]
    return read_move(typed()[len(text) % 4], text)  # type: ignore[arg-type]


def entry_refusals() -> tuple[type[Exception], ...]:
    from backend.play.entry import EntryError

    return (EntryError,)


def uci_refusals() -> tuple[type[Exception], ...]:
    from backend.uci.protocol import ProtocolError

    return (ProtocolError,)


# Files of games, tasks and openings ---------------------------------------------------------------

PGN: Final = (
    b'[Event "a"]\n[White "x"]\n[Black "y"]\n[Result "1-0"]\n\n'
    b"1. e4 {[%eval 0.17] [%clk 0:10:00]} e5 (1... c5 2. Nf3 (2. c3 d5) d6) 2. Qh5 $1 Nc6 "
    b"3. Bc4 Nf6?? ; a remark\n4. Qxf7# 1-0\n\n"
    b'[Event "b"]\n[SetUp "1"]\n[FEN "8/P6k/8/8/8/8/7p/K7 w - - 0 1"]\n[Result "*"]\n\n'
    b"1. a8=Q h1=N+ 2. Ka2 *\n",
    b"1. d4 d5 2. c4 e6 3. O-O 1/2-1/2\n\n1. e4 e5 1/2-1/2\n\n1. f3 e5 2. g4 Qh4# 0-1\n",
)


def pgn_reader(data: bytes) -> object:
    from backend.replay.pgn import PgnFile

    raw = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
    return list(PgnFile("fuzz.pgn", raw, len(data)).games())


def import_reader(kind: SourceKind) -> Callable[[Path], AbstractContextManager[Handler]]:
    @contextmanager
    def opened(folder: Path) -> Iterator[Handler]:
        from backend.replay.imports import import_pgn

        numbers = itertools.count()

        def handle(data: bytes) -> object:
            path, into = folder / "games", folder / f"run{next(numbers)}"
            path.write_bytes(data)
            into.mkdir()
            try:
                tally = import_pgn([str(path)], into, "mover", kind=kind)
                left = {entry.name for entry in into.iterdir()}
                assert not any(".tmp." in name for name in left), left
                assert tally.games or not left - {"rejects.tsv"}, left
            finally:
                for entry in into.iterdir():
                    entry.unlink()
                into.rmdir()
            return tally

        yield handle

    return opened


def verify(path: Path) -> object:
    from backend.evaluation.verify import verify_pgn

    return verify_pgn(path)


@contextmanager
def archive(folder: Path) -> Iterator[Handler]:
    """What the screen of games makes of a match file."""
    from tui.archive import stored_games
    from tui.replayed import load

    path = folder / "games" / "match-x.pgn"
    path.parent.mkdir()

    def handle(data: bytes) -> object:
        path.write_bytes(data)
        for entry in stored_games(folder)[:2]:
            load(entry, folder)
        return None

    yield handle


def saved_game(data: bytes) -> object:
    from backend.play.game import read_pgn

    return read_pgn(data.decode("utf-8", "replace"), "a file").to_pgn(
        human="you", event="x", today=datetime.date(2026, 1, 1)
    )


@contextmanager
def match_log(folder: Path) -> Iterator[Handler]:
    from backend.evaluation.matchlog import MatchLog
    from backend.evaluation.openings import random_openings

    openings = random_openings(2, 2, seed=1)
    path = folder / "match-in-progress-x.jsonl"

    def handle(data: bytes) -> object:
        path.write_bytes(data)
        with MatchLog(path, "x", openings) as log:
            return log.finished

    yield handle


@cache
def match_log_seeds() -> tuple[bytes, ...]:
    import tempfile

    from backend.evaluation.match import play_match
    from backend.evaluation.matchlog import MatchLog
    from backend.evaluation.openings import random_openings
    from backend.evaluation.players import RandomPlayer

    openings = random_openings(2, 2, seed=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        with MatchLog(path, "x", openings) as log:
            players = RandomPlayer(1), RandomPlayer(2)
            play_match(*players, openings, max_plies=8, slots=4, on_game=log.hear)
        return (path.read_bytes(),)


PUZZLES: Final = (
    b"PuzzleId,FEN,Moves,Rating,RatingDeviation,Popularity,NbPlays,Themes,GameUrl,OpeningTags\r\n"
    b"00008,r6k/pp2r2p/4Rp1Q/3p4/8/1N1P2R1/PqP2bPP/7K b - - 0 24,f2g3 e6e7 b2b1 b3c1 b1c1 h6c1,"
    b"1807,75,95,8262,crushing hangingPiece long,https://lichess.org/787zsVup/black#48,\r\n"
    b"0000D,5rk1/1p3ppp/pq3b2/8/8/1P1Q1N2/P4PPP/3R2K1 w - - 2 27,d3d6 f8d8 d6d8 f6d8,1480,73,97,"
    b'31530,"advantage, endgame",https://lichess.org/F8M8OS71#53,\r\n',
)


def puzzles(path: Path) -> object:
    from backend.replay.puzzles import read_puzzles

    return list(read_puzzles(path))


EPD: Final = (
    b'1k1r4/pp1b1R2/3q2pp/4p3/2B5/4Q3/PPP2B2/2K5 b - - bm Qd1+; id "BK.01";\n'
    b'# a remark\n\n3r1k2/4npp1/1ppr3p/p6P/P2PPPP1/1NR5/5K2/2R5 w - - bm d5; c0 "d5=10, Kf3=2";\n'
    b'8/P6k/8/8/8/8/7p/K7 w - - am a8=N; acd 3; ce 12; pv a8=Q h1=Q; id "STS(v1.0) X.001";\n',
)


def epd_reader(path: Path) -> object:
    from backend.evaluation.epd import read_epd

    return list(read_epd(path))


def book(path: Path) -> object:
    from backend.replay.book import read_book

    return read_book(path, 8)


@cache
def polyglot_seeds() -> tuple[bytes, ...]:
    """A book of three moves, with an entry for the start that would go nowhere."""
    import chess
    import chess.polyglot

    board, entries = chess.Board(), b""
    for uci in ("e2e4", "e7e5", "g1f3"):
        move = chess.Move.from_uci(uci)
        raw = move.to_square | move.from_square << 6
        key = chess.polyglot.zobrist_hash(board)
        entries += key.to_bytes(8, "big") + raw.to_bytes(2, "big") + b"\0\x01\0\0\0\0"
        board.push(move)
    whole = [entries[at : at + 16] for at in range(0, len(entries), 16)]
    return b"".join(sorted(whole)), b"".join(
        sorted([*whole, whole[0][:8] + b"\x0f\xff" + b"\1" * 6])
    )


def polyglot(path: Path) -> object:
    from backend.evaluation.openings import book_openings

    return book_openings(path, 2, 3, 0)


# Checkpoints of the earlier program ---------------------------------------------------------------


@cache
def pickle_seeds() -> tuple[bytes, ...]:
    """In both of torch's formats."""
    import torch

    content = {"global_step": 3, "model_state_dict": {"a": torch.ones(2, 3), "b": torch.ones(1)}}
    seeds = []
    for is_zip in (True, False):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
        seeds.append(buffer.getvalue())
    return tuple(seeds)


@contextmanager
def pickles(folder: Path) -> Iterator[Handler]:
    """As the process does that reads them."""
    from backend.unpickling import convert

    def handle(data: bytes) -> object:
        path = folder / "v2.pt"
        path.write_bytes(data)
        return convert(path, folder / "out.safetensors", raw=False, most_bytes=1 << 24)

    yield handle
