"""Events into the state of a run. Pure: the same events always give the same state."""

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec.structs import replace

from backend import events as e
from backend.curves import MAX_POINTS, extended
from backend.inference.words import in_words
from backend.selfplay.words import games_in_words
from backend.state import RunState
from backend.views import CheckpointView, MatchView, WorkerView

MAX_LOG = 500
MAX_ALERTS = 100
MAX_MATCHES = 200
MAX_MARKS = 200


def fold_all(state: RunState, events: Iterable[e.Event]) -> RunState:
    """The state after all events. Of log lines in a row the newest are put to the log in one go."""
    lines: list[e.LogLine] = []
    for event in events:
        if isinstance(event, e.LogLine):
            lines.append(event)
            continue
        state = _after_lines(state, lines)
        lines.clear()
        state = fold(state, event)
    return _after_lines(state, lines)


def _after_lines(state: RunState, lines: list[e.LogLine]) -> RunState:
    if not lines:
        return state
    now = max(state.now, *(line.at for line in lines))
    return replace(state, now=now, log=(*state.log, *lines)[-MAX_LOG:])


def fold(state: RunState, event: e.Event) -> RunState:
    """The state after an event."""
    if event.at > state.now:
        state = replace(state, now=event.at)
    match event:
        case e.WorkerReady():
            return _worker(
                state,
                event.worker,
                role=event.role,
                state="running",
                phase="loading",
                pid=event.pid,
                device=event.device,
                reason=event.reason,
                beat_at=event.at,
            )
        case e.Heartbeat():
            return _heartbeat(state, event)
        case e.SelfPlayProgress():
            return _worker(state, event.worker, progress=event)
        case e.InferenceChosen():
            level: e.Level = "warning" if event.rejected else "info"
            state = _worker(state, event.worker, inference=event)
            return _log(state, event.at, event.worker, level, in_words(event))
        case e.GamesTuned():
            return _log(state, event.at, event.worker, "info", games_in_words(event))
        case e.BoardSeen():
            return _board(state, event)
        case e.WorkerFailed():
            return _log(state, event.at, event.worker, "error", event.error)
        case e.NonFinite():
            marks = (*state.non_finite[-(MAX_MARKS - 1) :], event)
            return replace(state, non_finite=marks)  # An alert says so too.
        case e.LossSpiked() | e.RolledBack() | e.TrainingHalted():
            return _alert(state, event.at, event.level, event.sentence)
        case e.LogLine():
            return replace(state, log=(*state.log[-(MAX_LOG - 1) :], event))
        case e.ShardWritten():
            return state
        case e.ClusterSeen():
            return replace(state, cluster=event)
        case e.ShardAdmitted():
            return replace(state, totals=state.totals.with_shard(event))
        case e.ShardUnusable():
            text = f"cannot use shard {event.name}: {event.reason}"
            return _log(state, event.at, event.worker, "warning", text)
        case e.ShardRejected():
            return _shard_rejected(state, event)
        case e.PhaseBegan():
            state = replace(state, phase_of_training=event)
            return _log(state, event.at, event.worker, "info", event.sentence)
        case e.TrainingStep():
            return _training_step(state, event)
        case e.TrainerProgress():
            return replace(state, trainer=event, step=event.step)
        case e.CheckpointSaved():
            return state if event.only_resumes else _checkpoint_saved(state, event)
        case e.CheckpointRetired():
            kept = tuple(c for c in state.checkpoints if c.name != event.name)
            if kept == state.checkpoints:  # It only served to resume from.
                return state
            state = replace(state, checkpoints=kept)
            return _log(state, event.at, "run", "info", event.sentence)
        case e.MatchStarted():
            return replace(state, match=MatchView.begun(event))
        case e.MatchProgress():
            return _match_progress(state, event)
        case e.MatchFinished():
            return _match_finished(state, event)
        case e.GateDecided():
            return _gate_decided(state, event)
        case e.Promoted():
            text = f"{event.name} is the best network: {event.reason}"
            return _log(replace(state, best=event.name), event.at, "gate", "info", text)
        case e.WorkerStarted():
            known = state.workers.get(event.worker)
            return _worker(
                state,
                event.worker,
                role=event.role,
                state="starting",
                phase="starting",
                detail="",
                pid=event.pid,
                node=event.node,
                retry_at=None,
                beat_at=event.at,
                restarts=known.restarts + 1 if known else 0,
            )
        case e.WorkerExited():
            return _worker_exited(state, event)
        case e.WorkerBackoff():
            return _worker(state, event.worker, state="backoff", retry_at=event.at + event.delay_s)
        case e.WorkerGivenUp():
            state = _worker(state, event.worker, state="failed", detail=event.reason)
            return _alert(state, event.at, "error", f"{event.worker} given up: {event.reason}")
        case e.WorkerHeld():
            did = "paused" if event.held else "resumed"
            state = _worker(state, event.worker, held=event.held)
            return _log(state, event.at, event.worker, "info", f"{did} by {event.by}")
        case e.WorkerRetired():
            left = {name: view for name, view in state.workers.items() if name != event.worker}
            boards = {name: seen for name, seen in state.boards.items() if name != event.worker}
            state = replace(state, workers=left, boards=boards)
            return _log(state, event.at, event.worker, "info", "ended for good: fewer are wanted")
        case e.RunStarted():
            return _run_started(state, event)
        case e.Recovered():
            return _recovered(state, event)
        case e.PauseChanged():
            return _pause_changed(state, event)
        case e.SettingChanged():
            return _setting_changed(state, event)
        case e.CycleFinished():
            return _cycle_finished(state, event)
        case e.Alert():
            return _alert(state, event.at, event.level, event.text)
        case e.RunStopping():
            state = replace(state, phase="stopping", stop_reason=event.reason)
            return _log(state, event.at, "run", "info", f"stopping: {event.reason}")
        case e.RunStopped():
            state = replace(
                state, phase="stopped", stop_reason=event.reason, exit_code=event.exit_code
            )
            return _log(state, event.at, "run", "info", f"stopped: {event.reason}")
        case _:
            assert_never(event)


def with_memory(point: e.TrainingStep, state: RunState) -> e.TrainingStep:
    """The point with what all workers hold just now: of heartbeats nothing else is kept."""
    if not state.memory:
        return point
    return replace(point, metrics={**point.metrics, "memory_mib": state.memory[-1][1]})


def _worker(run: RunState, worker: str, /, **changes: Any) -> RunState:
    view = run.workers.get(worker)
    if view is None:
        view = WorkerView(worker=worker, role=changes.pop("role", "selfplay"))
    return replace(run, workers={**run.workers, worker: replace(view, **changes)})


def _heartbeat(state: RunState, event: e.Heartbeat) -> RunState:
    state = _worker(
        state,
        event.worker,
        state="paused" if event.phase == "paused" else "running",
        phase=event.phase,
        detail=event.detail,
        beat_at=event.at,
        rss_mib=event.rss_mib,
        device_mib=event.device_mib,
        device_limit_mib=event.device_limit_mib,
        device_busy_frac=event.device_busy_frac,
        device_watts=event.device_watts,
    )
    if state.memory_total_mib is None and event.device_mib is not None:
        # Until now every worker was loading its libraries: resident memory is another curve.
        state = replace(state, memory=(), memory_total_mib=event.device_limit_mib or 0.0)
    if state.memory and event.at - state.memory[-1][0] < 1.0:
        return state
    live = [w for w in state.workers.values() if w.state in ("running", "paused", "starting")]
    on_device = state.memory_total_mib is not None
    total = sum((w.device_mib or 0.0) if on_device else w.rss_mib for w in live)
    points = (*state.memory, (event.at, total))
    return replace(state, memory=points if len(points) <= MAX_POINTS else points[::2])


def _board(state: RunState, event: e.BoardSeen) -> RunState:
    followed = state.board.worker if state.board else event.worker
    view = state.workers.get(followed)
    state = replace(state, boards={**state.boards, event.worker: event})
    if event.worker == followed or view is None or view.state != "running":
        return replace(state, board=event)
    return state


def _shard_rejected(state: RunState, event: e.ShardRejected) -> RunState:
    totals, text = state.totals, f"shard {event.name} refused: {event.reason}"
    if event.is_stale:
        totals = replace(totals, stale_shards=totals.stale_shards + 1)
        state = _stale_on(replace(state, totals=totals), event.worker)
        return _log(state, event.at, "run", "info", text)
    totals = replace(totals, rejected_shards=totals.rejected_shards + 1)
    return _alert(replace(state, totals=totals), event.at, "error", text)


def _stale_on(state: RunState, worker: str) -> RunState:
    view = state.workers.get(worker)
    if view is None:
        return state
    stale_on = {**state.stale_on, view.node: state.stale_on.get(view.node, 0) + 1}
    state = _worker(state, worker, stale_shards=view.stale_shards + 1)
    return replace(state, stale_on=stale_on if view.node else state.stale_on)


def _training_step(state: RunState, event: e.TrainingStep) -> RunState:
    metrics = dict(state.metrics)
    stride = dict(state.metric_stride)
    seen = dict(state.metric_seen)
    for name, value in event.metrics.items():
        before = seen.get(name, 0)
        metrics[name], stride[name] = extended(
            metrics.get(name, ()), event.step, value, seen=before, stride=stride.get(name, 1)
        )
        seen[name] = before + 1
    return replace(state, metrics=metrics, metric_stride=stride, metric_seen=seen, step=event.step)


def _checkpoint_saved(state: RunState, event: e.CheckpointSaved) -> RunState:
    known = next((c for c in state.checkpoints if c.name == event.name), None)
    view = replace(
        known or CheckpointView(name=event.name, step=event.step),
        size_mib=event.size_mib,
        saved_at=event.at,
        reason=event.reason,
        metrics=event.metrics,
    )
    others = [c for c in state.checkpoints if c.name != event.name]
    checkpoints = tuple(sorted([*others, view], key=lambda c: c.step))
    text = f"checkpoint {event.name} saved ({event.reason}), {event.size_mib:.1f} MiB"
    return _log(replace(state, checkpoints=checkpoints), event.at, "trainer", "info", text)


def _match_progress(state: RunState, event: e.MatchProgress) -> RunState:
    if state.match is None or state.match.match != event.match:
        return state
    return replace(state, match=state.match.after(event))


def _match_finished(state: RunState, event: e.MatchFinished) -> RunState:
    played = event.wins + event.draws + event.losses
    is_running = state.match is not None and state.match.match == event.match
    view = MatchView(
        match=event.match,
        candidate=event.candidate,
        opponent=event.opponent,
        games=max(played, state.match.games if is_running and state.match else 0),
        played=played,
        wins=event.wins,
        draws=event.draws,
        losses=event.losses,
        pairs=event.pairs,
        finished=event,
    )
    running = None if is_running else state.match
    if event.opponent == state.best:
        state = replace(state, checkpoints=_measured(state.checkpoints, event))
    state = replace(state, match=running, matches=(*state.matches[-(MAX_MATCHES - 1) :], view))
    text = (
        f"{event.candidate} against {event.opponent}: "
        f"+{event.wins} ={event.draws} -{event.losses}, "
        f"Elo {event.elo:+z.0f} [{event.elo_low:+z.0f}, {event.elo_high:+z.0f}]"
    )
    return _log(state, event.at, "evaluator", "info", text)


def _measured(
    checkpoints: tuple[CheckpointView, ...], match: e.MatchFinished
) -> tuple[CheckpointView, ...]:
    elo = {
        "elo": match.elo,
        "elo_low": match.elo_low,
        "elo_high": match.elo_high,
        "versus": match.opponent,
    }
    return tuple(replace(c, **elo) if c.name == match.candidate else c for c in checkpoints)


def _gate_decided(state: RunState, event: e.GateDecided) -> RunState:
    checkpoints = tuple(
        replace(
            c,
            verdict=event.verdict,
            promotes_anyway=event.promotes_anyway,
            elo=event.elo,
            elo_low=event.elo_low,
            elo_high=event.elo_high,
            versus=event.best,
        )
        if c.name == event.candidate
        else c
        for c in state.checkpoints
    )
    text = f"{event.candidate} {event.verdict}: {event.reason}"
    return _log(replace(state, checkpoints=checkpoints), event.at, "gate", "info", text)


def _worker_exited(state: RunState, event: e.WorkerExited) -> RunState:
    state = _worker(
        state, event.worker, state="exited", phase="", detail=event.reason, progress=None
    )
    if state.trainer is not None and state.workers[event.worker].role == "trainer":
        state = replace(state, trainer=replace(state.trainer, waiting=""))
    if event.expected:
        return state
    text = f"{event.worker} ended with {event.code}: {event.reason}"
    if event.is_told:
        return _log(state, event.at, "run", "warning", text)
    return _alert(state, event.at, "warning", text)


def _run_started(state: RunState, event: e.RunStarted) -> RunState:
    return replace(
        state,
        run=event.run,
        directory=event.directory,
        preset=event.preset,
        version=event.version,
        pid=event.pid,
        phase="running",
        started_at=event.at,
        cycle_started_at=event.at,
        cycles=event.cycles,
        steps_per_cycle=event.steps_per_cycle,
        evaluation_games=event.evaluation_games,
        samples_per_position=event.samples_per_position,
        min_positions=event.min_positions,
        settings=event.settings,
    )


def _recovered(state: RunState, event: e.Recovered) -> RunState:
    text = (
        f"found {event.shards} shards ({event.adopted_shards} adopted), "
        f"{event.checkpoints} checkpoints, cycle {event.cycle}"
    )
    state = replace(
        state,
        best=event.best,
        cycle=event.cycle,
        cycle_started_at=event.at - event.cycle_seconds,
    )
    return _log(state, event.at, "run", "info", text)


def _pause_changed(state: RunState, event: e.PauseChanged) -> RunState:
    if event.paused:
        return replace(state, phase="paused", paused_at=event.at)
    state = replace(state, phase="running")
    if state.paused_at is None:
        return state

    def without_pause(started_at: float) -> float:
        assert state.paused_at is not None
        return started_at + event.at - max(state.paused_at, started_at)

    match = state.match
    if match is not None:
        match = replace(match, started_at=without_pause(match.started_at))
    began = without_pause(state.cycle_started_at)
    return replace(state, paused_at=None, match=match, cycle_started_at=began)


def _setting_changed(state: RunState, event: e.SettingChanged) -> RunState:
    state = replace(
        state,
        settings={**state.settings, event.name: event.new},
        changes=(*state.changes[-(MAX_MARKS - 1) :], event),
    )
    if event.name == "replay.samples_per_position":
        state = replace(state, samples_per_position=float(event.new))
    text = f"{event.name} is {event.new}, was {event.old}: changed by {event.by}"
    return _log(state, event.at, "run", "info", text)


def _cycle_finished(state: RunState, event: e.CycleFinished) -> RunState:
    return replace(
        state,
        cycle=event.cycle,
        cycle_started_at=event.at,
        cycle_start_step=event.step,
        cycles_done=(*state.cycles_done, event),
    )


def _alert(state: RunState, at: float, level: e.Level, text: str) -> RunState:
    alert = e.Alert(at=at, level=level, text=text)
    state = replace(state, alerts=(*state.alerts[-(MAX_ALERTS - 1) :], alert))
    return _log(state, at, "alert", level, text)


def _log(state: RunState, at: float, source: str, level: e.Level, text: str) -> RunState:
    line = e.LogLine(at=at, source=source, level=level, text=text)
    return replace(state, log=(*state.log[-(MAX_LOG - 1) :], line))
