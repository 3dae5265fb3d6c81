"""The table of targets. A target says what its reader may raise: for most that is Matrix0Error;
readers of single lines have their own refusal, which their callers answer.
"""

from typing import Final

from backend.evaluation import leash
from tests.fuzz import engines, ours, theirs
from tests.fuzz.target import ROOT, Target, on_bytes, on_file, one_line, words

TARGETS: Final = {
    target.name: target
    for target in (
        Target(
            name="fen",
            open=on_bytes(theirs.fen),
            seeds=lambda: theirs.FENS,
            tokens=words("KQkq - w b e3 e6 0 1 8/8 HAha 11 p P k K"),
            refusals=(ValueError,),
            share=40,
            longest=4096,
        ),
        Target(
            name="pgn",
            open=on_bytes(theirs.pgn_reader),
            seeds=lambda: theirs.PGN,
            tokens=words(
                '1-0 0-1 1/2-1/2 * O-O-O e8=Q+ Nbxd7 $255 (( )) [FEN " ]\n\n -- 1... e.p.'
            ),
            share=30,
        ),
        Target(
            name="import",
            open=theirs.import_reader("pgn"),
            seeds=lambda: theirs.PGN,
            tokens=words("1-0 0-1 * O-O {book} {[%eval nan]} {[%eval 0.3]} {[%eval #-2]}"),
        ),
        Target(
            name="import-puzzles",
            open=theirs.import_reader("puzzles"),
            seeds=lambda: theirs.PUZZLES,
            tokens=words('PuzzleId FEN Moves Themes "" ,, 4001 a7a8q 0000 e1g1 mateIn1'),
        ),
        Target(
            name="import-epd",
            open=theirs.import_reader("epd"),
            seeds=lambda: theirs.EPD,
            tokens=words('bm am c0 c7 c8 c9 ce dm Qd1=10 "10 2" 99999 -32768 0'),
        ),
        Target(
            name="verify",
            open=on_file("match.pgn", theirs.verify),
            seeds=lambda: theirs.PGN,
            tokens=words('1-0 * [Termination {opening} "checkmate" (( )) --'),
            share=2,
            longest=16_384,
        ),
        Target(
            name="archive", open=theirs.archive, seeds=lambda: theirs.PGN, share=2, longest=16_384
        ),
        Target(
            name="saved-game",
            open=on_bytes(theirs.saved_game),
            seeds=lambda: theirs.PGN,
            tokens=words("{V +0.12} {V nan} [Variant Chess960 (( ))"),
            share=2,
            longest=16_384,
        ),
        Target(
            name="match-log",
            open=theirs.match_log,
            seeds=theirs.match_log_seeds,
            tokens=words('"crc32": "said": null [] {}'),
            share=1,
        ),
        Target(
            name="puzzles",
            open=on_file("puzzles.csv", theirs.puzzles),
            seeds=lambda: theirs.PUZZLES,
            tokens=words('PuzzleId FEN Moves Rating "" ,, 4001 a7a8q 0000 e1g1'),
            share=8,
        ),
        Target(
            name="epd",
            open=on_file("suite.epd", theirs.epd_reader),
            seeds=lambda: theirs.EPD,
            tokens=words('bm am id c0 pv ;; hmvc fmvn Qd1=10 "=" acd dm 1e999'),
            share=8,
        ),
        Target(
            name="book",
            open=on_file("book.epd", theirs.book),
            seeds=lambda: (*theirs.EPD, *(fen + b"\n" for fen in theirs.FENS)),
            tokens=words("KQkq - w b e3 hmvc fmvn"),
            share=6,
        ),
        Target(
            name="polyglot",
            open=on_file("book.bin", theirs.polyglot),
            seeds=theirs.polyglot_seeds,
            share=6,
        ),
        Target(
            name="shard",
            open=ours.shard_reader,
            seeds=ours.shard_seeds,
            tokens=words("F32 I64 U8 BF16"),
            share=4,
        ),
        Target(name="pickle", open=theirs.pickles, seeds=theirs.pickle_seeds, share=4),
        Target(
            name="manifest",
            open=ours.manifest_reader,
            seeds=lambda: (ours.checkpoint_seed()[0],),
            tokens=words('null true {} [] "schema" 1e400 "../x"'),
            share=4,
        ),
        Target(
            name="manifest-2",
            open=ours.manifest_reader,
            seeds=lambda: (ours.checkpoint_seed()[0],),
            tokens=words('null true {} [] "schema" 1e400 "../x"'),
            repair=ours.with_checksum,
            share=4,
        ),
        Target(
            name="weights",
            open=ours.weights_reader,
            seeds=lambda: (ours.checkpoint_seed()[1],),
            tokens=words('F64 BF16 F8_E4M3 "shape" data_offsets [0,0] __metadata__'),
            share=4,
        ),
        Target(
            name="config",
            open=on_file("config.toml", ours.config_reader),
            seeds=lambda: (
                (ROOT / "config.toml").read_bytes(),
                b'seed = 3\n[search]\nsimulations = 32\n[selfplay]\ngames = "auto"\n',
            ),
            tokens=words("[search] [[x]] true nan inf 1979-05-27 '''x \"\"\" a.b.c 0b1 [ ]"),
            share=2,
        ),
        Target(
            name="override",
            open=on_bytes(ours.override),
            seeds=lambda: (b"search.simulations=32", b"device.kind=cpu", b"seed=3"),
            tokens=words('= . true nan [1] {a=1} 1979-05-27 "x"'),
            repair=one_line,
            share=20,
            longest=2048,
        ),
        Target(
            name="journal",
            open=on_file("journal.jsonl", ours.journal),
            seeds=ours.journal_seeds,
            tokens=words('"crc32": "entry": {} null'),
            share=1,
        ),
        Target(
            name="messages",
            open=on_bytes(ours.messages),
            seeds=ours.message_seeds,
            tokens=words('"type": null {} [] "request" "event" "Polish" 1e400 \\ud800 \\u001b'),
            share=120,
            longest=16_384,
        ),
        Target(
            name="uci-engine",
            open=engines.listener(leash.Uci),
            seeds=lambda: engines.UCI,
            tokens=words("info score cp mate wdl pv nodes bestmove (none) 0000 option type id"),
            share=6,
            longest=16_384,
        ),
        Target(
            name="xboard-engine",
            open=engines.listener(leash.XBoard),
            seeds=lambda: engines.XBOARD,
            tokens=words('feature done=0 move resign tellusererror Illegal Error M- -spin "" pong'),
            share=6,
            longest=16_384,
        ),
        Target(
            name="uci",
            open=on_bytes(theirs.uci_line),
            seeds=lambda: (
                b"position startpos moves e2e4 e7e5",
                b"go wtime 1000 btime 1000 winc 10 binc 10 movestogo 40 searchmoves e2e4",
                b"setoption name Hash value 128",
            ),
            tokens=words("position fen startpos moves go infinite ponder setoption name value"),
            refusals=theirs.uci_refusals(),
            repair=one_line,
            share=60,
            longest=8192,
        ),
        Target(
            name="entry",
            open=on_bytes(theirs.entry),
            seeds=lambda: (b"e4", b"Nf3", b"e2e4", b"O-O-O", b"exd8=Q+", b"a7a8q"),
            tokens=words("x + # = e.p. 0-0 Q N 8 1"),
            refusals=theirs.entry_refusals(),
            repair=one_line,
            share=3,
            longest=256,
        ),
    )
}
