"""A labeller: one engine process somewhere, which answers pieces of positions.

Pieces come on stdin and answers go out on stdout. It keeps nothing, and ends with its stdin.
"""

import os
import sys
from pathlib import Path

import chess
import msgspec

from backend.errors import ConfigError, ExitCode
from backend.evaluation.engines import parse_engine
from backend.evaluation.leash import Leash
from backend.processes import end_with_parent
from backend.rundir import RunDirectory
from backend.teacher.engine import RefusedPosition, TeachingEngine
from backend.teacher.words import Answer, Answered, Hello, Piece, Said, Sorry
from backend.text import clean


def main(run: Path, engine: str, multipv: int) -> int:
    """Until the end of stdin; the exit code."""
    end_with_parent()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(word: Said) -> None:
        out.write(msgspec.json.encode(word) + b"\n")
        out.flush()

    directory = RunDirectory(run)
    leash = Leash(limits=directory.read_config().limits, logs=directory.logs)
    try:
        teaching = TeachingEngine(parse_engine(engine), processes=1, multipv=multipv, leash=leash)
    except ConfigError as error:
        say(Sorry(reason=clean(str(error), 300)))
        return error.exit_code
    try:
        say(Hello(version=teaching.version, tells_wdl=teaching.tells_wdl))
        for line in sys.stdin.buffer:
            piece = msgspec.json.decode(line, type=Piece)
            answers = tuple(_answer(teaching, fen) for fen in piece.fens)
            say(Answered(number=piece.number, answers=answers, lost=teaching.num_lost))
    finally:
        teaching.close()
    return ExitCode.DONE


def _answer(teaching: TeachingEngine, fen: str) -> Answer:
    try:
        return Answer(lines=tuple(teaching.ask(chess.Board(fen, chess960=True)).result()))
    except RefusedPosition as refused:
        return Answer(refused=clean(str(refused), 200))
