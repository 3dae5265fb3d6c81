"""Self-play of preset tiny on one core: against plain Python, and against the bare network.

The plain loop is what one writes first: the same search (`_plain_search.py`) with the same network,
one game at a time, one position a network call.
"""

import random
import time
from dataclasses import replace

import chess
import numpy as np
import psutil
import torch
from _plain_search import Judge, plain_search
from _table import Row, rate, show

from backend.config import Config, DeviceConfig, SearchConfig
from backend.device import choose_device
from backend.inference.front import Inference
from backend.search.evaluator import MOVE_SLOTS
from backend.selfplay.games import SelfPlay
from backend.settings import build_config
from model.encoding import policy_index
from model.net import ChessNet
from model.rules import from_fen, start_position, uci_to_move


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
    """Evaluations a second on ready batches: what the loop cannot exceed."""
    positions = np.repeat(start_position()[None], batch, axis=0)
    index = np.tile(np.arange(MOVE_SLOTS, dtype=np.int16), (batch, 1))
    num_moves = np.full(batch, 35, np.int16)

    def work() -> float:
        inference(positions, index, num_moves)
        return batch

    work()
    return rate(work)


def real_loop(config: Config, inference: Inference, seconds: float) -> dict[str, float]:
    """Rates of the self-play that the worker runs."""
    games = SelfPlay(config.selfplay, config.search, inference, orientation="mover", seed=0)
    for _ in range(30):
        games.step()
    positions, evaluations, network_s = (
        games.tally.positions,
        inference.evaluations,
        inference.network_s,
    )
    batches = inference.batches
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        games.step()
    evaluations = inference.evaluations - evaluations
    return {
        "positions": (games.tally.positions - positions) / elapsed,
        "evaluations": evaluations / elapsed,
        "network": 100 * (inference.network_s - network_s) / elapsed,
        "fill": 100 * evaluations / (inference.batches - batches) / config.selfplay.games,
    }


def main() -> None:
    torch.set_num_threads(1)
    config = build_config("tiny", None, [])
    inference = Inference(ChessNet(config.model), choose_device(DeviceConfig(kind="cpu")))
    before = psutil.Process().memory_info().rss
    ours = real_loop(config, inference, 20.0)
    memory = (psutil.Process().memory_info().rss - before) / 2**20 / config.selfplay.games
    capped = replace(config.selfplay, full_search_frac=0.25, cheap_simulations=6)
    cheap = real_loop(replace(config, selfplay=capped), inference, 20.0)
    bare = bare_network(inference, config.selfplay.games)
    plain = plain_loop(inference, config.search)
    name = f"{config.selfplay.games} games x {config.search.simulations} simulations"
    rows = [
        Row(
            what=f"self-play, {name}",
            value=ours["positions"],
            unit="positions/s",
            baseline=plain,
            against="python-chess, batch 1, same network",
        ),
        Row(
            what="the same, a quarter of the searches full, the others with 6 simulations",
            value=cheap["positions"],
            unit="positions/s",
            baseline=ours["positions"],
            against="every search full",
        ),
        Row(
            what="network, inside self-play",
            value=ours["evaluations"],
            unit="evaluations/s",
            baseline=bare,
            against="bare network on ready batches",
        ),
        Row(what="share of wall time in the network", value=ours["network"], unit="%"),
        Row(what="batch fill", value=ours["fill"], unit="%"),
        Row(what="memory of one game", value=memory, unit="MiB"),
    ]
    show("Self-play, preset tiny, one core", rows)


if __name__ == "__main__":
    main()
