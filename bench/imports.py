"""A PGN into shards, against the same games read and played again with plain python-chess.

    python bench/imports.py [FILE.pgn]

Without FILE the sixty games of the tests: few, but at hand. Processor time of this process, since
others may be at work; memory as it was at most.
"""

import io
import resource
import sys
import tempfile
import time
from pathlib import Path

import chess.pgn
from _table import Row, options, show

from backend.replay.imports import import_pgn
from backend.replay.pgn import game_texts

GAMES = Path(__file__).resolve().parents[1] / "tests" / "data" / "games" / "games_ci.pgn"
PLAIN_BYTES = 1 << 20
"""Of text that python-chess is given: more of the same takes as long for each game."""


def plain_replay(text: str) -> tuple[int, int]:
    """Games and plies: every game read, then its moves played on a board."""
    stream = io.StringIO(text)
    games = plies = 0
    while (game := chess.pgn.read_game(stream)) is not None:
        board = game.board()
        for move in game.mainline_moves():
            board.push(move)
            plies += 1
        games += 1
    return games, plies


def sample(path: Path, most_bytes: int) -> str:
    """Games from all over the file, so many bytes of them."""
    every = max(1, path.stat().st_size // most_bytes)
    with path.open("rb") as raw:
        texts = [t for n, t in enumerate(game_texts(raw)) if t is not None and n % every == 0]
    return b"".join(texts).decode("utf-8", "replace")


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=GAMES)
    asked = parser.parse_args()
    size = asked.file.stat().st_size
    with tempfile.TemporaryDirectory(prefix="matrix0-bench-") as folder:
        import_pgn([str(GAMES)], Path(folder), "mover")  # Compiles, or loads what is compiled.
    with tempfile.TemporaryDirectory(prefix="matrix0-bench-") as folder:
        before = _peak_mib()
        began = time.process_time()
        tally = import_pgn([str(asked.file)], Path(folder), "mover")
        took_s = time.process_time() - began
        grown_mib = _peak_mib() - before
    text = sample(asked.file, PLAIN_BYTES)
    began = time.process_time()
    games, plies = plain_replay(text)
    plain_s = time.process_time() - began
    against = f"python-chess, read and replayed: {games:,} games, {plies / plain_s:,.0f} plies/s"
    rows = [
        Row(
            what=f"{size / 2**20:.0f} MiB, {tally.games:,} games, {tally.positions:,} positions",
            value=size / 2**20 / took_s,
            unit="MiB/s",
            baseline=len(text.encode()) / 2**20 / plain_s,
            against=against,
        ),
        Row(
            what="positions into shards",
            value=tally.positions / took_s,
            unit="positions/s",
            baseline=plies / plain_s,
            against="python-chess",
        ),
        Row(what="known already, or refused", value=tally.duplicates + tally.rejected, unit=""),
        Row(what="memory at most, beyond that before the first game", value=grown_mib, unit="MiB"),
    ]
    show("Import of PGN, one core", rows, parser)


def _peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main()
