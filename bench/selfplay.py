"""Self-play on one core or one card: the share of the network, and what else could be played.

    tiny, small        the worker's loop on the fastest runtime, and on torch in float32
    bare network       the same evaluator called on ready batches: what no loop can exceed
    plain Python       what one writes first: `_plain_search.py`, one game, one position a call

`--preset flagship` measures another preset, `--device cuda` another device.
"""

import random
import time
from dataclasses import dataclass, replace

import chess
import numpy as np
import psutil
import torch
from _plain_search import Judge, plain_search
from _table import Row, options, rate, show

from backend.config import Config, InferenceConfig, SearchConfig
from backend.device import choose_device
from backend.inference.choose import Choice, Chooser
from backend.inference.front import Inference
from backend.inference.positions import list_moves, sample_positions
from backend.search.evaluator import MOVE_SLOTS
from backend.selfplay.groups import GroupedSelfPlay, batch_size, num_groups
from backend.selfplay.tuning import tune_games
from backend.settings import build_config
from model.encoding import policy_index
from model.net import ChessNet
from model.rules import from_fen, uci_to_move


def network_judge(inference: Inference) -> Judge:
    """One position a call: what a loop without batches asks of the network."""

    def judge(board: chess.Board, moves: list[chess.Move]) -> tuple[list[float], float]:
        position = from_fen(board.fen())
        index = np.zeros((1, MOVE_SLOTS), np.int16)
        for k, move in enumerate(moves):
            index[0, k] = policy_index(position, uci_to_move(position, move.uci()), True)
        logits, wdl = inference(position[None], index, np.array([len(moves)], np.int16))
        priors = np.exp(logits[0, : len(moves)] - logits[0, : len(moves)].max())
        return (priors / priors.sum()).tolist(), float(wdl[0, 0] - wdl[0, 2])

    return judge


def plain_loop(inference: Inference, config: SearchConfig) -> float:
    """Searched positions a second of one game at a time."""
    board = chess.Board()
    judge = network_judge(inference)
    rng = random.Random(0)

    def work() -> float:
        if board.is_game_over() or board.ply() > 200:
            board.reset()
        root = plain_search(board, config.simulations, judge, config)
        moves = list(root.children)
        board.push(rng.choices(moves, [root.children[m].visits for m in moves])[0])
        return 1

    work()
    return rate(work, seconds=12.0)


def bare_network(inference: Inference, batch: int) -> float:
    """Evaluations a second on ready batches."""
    positions = sample_positions(None, batch, 0)
    index, num_moves = list_moves(positions, inference.orientation)

    def work() -> float:
        inference(positions, index, num_moves)
        return batch

    work()
    return rate(work)


@dataclass(frozen=True, kw_only=True)
class Played:
    """What the worker's loop reached."""

    positions: float
    """A second."""
    evaluations: float
    """A second."""
    network: float
    """Share of the wall time, %."""
    fill: float
    """Of the batches, %."""
    memory: float
    """Of one game with all that grew meanwhile, MiB."""


def real_loop(config: Config, inference: Inference, groups: int, seconds: float) -> Played:
    """Rates of the self-play that the worker runs."""
    before = psutil.Process().memory_info().rss
    games = GroupedSelfPlay(
        config.selfplay, config.search, inference, groups=groups, orientation="mover", seed=0
    )
    for _ in range(config.search.simulations * groups + 1):
        games.step()
    positions, network_s = games.tally.positions, inference.network_s
    evaluations, batches = inference.evaluations, inference.batches
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        games.step()
    elapsed = time.perf_counter() - began
    played = Played(
        positions=(games.tally.positions - positions) / elapsed,
        evaluations=(inference.evaluations - evaluations) / elapsed,
        network=100 * (inference.network_s - network_s) / elapsed,
        fill=100
        * (inference.evaluations - evaluations)
        / (inference.batches - batches)
        / batch_size(config.selfplay, groups),
        memory=(psutil.Process().memory_info().rss - before) / 2**20 / games.num_games,
    )
    games.close()
    return played


def rows_of(preset: str, device_kind: str) -> list[Row]:
    """All figures of one preset on one device."""
    config = build_config(preset, None, [f"device.kind={device_kind}"])
    device = choose_device(config.device)
    net = ChessNet(config.model)
    groups = num_groups(config.selfplay, device.kind)

    def chosen(inference: InferenceConfig) -> Choice:
        batch = batch_size(config.selfplay, groups)
        return Chooser(inference, device, batch=batch, replay=None, seed=0).choose(net)

    fastest = chosen(config.inference)
    tuned = tune_games(
        config.selfplay, config.search, fastest.inference, groups, lambda games: True
    )
    config = replace(config, selfplay=replace(config.selfplay, games=tuned.games))
    fastest = chosen(config.inference)
    eager = chosen(InferenceConfig(backend="torch", precision="float32"))
    ours = real_loop(config, fastest.inference, groups, 20.0)
    theirs = real_loop(config, eager.inference, groups, 20.0)
    bare = bare_network(fastest.inference, batch_size(config.selfplay, groups))
    name = f"{preset} on {device.kind}, {fastest.candidate}"
    games = f"{tuned.games} games x {config.search.simulations} simulations"
    rows = [
        Row(
            what=f"{name}: {games}",
            value=ours.positions,
            unit="positions/s",
            baseline=theirs.positions,
            against="torch float32, same loop",
        ),
        Row(
            what=f"{name}: the network inside self-play",
            value=ours.evaluations,
            unit="evaluations/s",
            baseline=bare,
            against="on ready batches",
        ),
        Row(what=f"{name}: wall time in the network", value=ours.network, unit="%"),
        Row(what=f"{preset}, torch float32: the same", value=theirs.network, unit="%"),
        Row(what=f"{name}: batch fill", value=ours.fill, unit="%"),
        Row(what=f"{name}: memory of a game", value=ours.memory, unit="MiB"),
    ]
    if preset == "tiny":
        plain = plain_loop(eager.inference, config.search)
        cheap = replace(config.selfplay, full_search_frac=0.25, cheap_simulations=6)
        capped = real_loop(replace(config, selfplay=cheap), fastest.inference, groups, 10.0)
        rows += [
            Row(
                what=f"{name}: {games}",
                value=ours.positions,
                unit="positions/s",
                baseline=plain,
                against="plain Python, batch 1, torch float32",
            ),
            Row(
                what=f"{name}: a quarter of the searches full, the others 6 simulations",
                value=capped.positions,
                unit="positions/s",
                baseline=ours.positions,
                against="every search full",
            ),
        ]
    return rows


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--preset", action="append", help="default: tiny and small")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for preset in arguments.preset or ("tiny", "small"):
        rows += rows_of(preset, arguments.device)
    show("Self-play, one core or one card", rows, parser)


if __name__ == "__main__":
    main()
