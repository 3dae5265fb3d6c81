"""Arms trained on real games: alike where they should be, resumable, never mixed up."""

from collections.abc import Callable
from pathlib import Path

import pytest

from backend.ablation.arms import Arm, arms_of
from backend.ablation.comparison import compare
from backend.ablation.experiment import Budget, Experiment
from backend.ablation.play import Arena, PuzzleSet
from backend.ablation.results import ArmsMatch, HeldOut, Puzzles, Results
from backend.errors import ConfigError, ReplayError
from backend.replay.imports import import_pgn
from backend.rundir import RunDirectory
from backend.settings import build_config

GAMES = Path(__file__).resolve().parents[2] / "data" / "games" / "games_ci.pgn"
BASE = build_config(
    "tiny",
    overrides=[
        "model.channels=16",
        "model.blocks=2",
        "training.batch_size=16",
        "training.warmup_steps=1",
        "training.metrics_every=1",
        "evaluation.max_plies=16",
        "evaluation.parallel_games=4",
        "inference.backend=torch",
        "device.kind=cpu",
    ],
)
PUZZLES = """PuzzleId,FEN,Moves,Rating
mate,6k1/5ppp/8/8/8/8/r4PPP/1R4K1 b - - 0 1,a2a3 b1b8,600
fork,4k3/8/8/8/8/2n5/8/R3K3 w Q - 0 1,a1a8 e8d7,800
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    run = RunDirectory(tmp_path_factory.mktemp("runs") / "human")
    run.create()
    import_pgn([str(GAMES)], run.imported, "mover")
    return run


def experiment(
    source: RunDirectory, out: Path, arms: list[Arm], seeds: int = 1, budget: Budget | None = None
) -> Experiment:
    out.mkdir(exist_ok=True)
    return Experiment(source, out, arms, BASE, budget or Budget(steps=4), seeds)


def train(found: Experiment, should_stop: Callable[[], bool] = lambda: False) -> bool:
    return found.train(
        on_progress=lambda *_: None, on_trouble=lambda _: None, should_stop=should_stop
    )


def figures(found: Experiment) -> dict[tuple[str, int], tuple[float, ...]]:
    return {
        (one.arm, one.seed): (one.step, one.policy_loss, one.value_loss, one.top1, one.top5)
        for one in found.found()
        if isinstance(one, HeldOut)
    }


def test_arms_of_a_repetition_see_the_same_data_and_differ_by_nothing_else(
    source: RunDirectory, tmp_path: Path
) -> None:
    """Two arms that change nothing in training get the same figures, bit for bit."""
    arms = arms_of(["supervisor.keep_checkpoints=3,4"], ["no ssl: ssl.enabled=false"])
    found = experiment(source, tmp_path / "out", arms, seeds=2)
    assert train(found)
    seen = figures(found)
    one, other, without = (arm.name for arm in arms)
    assert len(seen) == 6
    for seed in (0, 1):
        assert seen[one, seed] == seen[other, seed] != seen[without, seed]
    assert seen[one, 0] != seen[one, 1]


def test_an_interrupted_ablation_goes_on_and_ends_as_one_that_was_not(
    source: RunDirectory, tmp_path: Path
) -> None:
    arms = arms_of(["ssl.enabled=true,false"], [])
    whole = experiment(source, tmp_path / "whole", arms)
    assert train(whole)

    asked = iter([False] * 6 + [True] * 9)
    assert not train(experiment(source, tmp_path / "parts", arms), lambda: next(asked))
    first = (tmp_path / "parts" / "results.jsonl").read_bytes()
    assert first.count(b"\n") == 1
    again = experiment(source, tmp_path / "parts", arms)
    assert train(again)
    assert figures(again) == figures(whole)
    assert (tmp_path / "parts" / "results.jsonl").read_bytes().startswith(first)
    assert again.directory(arms[0], 0).checkpoints.is_dir()


def test_a_larger_budget_goes_on_and_a_smaller_one_is_refused(
    source: RunDirectory, tmp_path: Path
) -> None:
    arms = arms_of(["ssl.enabled=true,false"], [])
    assert train(experiment(source, tmp_path, arms, budget=Budget(steps=2)))
    longer = experiment(source, tmp_path, arms, budget=Budget(steps=4))
    assert train(longer)
    straight = experiment(source, tmp_path / "straight", arms, budget=Budget(steps=4))
    assert train(straight)
    assert figures(longer) == figures(straight)
    for budget in (Budget(steps=3), Budget(minutes=1)):
        with pytest.raises(ConfigError, match="trained for 4 steps, which may only grow"):
            experiment(source, tmp_path, arms, budget=budget)


def test_a_budget_of_time_is_spent_by_every_arm(source: RunDirectory, tmp_path: Path) -> None:
    arms = arms_of(["ssl.enabled=true,false"], [])
    found = experiment(source, tmp_path, arms, budget=Budget(minutes=0.002))
    assert train(found)
    assert all(one.seconds >= 0.12 for one in found.found() if isinstance(one, HeldOut))


def test_other_games_and_other_settings_are_refused(source: RunDirectory, tmp_path: Path) -> None:
    arms = arms_of(["ssl.enabled=true,false"], [])
    assert train(experiment(source, tmp_path, arms, budget=Budget(steps=1)))
    deeper = build_config(base=BASE, overrides=["model.blocks=3"])
    with pytest.raises(ConfigError, match=r"model\.blocks: the run keeps 2, asked was 3"):
        Experiment(source, tmp_path, arms, deeper, Budget(steps=1), 2)

    other = RunDirectory(tmp_path / "other")
    other.create()
    with pytest.raises(ReplayError, match="matrix0 import pgn FILE"):
        experiment(other, tmp_path, arms)
    for shard in source.imported.glob("*.safetensors"):
        name = shard.name.replace(shard.name[-28:-12], "0" * 16)
        (other.imported / name).symlink_to(shard)
    with pytest.raises(ConfigError, match="other games"):
        experiment(other, tmp_path, arms)


def test_a_torn_line_is_dropped_and_a_damaged_one_named(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    finding = Puzzles(
        arm="a", seed=0, budget="1 steps", puzzles="x", simulations=1, count=4, solved=1
    )
    Results(path).add(finding)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"found":"puz')
    results = Results(path)
    assert results.findings == [finding]
    results.add(finding)
    assert path.read_bytes() == whole * 2
    path.write_bytes(b"{}\n" + whole)
    with pytest.raises(ReplayError, match="line 1 is damaged"):
        Results(path)


def test_trained_arms_solve_puzzles_and_play_each_other_once(
    source: RunDirectory, tmp_path: Path
) -> None:
    arms = arms_of(["ssl.enabled=true,false"], [])
    found = experiment(source, tmp_path, arms, budget=Budget(steps=1))
    assert train(found)
    file = tmp_path / "puzzles.csv"
    file.write_text(PUZZLES)
    puzzles = PuzzleSet(file)
    arena = Arena(found, simulations=4)
    quiet = {"on_progress": lambda *_: None, "should_stop": lambda: False}
    assert not arena.compete(2, on_progress=lambda *_: None, should_stop=lambda: True)
    for _ in range(2):
        assert arena.solve(puzzles, **quiet)
        assert arena.compete(2, **quiet)
    kinds = [type(one) for one in found.found()]
    assert kinds == [HeldOut, HeldOut, Puzzles, Puzzles, ArmsMatch]
    assert [path.suffix for path in (tmp_path / "games").iterdir()] == [".pgn"]
    first, second = compare(
        found.found(), arms, seeds=1, puzzles=puzzles.sha256, games=2, simulations=4
    )
    assert first.encounter is None
    assert second.encounter is not None
    assert second.encounter.wins + second.encounter.draws + second.encounter.losses == 2
    assert set(second.measures) == set(second.differences) > {"puzzles", "policy_loss"}
    # What was measured in another way does not count.
    assert compare(found.found(), arms, seeds=1, games=4)[1].encounter is None


def test_rows_that_are_no_puzzles_are_left_out_and_kept_apart(tmp_path: Path) -> None:
    file = tmp_path / "puzzles.csv"
    file.write_text(PUZZLES + "bad,8/8/8/8/8/8/8/8 w - - 0 1,a1a2 a2a3,800\n")
    found = PuzzleSet(file)
    assert [puzzle.name for puzzle in found.puzzles] == ["mate", "fork"]
    assert [fault.line for fault in found.faults] == [4]
    file.write_text("PuzzleId,FEN,Moves,Rating\n")
    with pytest.raises(ReplayError, match="no puzzle in it"):
        PuzzleSet(file)
