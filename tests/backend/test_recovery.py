"""Start-up on disks in every state a death may leave behind, with real shards and checkpoints."""

import random
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec.structs import replace

from backend import checkpoints
from backend.audit.run import examine
from backend.commands import PlayMatch
from backend.config import Config, EvaluationConfig, ReplayConfig
from backend.cycle import Play
from backend.disk import volume_of
from backend.errors import ConfigError
from backend.events import Alert, Promoted, TrainingStep
from backend.gamefile import GameFile
from backend.gating import Gating
from backend.live import wanted
from backend.recovery import Findings, open_ledger, read_checkpoint, recover
from backend.replay.shards import ShardWriter
from backend.rundir import RunDirectory
from backend.training.config import TrainingConfig
from tests.backend.fakes.worker import random_game
from tests.backend.test_cycle import decided, result

CONFIG = Config(
    training=TrainingConfig(steps_per_cycle=10),
    evaluation=EvaluationConfig(games=4, baseline_games=0),
)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.create()
    return run


@asynccontextmanager
async def started(run: RunDirectory, config: Config = CONFIG) -> AsyncIterator[Findings]:
    ledger, journal, remarks = await open_ledger(run)
    try:
        yield await recover(run, config, ledger, remarks)
    finally:
        await ledger.flush()
        await ledger.store.close()
        journal.close()


def write_shards(run: RunDirectory, number: int, seed: int = 1) -> list[str]:
    writer = ShardWriter(run.replay, "sp-sp0", producer="sp0", orientation="white", network="n")
    rng = random.Random(seed)
    return [writer.write([random_game(rng), random_game(rng)]).name for _ in range(number)]


def delete_database(run: RunDirectory) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{run.database}{suffix}").unlink(missing_ok=True)


def write_checkpoint(run: RunDirectory, step: int) -> str:
    arrays = {"weights": np.full(4, step, np.float32)}
    parts = {"model": arrays, "ema": arrays, "optimizer": arrays}
    return checkpoints.save(run.checkpoints, step=step, model=CONFIG.model, parts=parts).name


def pgn_ids(run: RunDirectory) -> list[str]:
    text = (run.games / "selfplay.pgn").read_text()
    return [line.split('"')[1] for line in text.splitlines() if line.startswith("[GameId")]


async def test_an_empty_directory_is_a_new_run(run: RunDirectory) -> None:
    async with started(run) as findings:
        assert findings.event.best == ""
        assert findings.event.cycle == 0
        assert findings.candidate is None
        assert findings.remarks == []


async def test_the_cycle_that_goes_on_keeps_the_time_it_took_in_earlier_starts(
    run: RunDirectory,
) -> None:
    async with started(run) as findings:
        for at in (1000.0, 1250.0):
            findings.ledger.publish(Alert(at=at, level="info", text="at work"))
    async with started(run) as findings:
        assert findings.event.cycle_seconds == 250.0
        findings.ledger.publish(replace(findings.event, at=9000.0))
        assert findings.ledger.state.cycle_started_at == 8750.0


async def test_orphans_are_adopted_and_counted_once(run: RunDirectory) -> None:
    names = write_shards(run, 3)
    write_checkpoint(run, 0)
    (run.replay / "x.safetensors.tmp.123.0a1b2c3d").write_bytes(b"half")
    async with started(run) as findings:
        assert findings.event.adopted_shards == findings.event.shards == 3
        assert findings.event.games == 6
        assert findings.event.checkpoints == 1
        assert findings.event.swept == 1
        assert findings.ledger.state.totals.games == 6
    async with started(run) as findings:
        assert findings.event.adopted_shards == 0
        assert findings.event.games == 6
        assert findings.ledger.state.checkpoints[0].reason == "initial"
        stored = {row.name for row in await findings.ledger.store.shards()}
    assert stored == set(names)
    assert len(pgn_ids(run)) == 6


async def test_a_death_between_pgn_and_row_doubles_no_game(run: RunDirectory) -> None:
    write_shards(run, 1)
    async with started(run):
        pass
    committed = (run.games / "selfplay.pgn").read_bytes()
    (name,) = write_shards(run, 1, seed=2)
    # As left by a death after the append, and after half of it.
    for tail in (b'[Event "Matrix0 self-play"]\n[GameId "' + name.encode() + b':0"]\n\n1. e4 *\n',):
        (run.games / "selfplay.pgn").write_bytes(committed + tail[: len(tail) // 2])
    async with started(run) as findings:
        assert findings.event.adopted_shards == 1
    ids = pgn_ids(run)
    assert len(ids) == len(set(ids)) == 4
    assert (run.games / "selfplay.pgn").read_bytes().startswith(committed)


@pytest.mark.parametrize("damage", ["missing", "garbage"])
async def test_a_lost_database_is_made_anew_from_files_and_journal(
    run: RunDirectory, damage: str
) -> None:
    write_shards(run, 3)
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    match = result(
        PlayMatch(match="m", candidate=second, opponent=first, games=4, simulations=8, seed=1)
    )
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"))
        await findings.ledger.commit(match, decided("step-5"))
        findings.ledger.publish(TrainingStep(step=3, metrics={"policy_loss": 2.0}))
    pgn = (run.games / "selfplay.pgn").read_bytes()
    delete_database(run)
    if damage == "garbage":
        run.database.write_bytes(b"\x00garbage" * 1000)

    async with started(run) as findings:
        store = findings.ledger.store
        assert findings.event.best == first
        assert findings.event.adopted_shards == 3
        assert [m.match for m in await store.matches()] == ["m"]
        assert [d.candidate for d in await store.decisions()] == ["step-5"]
        assert any("made anew" in remark for remark in findings.remarks) == (damage == "garbage")
    assert (run.games / "selfplay.pgn").read_bytes() == pgn
    assert bool(list(run.quarantine.glob("*matrix0.db"))) == (damage == "garbage")
    async with started(run) as findings:
        assert findings.event.adopted_shards == 0
    assert (run.games / "selfplay.pgn").read_bytes() == pgn


async def test_points_beyond_the_newest_checkpoint_are_forgotten(run: RunDirectory) -> None:
    write_checkpoint(run, 0)
    write_checkpoint(run, 10)
    async with started(run) as findings:
        for step in (5, 10, 15):
            findings.ledger.publish(TrainingStep(step=step, metrics={"policy_loss": 2.0}))
    async with started(run) as findings:
        assert findings.ledger.state.metrics["policy_loss"] == ((5.0, 2.0), (10.0, 2.0))
        assert findings.ledger.state.step == 10
        assert [step for _, step, _ in await findings.ledger.store.metrics()] == [5, 10]


async def test_a_damaged_shard_goes_to_quarantine_and_stays_there(run: RunDirectory) -> None:
    good, bad = write_shards(run, 2)
    data = bytearray((run.replay / bad).read_bytes())
    data[len(data) // 2] ^= 4
    (run.replay / bad).write_bytes(data)
    async with started(run) as findings:
        assert findings.event.quarantined == 1
        assert findings.event.shards == 1
    assert (run.quarantine / bad).exists()
    assert [path.name for path in run.replay.iterdir()] == [good]
    shutil.copy(run.quarantine / bad, run.replay / bad)
    async with started(run) as findings:
        assert findings.event.shards == 1
    assert not (run.replay / bad).exists()


async def test_shards_that_vanished_are_named_and_count_again_when_they_return(
    run: RunDirectory, tmp_path: Path
) -> None:
    name = write_shards(run, 2)[0]
    async with started(run):
        pass
    (run.replay / name).rename(tmp_path / name)
    async with started(run) as findings:
        assert findings.event.shards == 1
        assert any(name in remark for remark in findings.remarks)
    (tmp_path / name).rename(run.replay / name)
    async with started(run) as findings:
        assert findings.event.shards == 2
        assert findings.event.games == 4


async def test_a_damaged_best_network_falls_back_to_the_one_before(run: RunDirectory) -> None:
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"))
        await findings.ledger.commit(Promoted(name=second, previous=first, reason="better"))
    weights = run.checkpoints / second / "ema.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    async with started(run) as findings:
        assert findings.event.best == first
        assert findings.event.quarantined == 1
        assert any("takes its place" in remark for remark in findings.remarks)
    assert not (run.checkpoints / second).exists()
    async with started(run) as findings:
        assert findings.event.best == first
        assert findings.remarks == []


async def test_an_undecided_candidate_waits_for_its_match(run: RunDirectory) -> None:
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    write_checkpoint(run, 13)
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"))
    async with started(run) as findings:
        assert findings.candidate is not None
        assert findings.candidate.name == second
        (action,) = findings.director.checkpoint(findings.candidate)
        assert isinstance(action, Play)
        assert (action.order.candidate, action.order.opponent) == (second, first)


@pytest.mark.parametrize("promotion_recorded", [False, True])
async def test_a_decision_whose_consequences_are_missing_is_completed(
    run: RunDirectory, promotion_recorded: bool
) -> None:
    first, second = write_checkpoint(run, 0), write_checkpoint(run, 10)
    decision = decided(second)
    fields = {name: getattr(decision, name) for name in decision.__struct_fields__}
    decision = type(decision)(**{**fields, "best": first, "verdict": "promoted"})
    async with started(run) as findings:
        await findings.ledger.commit(Promoted(name=first, previous="", reason="first"), decision)
        if promotion_recorded:
            await findings.ledger.commit(Promoted(name=second, previous=first, reason="gate"))
    finished: list[int] = []

    async def order(role: object, command: object) -> None:
        raise AssertionError("nothing is to be played")

    async def ignore(role: object, command: object) -> None:
        return

    async with started(run) as findings:
        gating = Gating(
            run,
            CONFIG,
            findings.ledger,
            findings.director,
            order=order if promotion_recorded else ignore,
            on_cycle=finished.append,
        )
        await gating.resume(findings)
        assert gating.best == second
        assert finished == [1]
        assert [p.name for p in await findings.ledger.store.promotions()] == [first, second]
        assert [c.verdict for c in await findings.ledger.store.cycles()] == ["promoted"]
    async with started(run) as findings:
        assert findings.unfinished is None
        assert findings.candidate is None
        assert findings.event.cycle == 1


async def test_the_curve_behind_a_recorded_checkpoint_is_recorded_with_it(
    run: RunDirectory,
) -> None:
    async def ignore(role: object, command: object) -> None:
        return

    async with started(run) as findings:
        ledger = findings.ledger
        gating = Gating(
            run, CONFIG, ledger, findings.director, order=ignore, on_cycle=lambda cycle: None
        )
        ledger.publish(TrainingStep(step=10, metrics={"policy_loss": 2.0}))
        name = write_checkpoint(run, 10)
        await gating.checkpoint_saved(read_checkpoint(run.checkpoints / name, CONFIG))
        # A death now, before the next regular flush, must leave no hole: nobody makes it again.
        assert await ledger.store.metrics() == [("policy_loss", 10, 2.0)]


async def test_a_shard_that_left_the_window_while_it_was_read_is_nobodys_concern(
    run: RunDirectory,
) -> None:
    config = Config(replay=ReplayConfig(window_positions=8, min_positions=1))
    names = write_shards(run, 4)
    async with started(run, config) as findings:
        await findings.intake._retire()
        before = await findings.ledger.store.shards()
        for name in (names[0], names[3], "unheard-of"):  # left the window, sound, made up
            await findings.intake.withdraw(name)
        assert await findings.ledger.store.shards() == before
        assert [alert.level for alert in findings.ledger.state.alerts] == ["warning"]
    assert not list(run.quarantine.iterdir())


async def test_shards_that_left_the_window_leave_the_disk_but_stay_counted(
    run: RunDirectory,
) -> None:
    config = Config(replay=ReplayConfig(window_positions=8, min_positions=1))
    names = write_shards(run, 4)

    async with started(run, config) as findings:
        await findings.intake._retire()
        states = {row.name: row.state for row in await findings.ledger.store.shards()}
    assert [states[name] for name in names] == ["retired", "retired", "admitted", "admitted"]
    assert sorted(path.name for path in run.replay.iterdir()) == sorted(names[2:])
    delete_database(run)
    async with started(run, config) as findings:
        assert findings.event.games == 8
        assert findings.event.shards == 2
    assert len(pgn_ids(run)) == 8


def test_text_is_appended_behind_what_is_vouched_for(tmp_path: Path) -> None:
    games = GameFile(tmp_path / "g.pgn")
    length = games.append("one\n", 0)
    games.append("torn", length)
    assert games.append("two\n", length) == 8
    assert (tmp_path / "g.pgn").read_text() == "one\ntwo\n"
    assert games.append("three\n", 1000) == 14
    assert (tmp_path / "g.pgn").read_text() == "one\ntwo\nthree\n"


def test_without_a_database_only_the_newest_shard_in_the_file_is_doubted(tmp_path: Path) -> None:
    games = GameFile(tmp_path / "g.pgn")
    one = '[Event "x"]\n[GameId "a-1:0"]\n\n*\n\n'
    two = '[Event "x"]\n[GameId "a-2:0"]\n\n*\n\n[Event "x"]\n[GameId "a-2:1"]\n\n*\n\n'
    games.append(one + two, 0)
    assert games.trusted_length(frozenset({"a-1", "a-2"})) == len(one)
    assert games.trusted_length(frozenset({"a-1"})) == len(one + two)
    assert games.shards(len(one)) == {"a-1"}


async def test_settings_that_were_edited_between_two_starts_are_named_once(
    run: RunDirectory,
) -> None:
    run.settle(CONFIG)
    async with started(run) as findings:
        assert findings.remarks == []
    text = run.config_file.read_text()
    run.config_file.write_text(text.replace("batch_size = 384", "batch_size = 77"))
    assert examine(run).notes
    async with started(run) as findings:
        assert findings.remarks == [
            "config.toml was edited since the last start of this run: "
            "training.batch_size is 77, was 384"
        ]
    delete_database(run)  # It has no part in this.
    async with started(run) as findings:
        assert findings.remarks == []
        run.write_config(wanted(run.read_config(), "learning_rate", "x0.5").config)
    async with started(run) as findings:
        assert findings.remarks == []
    assert not examine(run).notes


@pytest.mark.parametrize(
    ("file", "said"),
    [("config.toml", "no setting differs"), ("config.toml.kept", "config.toml.kept is damaged")],
)
async def test_a_changed_bit_in_the_settings_is_told(
    run: RunDirectory, file: str, said: str
) -> None:
    run.settle(CONFIG)
    sound = (run.path / file).read_bytes()
    sign = b"!" if file == "config.toml" else b"\xff"
    (run.path / file).write_bytes(sound.replace(b"Every", b"Ever" + sign, 1))
    async with started(run) as findings:
        assert len(findings.remarks) == 1
        assert said in findings.remarks[0]
    async with started(run) as findings:
        assert findings.remarks == []


async def test_settings_that_cannot_be_read_point_to_those_of_the_last_start(
    run: RunDirectory,
) -> None:
    run.settle(CONFIG)
    run.config_file.write_text("[training\n")
    with pytest.raises(ConfigError, match=r"config\.toml\.kept"):
        run.read_config()


@pytest.mark.parametrize("kinds", [("ext4", "nfs4"), ("nfs4", "ext4")], ids=["over", "under"])
async def test_a_run_on_a_network_file_system_is_told_what_is_not_promised(
    kinds: tuple[str, str], run: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = str(volume_of(run.path))
    mounts = [SimpleNamespace(mountpoint=volume, fstype=kind) for kind in kinds]
    other = SimpleNamespace(mountpoint="/elsewhere", fstype="nfs")
    monkeypatch.setattr("psutil.disk_partitions", lambda all: [*mounts, other])
    async with started(run) as findings:
        told = [remark for remark in findings.remarks if "network file system (nfs4)" in remark]
    assert len(told) == (kinds[-1] == "nfs4")
