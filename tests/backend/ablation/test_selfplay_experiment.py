"""Arms that learn from their own games: real runs, each for its time, stopped and gone on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.ablation.arms import arms_of
from backend.ablation.play import Arena
from backend.ablation.results import ArmsMatch
from backend.ablation.selfplay import Clock, SelfPlayExperiment, processor_seconds
from backend.checkpoints import read_manifest
from backend.commands import PauseRun
from backend.dialogue import Dialogue
from backend.errors import ConfigError, RunDirectoryError
from backend.rundir import RunDirectory
from backend.settings import build_config
from backend.start import is_started_from
from backend.store.reading import read_only
from tests.backend.fakes.process import ROOT, SUPERVISOR

SECONDS = 4.0
ARMS = arms_of([], ["gumbel:", "puct: search.root=puct"])
BASE = build_config(
    "tiny",
    overrides=[
        "model.channels=16",
        "model.blocks=2",
        "search.simulations=4",
        "selfplay.workers=1",
        "selfplay.games=8",
        "selfplay.max_plies=24",
        "replay.min_positions=100",
        "training.batch_size=16",
        "training.steps_per_cycle=4",
        "evaluation.games=2",
        "evaluation.baseline_games=0",
        "evaluation.max_plies=16",
        "evaluation.parallel_games=2",
        "inference.backend=torch",
        "device.kind=cpu",
    ],
)


def experiment(out: Path, seconds: float = SECONDS, parallel: int = 1) -> SelfPlayExperiment:
    out.mkdir(exist_ok=True)
    return SelfPlayExperiment(out, ARMS, BASE, minutes=seconds / 60, seeds=1, parallel=parallel)


def games_so_far(database: Path) -> tuple[int, int]:
    with read_only(database) as connection:
        query = "SELECT coalesce(sum(games), 0), coalesce(sum(positions), 0) FROM shards"
        games, positions = connection.execute(query).fetchone()
        return games, positions


def in_use(found: SelfPlayExperiment) -> list[RunDirectory]:
    runs = [found.directory(arm, 0) for arm in ARMS]
    return [run for run in runs if run.path.exists() and run.holder() is not None]


@pytest.mark.slow
def test_each_arm_is_at_work_for_its_time_and_an_interrupted_one_for_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = experiment(Path("out"))  # As on a command line.
    shares: list[float] = []

    def hear(what: str, share: float, readings: str) -> None:
        shares.append(share)

    assert not started.train(on_progress=hear, should_stop=lambda: len(shares) >= 1)
    assert in_use(started) == []  # No supervisor is left behind.
    assert started.found() == []

    going_on = experiment(tmp_path / "out")
    assert going_on.train(on_progress=hear, should_stop=lambda: False)
    assert in_use(going_on) == []
    gumbel, puct = (going_on.played(arm, 0) for arm in ARMS)
    assert gumbel is not None
    assert puct is not None
    for played, arm in ((gumbel, ARMS[0]), (puct, ARMS[1])):
        assert SECONDS <= played.seconds < SECONDS + 5
        database = going_on.directory(arm, 0).database
        assert (played.games, played.positions) == games_so_far(database)
        assert going_on.network(arm, 0).is_dir()
        assert going_on.directory(arm, 0).read_config().search.root == arm.name

    arena = Arena(going_on, simulations=4)
    assert arena.compete(2, on_progress=hear, should_stop=lambda: False)
    (match,) = going_on.matches(ARMS[1])
    assert isinstance(match, ArmsMatch)
    assert (match.against, match.wins + match.draws + match.losses) == ("gumbel", 2)

    network = going_on.network(ARMS[0], 0)
    (tmp_path / "later").mkdir()
    later = SelfPlayExperiment(
        tmp_path / "later", ARMS, BASE, minutes=SECONDS / 60, seeds=1, start=network
    )
    before = len(shares)
    assert not later.train(on_progress=hear, should_stop=lambda: len(shares) > before)
    assert is_started_from(later.directory(ARMS[0], 0), read_manifest(network))

    count = len(going_on.results.findings)
    again = experiment(tmp_path / "out")
    assert again.train(on_progress=hear, should_stop=lambda: False)  # At once: all is there.
    assert len(again.results.findings) == count


def with_fake_workers(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Real supervisors, whose workers know no network, so that they are up at once."""

    def start(run: RunDirectory) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, str(SUPERVISOR), str(run.path), "--stays", *words],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    monkeypatch.setattr("backend.ablation.selfplay.start_detached", start)


def test_a_run_whose_worker_is_given_up_ends_it_and_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_fake_workers(monkeypatch, "--fault", "sp0=config")
    broken = experiment(tmp_path / "out")
    with pytest.raises(RunDirectoryError, match="/seed-0: sp0 was given up, see /"):
        broken.train(on_progress=lambda *_: None, should_stop=lambda: False)
    assert in_use(broken) == []
    assert broken.found() == []


@pytest.mark.slow
def test_a_run_that_was_paused_is_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_fake_workers(monkeypatch)
    started = experiment(tmp_path / "out", seconds=3600.0)
    monkeypatch.setattr("backend.ablation.selfplay.LOOK_S", 0.0)

    def pause(what: str, share: float, readings: str) -> None:
        for run in in_use(started):
            with Dialogue(run) as supervisor:
                supervisor.ask(PauseRun())

    with pytest.raises(RunDirectoryError, match="/seed-0: it was paused, see /"):
        started.train(on_progress=pause, should_stop=lambda: False)
    assert in_use(started) == []
    assert started.found() == []


def test_its_time_may_grow_but_not_shrink_and_its_settings_stay(tmp_path: Path) -> None:
    first = experiment(tmp_path)
    experiment(tmp_path, seconds=2 * SECONDS)
    with pytest.raises(ConfigError, match="may only grow"):
        experiment(tmp_path, seconds=SECONDS / 2)
    run = first.directory(ARMS[1], 0)
    run.create()
    run.settle(ARMS[0].config(BASE, 0))
    with pytest.raises(ConfigError, match="other settings"):
        experiment(tmp_path)


def test_the_clock_of_the_processor_counts_the_children_and_stops_with_the_run() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass\n"
    child = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {busy!r}])\n"
    script = f"{child}{busy}print('done', flush=True)\nimport sys; sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        taken = processor_seconds(process.pid)
        assert taken is not None
        assert 0.5 <= taken < 5.0  # Its own time and that of a child that is gone.
        assert processor_seconds(process.pid) == pytest.approx(taken, abs=0.05)  # It waits.
        process.kill()
    assert processor_seconds(process.pid) is None


def test_runs_on_another_clock_are_refused(tmp_path: Path) -> None:
    experiment(tmp_path)
    with pytest.raises(ConfigError, match="on the wall's clock"):
        SelfPlayExperiment(
            tmp_path, ARMS, BASE, minutes=SECONDS / 60, seeds=1, clock=Clock.PROCESSOR
        )


def test_more_runs_at_a_time_than_cores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--parallel 4096: there are"):
        experiment(tmp_path, parallel=4096)
