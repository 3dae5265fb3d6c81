"""What a fleet's games cost the machine that takes them in: the parameters of the model.

    python bench/fleet.py                 games as `tiny` plays them before it has learned
    python bench/fleet.py --run runs/X    games of a run: copies of its newest shards

Each shard is committed as the relay does it, and admitted as the supervisor does it: read and
hashed, every game replayed by the referee, recorded in the database and in the PGN file. Processor
time, since others may be at work, except where a disk is waited for. What follows from the figures
for 10 to 100,000 workers stands in docs/design/.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from _table import Row, options, show

from backend.commit import commit_file
from backend.events import Heartbeat
from backend.fold import fold
from backend.recovery import open_ledger, recover
from backend.replay.admission import admit
from backend.replay.shards import ShardWriter, list_shards
from backend.rundir import RunDirectory
from backend.search.evaluator import uniform
from backend.selfplay.games import SelfPlay
from backend.settings import build_config
from backend.state import RunState
from model.net import ChessNet

NUM_GAMES = 128
PRESETS = ("tiny", "small", "flagship")


def play(folder: Path) -> None:
    """Games of a network that knows nothing, a shard for those that end with the same move."""
    config = build_config("tiny", None, [f"selfplay.games={NUM_GAMES}"])
    games = SelfPlay(config.selfplay, config.search, uniform, orientation="mover", seed=0)
    writer = ShardWriter(folder, "sp-bench", producer="bench", orientation="mover")
    written = 0
    while written < NUM_GAMES:
        if ended := games.step():
            writer.write(ended)
            written += len(ended)


async def take_in(shards: list[tuple[str, bytes]], run: RunDirectory) -> list[Row]:
    """Commits and admits them in a new run: the rates of both, and of the referee alone."""
    began = time.perf_counter()
    for name, content in shards:
        commit_file(run.replay / name, content)
    commit_s = time.perf_counter() - began
    began = time.process_time()
    for name, _ in shards:
        admit(run.replay / name)
    referee_s = time.process_time() - began
    config = build_config("tiny", None, [])
    empty = RunDirectory(run.path.with_name("empty"))
    empty.create()
    ledger, journal, remarks = await open_ledger(empty)
    try:
        intake = (await recover(empty, config, ledger, remarks)).intake
        for name, content in shards:
            commit_file(empty.replay / name, content)
        began, began_work = time.perf_counter(), time.process_time()
        events = [await intake.admit(name) for name, _ in shards]
        admission_s = time.process_time() - began_work
        waited_s = time.perf_counter() - began
    finally:
        await ledger.store.close()
        journal.close()
    assert None not in events, "one of its shards is refused"
    games = sum(event.games for event in events if event)
    positions = sum(event.positions for event in events if event)
    return rows_of(shards, games, positions, commit_s, referee_s, admission_s, waited_s)


def rows_of(
    shards: list[tuple[str, bytes]],
    games: int,
    positions: int,
    commit_s: float,
    referee_s: float,
    admission_s: float,
    waited_s: float,
) -> list[Row]:
    num_bytes = sum(len(content) for _, content in shards)
    found = [
        Row(what="a shard holds", value=games / len(shards), unit="games"),
        Row(what="a game gives", value=positions / games, unit="positions"),
        Row(what="a game is", value=num_bytes / games, unit="bytes"),
        Row(
            what="committed by the relay",
            value=len(shards) / commit_s,
            unit="shards/s",
        ),
        Row(
            what="replayed by the referee alone, by one core",
            value=games / referee_s,
            unit="games/s",
        ),
        Row(what="admission of a game", value=1000 * admission_s / games, unit="CPU ms"),
        Row(what="admitted by one core", value=games / admission_s, unit="games/s"),
        Row(what="admitted by the clock on the wall", value=games / waited_s, unit="games/s"),
    ]
    for preset in PRESETS:
        net = ChessNet(build_config(preset, None, []).model)
        size = 4 * sum(weight.numel() for weight in net.state_dict().values())
        found.append(Row(what=f"a network of {preset}, sent", value=size / 1e6, unit="MB"))
    for workers in (10, 1_000, 10_000):
        what = f"a sign of life, of {workers:,} workers"
        found.append(Row(what=what, value=telling(workers), unit="CPU us"))
    return found


def telling(workers: int) -> float:
    """Microseconds of the supervisor for one sign of life, in a run of so many workers."""
    state = RunState()
    beats = [Heartbeat(worker=f"sp{n}", phase="playing", rss_mib=500.0) for n in range(workers)]
    for beat in beats:
        state = fold(state, beat)
    began, done = time.process_time(), 0
    while time.process_time() - began < 0.3:
        fold(state, beats[done % workers])
        done += 1
    return 1e6 * (time.process_time() - began) / done


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--run", type=Path, help="whose shards; default: play some")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "played"
        source.mkdir()
        if given.run is None:
            play(source)
        else:
            source = RunDirectory(given.run).replay
        newest = list_shards(source, "sp-")[-NUM_GAMES:]
        shards = [(path.name, path.read_bytes()) for path in newest]
        run = RunDirectory(Path(folder) / "run")
        run.create()
        show("A fleet's games at home", asyncio.run(take_in(shards, run)), parser)


if __name__ == "__main__":
    main()
