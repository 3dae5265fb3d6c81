"""A run in the middle of its third cycle, told as the events a supervisor would have sent."""

import math
import random
from collections.abc import Iterable

import chess

from backend import events as e
from backend.cluster.events import NodeSeen
from backend.fold import fold
from backend.state import RunState

START = 1_790_000_000.0
"""2026-09-21 14:13:20 UTC."""
OPERA = (
    "e4 e5 Nf3 d6 d4 Bg4 dxe5 Bxf3 Qxf3 dxe5 Bc4 Nf6 Qb3 Qe7 Nc3 c6 Bg5 b5 Nxb5 cxb5 Bxb5+ "
    "Nbd7 O-O-O Rd8 Rxd7 Rxd7 Rd1 Qe6 Bxd7+ Nxd7 Qb8+ Nxb8 Rd8#"
)
"""Morphy - Duke Karl / Count Isouard, Paris 1858."""


def fold_all(events: Iterable[e.Event], state: RunState | None = None) -> RunState:
    state = RunState() if state is None else state
    for event in events:
        state = fold(state, event)
    return state


def beginning(pid: int = 4242) -> list[e.Event]:
    """The supervisor is up and has started its workers; nothing has been played."""
    events: list[e.Event] = [
        e.RunStarted(
            at=START,
            run="demo",
            directory="runs/demo",
            preset="tiny",
            version="0.1.0",
            pid=pid,
            cycles=5,
            steps_per_cycle=1000,
            evaluation_games=280,
            samples_per_position=2.0,
            min_positions=20_000,
        ),
        e.Recovered(
            at=START,
            shards=0,
            adopted_shards=0,
            checkpoints=0,
            swept=0,
            quarantined=0,
            best="",
            cycle=0,
        ),
    ]
    roles: tuple[tuple[str, e.Role], ...] = (
        ("selfplay-0", "selfplay"),
        ("selfplay-1", "selfplay"),
        ("trainer", "trainer"),
        ("evaluator", "evaluator"),
    )
    for i, (worker, role) in enumerate(roles):
        events.append(e.WorkerStarted(at=START + 1, worker=worker, role=role, pid=pid + i + 1))
        events.append(
            e.WorkerReady(
                at=START + 3,
                worker=worker,
                role=role,
                pid=pid + i + 1,
                device="cpu",
                reason="no GPU found",
            )
        )
    return events


def training_step(step: int, at: float, noise: random.Random) -> e.TrainingStep:
    """Losses that fall as those of a network that learns."""
    t = step / 1000
    wobble = noise.gauss(0, 1)
    return e.TrainingStep(
        at=at,
        step=step,
        metrics={
            "policy_loss": 1.55 + 1.75 * math.exp(-t / 0.9) + 0.055 * wobble,
            "value_loss": 0.62 + 0.47 * math.exp(-t / 1.3) + 0.022 * noise.gauss(0, 1),
            "piece_loss": 0.55 + 1.95 * math.exp(-t / 0.6) + 0.05 * noise.gauss(0, 1),
            "piece_accuracy": 0.83 - 0.7 * math.exp(-t / 0.7) + 0.015 * noise.gauss(0, 1),
            "piece_f1": 0.71 - 0.6 * math.exp(-t / 0.7),
            "piece_f1_baseline": 0.06,
            "threat_loss": 0.12 + 0.2 * math.exp(-t / 0.5),
            "threat_f1": 0.55 - 0.5 * math.exp(-t / 0.5),
            "threat_f1_baseline": 0.02,
            "grad_norm": 0.44 + 0.06 * abs(noise.gauss(0, 1)),
            "learning_rate": min(1e-3, 2e-6 * step),
            "samples_per_s": 1240 + 25 * noise.gauss(0, 1),
        },
    )


def heartbeats(at: float, step: int, noise: random.Random) -> list[e.Event]:
    phases = {
        "selfplay-0": ("playing", "", 610.0),
        "selfplay-1": ("playing", "", 604.0),
        "trainer": ("training", "", 890.0 + 20 * noise.random()),
        "evaluator": ("waiting", "for a candidate", 312.0),
    }
    beats: list[e.Event] = [
        e.Heartbeat(at=at, worker=worker, phase=phase, detail=detail, rss_mib=mib)
        for worker, (phase, detail, mib) in phases.items()
    ]
    for i, worker in enumerate(("selfplay-0", "selfplay-1")):
        beats.append(
            e.SelfPlayProgress(
                at=at,
                worker=worker,
                network="step-00002000",
                games_running=128,
                mean_ply=41.0 + 3 * i,
                positions_per_s=52.0 + noise.random(),
                evaluations_per_s=3300.0,
                network_frac=0.71,
                batch_frac=0.93,
            )
        )
    beats.append(
        e.TrainerProgress(
            at=at,
            step=step,
            window_positions=148_000,
            admitted_positions=212_000,
            presented_samples=step * 64,
            credits=31_000.0,
        )
    )
    return beats


def board_seen(ply: int, at: float, worker: str = "selfplay-0") -> e.BoardSeen:
    """The board after `ply` plies of a famous game, with a made-up search."""
    board = chess.Board()
    sans = OPERA.split()
    for san in sans[: ply - 1]:
        board.push_san(san)
    move = board.parse_san(sans[ply - 1])
    others = [m for m in board.legal_moves if m != move][:4]
    shares = (0.62, 0.17, 0.09, 0.05, 0.02)
    seen = tuple(
        e.MoveSeen(
            san=board.san(m),
            policy=share,
            visits=int(64 * share),
            q=0.5 - 0.12 * i if int(64 * share) else None,
            is_played=m == move,
        )
        for i, (m, share) in enumerate(zip([move, *others], shares, strict=False))
    )
    board.push(move)
    return e.BoardSeen(
        at=at,
        worker=worker,
        game="sp-0-000041:7",
        fen=board.fen(),
        ply=ply,
        last_move=move.uci(),
        wdl=(0.58, 0.3, 0.12),
        moves=seen,
    )


def shard(number: int, at: float) -> list[e.Event]:
    name = f"sp-selfplay-0-{number:06d}-0123456789abcdef.safetensors"
    return [
        e.ShardAdmitted(
            at=at,
            name=name,
            games=16,
            positions=1100,
            truncated=1,
            white_wins=6,
            draws=4,
            black_wins=5,
            plies=1320,
        ),
        e.LogLine(
            at=at,
            source="selfplay-0",
            level="info",
            text="16 games finished, 1,100 positions, mean length 82 plies",
        ),
    ]


def checkpoint(step: int, at: float, reason: str = "cycle") -> e.CheckpointSaved:
    t = step / 1000
    return e.CheckpointSaved(
        at=at,
        name=f"step-{step:08d}",
        step=step,
        sha256="0" * 64,
        size_mib=14.2,
        reason=reason,
        metrics={
            "policy_loss": 1.55 + 1.75 * math.exp(-t / 0.9),
            "value_loss": 0.62 + 0.47 * math.exp(-t / 1.3),
        },
    )


def cycle_end(cycle: int, at: float, elo: float, verdict: e.Verdict) -> list[e.Event]:
    """Match, decision, perhaps a promotion, and the end of a cycle."""
    step = 1000 * cycle
    name, best = f"step-{step:08d}", f"step-{1000 * (cycle - 1):08d}"
    events: list[e.Event] = [
        e.MatchFinished(
            at=at,
            match=f"m{cycle}",
            candidate=name,
            opponent=best,
            wins=90,
            draws=60,
            losses=50,
            truncated=2,
            pairs=(10, 15, 30, 25, 20),
            elo=elo,
            elo_low=elo - 21,
            elo_high=elo + 21,
            simulations=64,
            seconds=88.0,
        ),
        e.GateDecided(
            at=at,
            cycle=cycle,
            candidate=name,
            best=best,
            verdict=verdict,
            score=0.6,
            elo=elo,
            elo_low=elo - 21,
            elo_high=elo + 21,
            reason="scored 60.0 % of 200 games, the gate is 50 %",
        ),
    ]
    if verdict == "promoted":
        events.append(e.Promoted(at=at, name=name, previous=best, reason="won its match"))
    events.append(
        e.CycleFinished(
            at=at,
            cycle=cycle,
            step=step,
            games=1240 * cycle,
            positions=84_000 * cycle,
            seconds=900.0,
            policy_loss=2.1 - 0.2 * cycle,
            value_loss=0.8 - 0.06 * cycle,
            piece_loss=1.1 - 0.25 * cycle,
            verdict=verdict,
            elo=elo,
            elo_low=elo - 21,
            elo_high=elo + 21,
            random_score=0.9 + 0.03 * cycle,
            greedy_score=0.3 + 0.2 * cycle,
        )
    )
    return events


def story(last_step: int = 2340) -> list[e.Event]:
    """Everything up to `last_step`: two cycles done, one worker restarting, one alert."""
    noise = random.Random(7)
    events = beginning()
    events.append(checkpoint(0, START + 5, "initial"))
    events.append(
        e.Promoted(at=START + 5, name="step-00000000", previous="", reason="the first network")
    )
    at = START + 200
    for step in range(10, last_step + 1, 10):
        at += 7.0
        events.append(training_step(step, at, noise))
        if step % 50 == 0:
            events += heartbeats(at, step, noise)
            events += shard(step // 50, at)
        if step % 1000 == 0:
            events.append(checkpoint(step, at))
            elo, verdict = (127.0, "promoted") if step == 1000 else (37.0, "promoted")
            events += cycle_end(step // 1000, at, elo, verdict)
    events.append(board_seen(29, at))
    events += heartbeats(at, last_step, noise)
    events += [
        e.WorkerExited(
            at=at, worker="selfplay-1", code=-9, expected=False, reason="no heartbeat for 60 s"
        ),
        e.WorkerBackoff(at=at, worker="selfplay-1", delay_s=8.0, crashes=1),
    ]
    return events


def running_match(at: float) -> list[e.Event]:
    """A candidate half-way through its match, its test undecided."""
    return [
        e.MatchStarted(
            at=at - 60,
            match="m3",
            candidate="step-00002300",
            opponent="step-00002000",
            games=400,
            simulations=64,
            llr_low=-2.944,
            llr_high=2.944,
        ),
        e.MatchProgress(
            at=at,
            match="m3",
            played=131,
            wins=52,
            draws=41,
            losses=38,
            pairs=(5, 12, 21, 14, 9),
            llr=0.87,
        ),
    ]


def rich_state(last_step: int = 2340) -> RunState:
    return fold_all(story(last_step))


def stopped_state() -> RunState:
    state = rich_state()
    stop = e.RunStopped(at=state.now + 5, reason="5 cycles are done", exit_code=0)
    return fold(state, stop)


def fleet(at: float) -> list[e.Event]:
    """Self-play moves to a cluster: two machines play, one is gone with its worker."""
    nodes = (
        NodeSeen(
            name="n0",
            address="10.0.0.2",
            is_alive=True,
            cpus=8,
            shard_bytes=9 << 20,
            network_bytes=3 << 20,
        ),
        NodeSeen(name="a-long-name", address="10.0.0.3", is_alive=True, cpus=4, gpus=1),
        NodeSeen(name="n2", address="10.0.0.4", is_alive=False, shard_bytes=1 << 20),
    )
    events: list[e.Event] = [
        e.ClusterSeen(at=at, nodes=nodes, shard_bytes=10 << 20, network_bytes=3 << 20)
    ]
    for worker, node in (("sp0", "n0"), ("sp1", "n0"), ("sp2", "n2"), ("sp3", "a-long-name")):
        events.append(e.WorkerStarted(at=at, worker=worker, role="selfplay", pid=7, node=node))
        events.append(e.Heartbeat(at=at, worker=worker, phase="playing", rss_mib=600.0))
        events.append(
            e.SelfPlayProgress(
                at=at,
                worker=worker,
                network="step-00002000",
                games_running=96,
                mean_ply=40.0,
                positions_per_s=30.0,
                evaluations_per_s=900.0,
                network_frac=0.8,
                batch_frac=0.9,
            )
        )
    events += [
        e.ShardRejected(
            at=at, name="sp-sp1-000007-0123456789abcdef", reason="old", is_stale=True, worker="sp1"
        ),
        e.WorkerExited(at=at, worker="sp2", code=70, expected=False, reason="its machine is gone"),
        e.WorkerBackoff(at=at, worker="sp2", delay_s=1.0, crashes=0),
    ]
    for worker in ("selfplay-0", "selfplay-1"):
        events.append(e.WorkerRetired(at=at, worker=worker))
    return events
