"""The supervisor as a process of its own with fake workers: cycles, deaths, hangs, resumption."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import chess.pgn
import psutil
import pytest

from backend.commands import (
    CheckpointNow,
    EvaluateNow,
    PauseRun,
    Promote,
    ResumeRun,
    Rollback,
    StopRun,
)
from backend.errand import carry_out
from backend.errors import ExitCode
from backend.events import (
    Alert,
    CheckpointSaved,
    CycleFinished,
    EventBase,
    GateDecided,
    Heartbeat,
    MatchFinished,
    MatchStarted,
    PauseChanged,
    Promoted,
    Recovered,
    RunStopped,
    ShardAdmitted,
    ShardRejected,
    ShardUnusable,
    TrainingStep,
    WorkerExited,
    WorkerGivenUp,
    WorkerReady,
    WorkerStarted,
)
from backend.rundir import RunDirectory
from backend.store.journal import read_journal
from tests.backend.fakes.process import CONFIG, ROOT, SupervisorProcess, client, prepare


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return prepare(tmp_path / "run")


def assert_all_end(workers: list[psutil.Process], seconds: float) -> None:
    _gone, alive = psutil.wait_procs(workers, timeout=seconds)
    zombies = [p for p in alive if p.status() == psutil.STATUS_ZOMBIE]
    assert alive == zombies


def query(run: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(f"file:{run}/matrix0.db?mode=ro", uri=True)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def games_in_pgn(run: Path) -> list[str]:
    ids = []
    with (run / "games" / "selfplay.pgn").open(encoding="utf-8") as file:
        while (headers := chess.pgn.read_headers(file)) is not None:
            ids.append(headers["GameId"])
    return ids


def test_two_cycles_run_from_nothing_to_a_promoted_network(run: Path) -> None:
    with SupervisorProcess(run, "--cycles", "2") as supervisor:
        assert supervisor.finish() == ExitCode.DONE
    assert [e.cycle for e in supervisor.of(CycleFinished)] == [1, 2]
    assert all(e.random_score == e.greedy_score == 1.0 for e in supervisor.of(CycleFinished))
    promoted = [e.name for e in supervisor.of(Promoted)]
    assert promoted[0] == "step-00000000"
    assert len(promoted) == 3
    decisions = supervisor.of(GateDecided)
    assert [(e.verdict, e.promotes) for e in decisions] == [("inconclusive", True)] * 2
    assert supervisor.of(RunStopped)[-1].exit_code == ExitCode.DONE
    assert all(e.expected for e in supervisor.of(WorkerExited))
    assert supervisor.of(CheckpointSaved)[-1].reason in ("stopping", "cycle")

    assert query(run, "SELECT value FROM meta WHERE key = 'best'") == [(promoted[-1],)]
    assert query(run, "SELECT cycle FROM cycles ORDER BY cycle") == [(1,), (2,)]
    assert query(run, "SELECT count(*) FROM matches") == [(6,)]
    assert query(run, "SELECT count(DISTINCT step) > 39 FROM metrics") == [(1,)]
    ids = {row[0] for row in query(run, "SELECT id FROM games")}
    in_pgn = games_in_pgn(run)
    assert set(in_pgn) == ids
    assert len(in_pgn) == len(ids) == sum(e.games for e in supervisor.of(ShardAdmitted))


def test_a_task_that_only_guesses_raises_one_alert(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", CONFIG + "[ssl]\ndead_after_steps = 3\n")
    with SupervisorProcess(run, "--cycles", "1") as supervisor:
        assert supervisor.finish() == ExitCode.DONE
    dead = [e.text for e in supervisor.of(Alert) if "has learned nothing" in e.text]
    assert len(dead) == 1
    assert dead[0].startswith("the threat head has learned nothing by step 7: its loss is 0.4000")


def test_a_finished_run_has_nothing_to_do_and_more_cycles_go_on_from_it(run: Path) -> None:
    with SupervisorProcess(run, "--cycles", "1") as first:
        assert first.finish() == ExitCode.DONE
    with SupervisorProcess(run, "--cycles", "1") as again:
        assert again.finish() == ExitCode.DONE
    assert not again.of(WorkerStarted)
    with SupervisorProcess(run, "--cycles", "2") as second:
        assert second.finish() == ExitCode.DONE
    recovered = second.of(Recovered)[0]
    assert recovered.cycle == 1
    assert recovered.best == first.of(Promoted)[-1].name
    assert recovered.games == sum(e.games for e in first.of(ShardAdmitted))
    assert [e.cycle for e in second.of(CycleFinished)] == [2]


def test_a_killed_worker_of_each_role_is_replaced_and_the_run_goes_on(run: Path) -> None:
    with SupervisorProcess(run) as supervisor:
        while len(supervisor.of(WorkerReady)) < 3:
            supervisor.wait_for(WorkerReady)
        for worker in ("sp0", "trainer", "evaluator"):
            os.kill(supervisor.pid_of(worker), signal.SIGKILL)
            exited = supervisor.wait_for(WorkerExited, lambda e, worker=worker: e.worker == worker)
            assert exited.code == -signal.SIGKILL
            assert "memory" in exited.reason
            supervisor.wait_for(WorkerReady, lambda e, worker=worker: e.worker == worker)
        done = len(supervisor.of(CycleFinished))
        supervisor.wait_for(CycleFinished, lambda e: e.cycle > done + 1)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == ExitCode.DONE
    assert [e.cycle for e in supervisor.of(CycleFinished)][: done + 2] == list(range(1, done + 3))


def test_a_stopped_process_is_seen_as_hung_and_replaced(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", CONFIG + "stall_s = 1.0\n")
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(Heartbeat, lambda e: e.worker == "sp0" and e.phase == "playing")
        hung = supervisor.pid_of("sp0")
        os.kill(hung, signal.SIGSTOP)
        exited = supervisor.wait_for(WorkerExited)
        assert exited.worker == "sp0"
        assert "silent for" in exited.reason
        supervisor.wait_for(WorkerReady, lambda e: e.worker == "sp0")
        assert supervisor.pid_of("sp0") != hung


def test_a_second_start_is_refused_with_the_pid_of_the_first(run: Path) -> None:
    with SupervisorProcess(run) as first:
        first.wait_for(WorkerReady)
        code = (
            "import sys, pathlib\n"
            "from backend.errors import RunLockedError\n"
            "from backend.conducting import supervise\n"
            "try:\n"
            "    supervise(pathlib.Path(sys.argv[1]))\n"
            "except RunLockedError as error:\n"
            "    print(error)\n"
            "    sys.exit(error.exit_code)\n"
        )
        second = subprocess.run(
            [sys.executable, "-c", code, str(run)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
        assert second.returncode == ExitCode.LOCKED, second.stderr
        assert f"in use by process {first.process.pid}" in second.stdout
        first.wait_for(ShardAdmitted)


EARLY = (CheckpointSaved, WorkerReady, TrainingStep, Promoted, CycleFinished)
LATE = (MatchStarted, MatchFinished, ShardAdmitted)


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param(LATE[:1], marks=pytest.mark.slow),
        pytest.param(LATE, marks=pytest.mark.slow),
        pytest.param(EARLY * 4, marks=pytest.mark.slow),
    ],
    ids=["one", "three", "twenty"],
)
def test_nothing_survives_a_killed_supervisor_and_no_game_is_lost(
    run: Path, moments: tuple[type[EventBase], ...]
) -> None:
    killed: list[str] = []
    for moment in moments:
        with SupervisorProcess(run) as supervisor:
            supervisor.wait_for(WorkerReady, lambda e: e.role == "selfplay")
            if moment is not WorkerReady:  # Self-play may have been the last to be ready.
                supervisor.wait_for(moment)
            supervisor.kill()
            assert_all_end(supervisor.workers, 5.0)
            killed += [e.name for e in supervisor.of(ShardAdmitted)]
    cycles = query(run, "SELECT coalesce(max(cycle), 0) FROM cycles")[0][0]
    assert isinstance(cycles, int)
    with SupervisorProcess(run, "--cycles", str(cycles + 1)) as last:
        assert last.finish() == ExitCode.DONE
    on_disk = {path.name for path in (run / "replay").glob("*.safetensors")}
    rows = {row[0] for row in query(run, "SELECT name FROM shards WHERE state = 'admitted'")}
    assert set(killed) <= rows == on_disk
    ids = [str(row[0]) for row in query(run, "SELECT id FROM games")]
    assert sorted(games_in_pgn(run)) == sorted(ids)
    assert not [path for path in run.rglob("*.tmp.*")]
    assert [row[0] for row in query(run, "SELECT cycle FROM cycles ORDER BY cycle")] == list(
        range(1, cycles + 2)
    )


def test_orders_over_the_socket_are_obeyed_or_refused_with_a_reason(run: Path) -> None:
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(CycleFinished)
        with client(run) as screen:
            assert screen.hello.state.best
            assert screen.hello.state.cycle >= 1
            assert screen.hello.state.metrics["policy_loss"]
            assert screen.ask(PauseRun()).refused == ""
            assert "already" in screen.ask(PauseRun()).refused
            screen.wait_for(Heartbeat, lambda e: e.worker == "trainer" and e.phase == "paused")
            assert "paused" in screen.ask(EvaluateNow()).refused
            assert "no checkpoint" in screen.ask(Promote(name="step-9", reason="")).refused
            assert screen.ask(ResumeRun()).refused == ""
            # Away from the end of a cycle, whose checkpoint would be the one that was asked for.
            screen.wait_for(TrainingStep, lambda e: e.step % 20 == 5)
            assert screen.ask(CheckpointNow()).text
            saved = screen.wait_for(CheckpointSaved, lambda e: e.reason == "requested")
            answer = screen.ask(Promote(name=saved.name, reason="it looks good"))
            assert answer.refused == ""
            promoted = [m.event for m in screen.seen if isinstance(m.event, Promoted)][-1]
            assert (promoted.name, promoted.reason) == (saved.name, "it looks good")
            answer = screen.ask(EvaluateNow())
            assert answer.refused or answer.text
            said = carry_out(RunDirectory(run), Rollback(reason="it blunders"), "a test")
            assert said.endswith("is the best network again")
            back = screen.wait_for(Promoted, lambda e: e.is_rollback)
            assert (back.previous, said.split()[0]) == (saved.name, back.name)
            assert back.reason == "rolled back by hand: it blunders"
            numbers = [message.seq for message in screen.seen]
            assert numbers == list(range(screen.hello.seq + 1, screen.hello.seq + 1 + len(numbers)))
            assert screen.ask(StopRun()).text == "stopping"
            assert screen.is_at_end()
        assert supervisor.finish() == ExitCode.DONE
    assert [e.paused for e in supervisor.of(PauseChanged)] == [True, False]
    assert not (run / "socket").exists()
    orders = [type(entry.fact) for entry in read_journal(run / "journal.jsonl").entries]
    for kind in (PauseRun, ResumeRun, CheckpointNow, Promote, Rollback):
        assert kind in orders


def test_a_shard_damaged_after_its_admission_is_set_aside_once_and_the_run_goes_on(
    run: Path,
) -> None:
    with SupervisorProcess(run, "--cycles", "1") as first:
        assert first.finish() == ExitCode.DONE
    damaged, vanished, *_ = sorted((run / "replay").glob("*.safetensors"))
    content = bytearray(damaged.read_bytes())
    content[-1] ^= 1
    damaged.write_bytes(content)
    with SupervisorProcess(run) as supervisor:
        # After recovery has looked, before the trainer does.
        supervisor.wait_for(WorkerStarted, lambda e: e.worker == "trainer")
        vanished.unlink()
        rejected = supervisor.wait_for(ShardRejected)
        assert rejected.name == damaged.name
        assert "damaged" in rejected.reason
        supervisor.wait_for(CycleFinished)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == ExitCode.DONE
        assert all(e.expected for e in supervisor.of(WorkerExited))
    more = str(supervisor.of(CycleFinished)[-1].cycle + 1)
    with SupervisorProcess(run, "--cycles", more) as again:
        assert again.finish() == ExitCode.DONE
    assert not again.of(ShardRejected)
    assert not again.of(ShardUnusable)
    assert (run / "quarantine" / damaged.name).exists()
    states = dict(query(run, "SELECT name, state FROM shards"))
    assert states[damaged.name] == "rejected"
    assert states[vanished.name] == "missing"
    before = sum(e.games for e in supervisor.of(ShardAdmitted))
    assert again.of(Recovered)[0].games == supervisor.of(Recovered)[0].games + before


def test_an_interrupt_stops_in_order_and_the_trainer_saves(run: Path) -> None:
    with SupervisorProcess(run) as supervisor:
        supervisor.wait_for(TrainingStep, lambda e: e.step % 20 == 5)
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == ExitCode.DONE, supervisor.errors()
    assert supervisor.of(RunStopped)[-1].reason == "interrupted"
    assert supervisor.of(CheckpointSaved)[-1].reason in ("stopping", "cycle")
    assert_all_end(supervisor.workers, 0.1)


def test_a_second_interrupt_waits_for_nobody(run: Path) -> None:
    with SupervisorProcess(run, "--fault", "sp0=deaf") as supervisor:
        supervisor.wait_for(ShardAdmitted)
        supervisor.process.send_signal(signal.SIGINT)
        supervisor.wait_for(WorkerExited, lambda e: e.worker == "trainer")
        supervisor.process.send_signal(signal.SIGINT)
        assert supervisor.finish() == 130
    assert_all_end(supervisor.workers, 0.1)


def test_a_worker_that_cannot_work_is_given_up_and_ends_a_run_that_needs_it(
    tmp_path: Path,
) -> None:
    run = prepare(tmp_path / "run", CONFIG + "max_crashes = 2\n")
    with SupervisorProcess(run, "--fault", "trainer=config") as supervisor:
        assert supervisor.finish() == ExitCode.CONFIG
    assert len([e for e in supervisor.of(WorkerStarted) if e.worker == "trainer"]) == 1
    assert "this can never work" in supervisor.of(WorkerExited)[0].reason
    with SupervisorProcess(run, "--fault", "evaluator=exit") as supervisor:
        assert supervisor.finish() == ExitCode.INTERNAL
    assert len([e for e in supervisor.of(WorkerStarted) if e.worker == "evaluator"]) == 2
    assert supervisor.of(WorkerGivenUp)[0].worker == "evaluator"


def test_a_disk_that_takes_no_more_ends_the_run_with_one_line_and_a_start_later_goes_on(
    run: Path,
) -> None:
    with SupervisorProcess(run, "--file-limit", "200000") as supervisor:
        assert supervisor.finish() == ExitCode.CONFIG
        stopped = supervisor.of(RunStopped)[-1]
        (line,) = supervisor.errors().splitlines()
    assert_all_end(supervisor.workers, 5.0)
    assert stopped.exit_code == ExitCode.CONFIG
    assert "cannot be written" in stopped.reason
    assert "MiB free" in line
    assert "Traceback" not in line
    counted = sum(e.games for e in supervisor.of(ShardAdmitted))
    with SupervisorProcess(run) as later:
        assert later.wait_for(Recovered).games >= counted
        later.wait_for(CycleFinished)


def test_the_process_of_the_supervisor_never_loads_torch() -> None:
    code = (
        "import sys\n"
        "import backend.conducting, backend.headless, backend.processes\n"
        "print([name for name in ('torch', 'numba', 'textual') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
