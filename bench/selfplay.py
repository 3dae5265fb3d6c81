"""Self-play of preset tiny on one core: against plain Python, and against the bare network.

The plain loop is what one writes first: python-chess for the rules, a tree of Python objects, one
position a network call. Same network, same number of simulations, PUCT.
"""

import math
import random
import time
from dataclasses import replace

import chess
import numpy as np
import psutil
import torch
from _table import Row, rate, show

from backend.config import Config, DeviceConfig
from backend.device import choose_device
from backend.inference.front import Inference
from backend.search.evaluator import MOVE_SLOTS
from backend.selfplay.games import SelfPlay
from backend.settings import build_config
from model.encoding import policy_index
from model.net import ChessNet
from model.rules import from_fen, start_position, uci_to_move


class PlainNode:
    """A tree node of the plain loop."""

    def __init__(self, prior: float) -> None:
        self.prior = prior
        self.visits = 0
        self.value_sum = 0.0
        self.children: dict[chess.Move, PlainNode] = {}


def plain_evaluate(
    board: chess.Board, inference: Inference
) -> tuple[list[chess.Move], np.ndarray, float]:
    position = from_fen(board.fen())
    moves = list(board.legal_moves)
    index = np.zeros((1, MOVE_SLOTS), np.int16)
    for k, move in enumerate(moves):
        index[0, k] = policy_index(position, uci_to_move(position, move.uci()), True)
    logits, wdl = inference(position[None], index, np.array([len(moves)], np.int16))
    priors = np.exp(logits[0, : len(moves)] - logits[0, : len(moves)].max())
    return moves, priors / priors.sum(), float(wdl[0, 0] - wdl[0, 2])


def plain_simulation(root: PlainNode, board: chess.Board, inference: Inference) -> None:
    node, path = root, [root]
    depth = 0
    while node.children:
        total = math.sqrt(max(1, node.visits))
        move, node = max(
            node.children.items(),
            key=lambda item: (
                (-item[1].value_sum / item[1].visits if item[1].visits else 0.0)
                + 1.5 * item[1].prior * total / (1 + item[1].visits)
            ),
        )
        board.push(move)
        depth += 1
        path.append(node)
    if board.is_game_over(claim_draw=False):
        value = -1.0 if board.is_checkmate() else 0.0
    else:
        moves, priors, value = plain_evaluate(board, inference)
        node.children = {m: PlainNode(float(p)) for m, p in zip(moves, priors, strict=True)}
    for passed in reversed(path):
        passed.visits += 1
        passed.value_sum += value
        value = -value
    for _ in range(depth):
        board.pop()


def plain_loop(inference: Inference, simulations: int) -> float:
    """Searched positions a second of one game at a time."""
    board = chess.Board()
    rng = random.Random(0)

    def work() -> float:
        if board.is_game_over() or board.ply() > 200:
            board.reset()
        root = PlainNode(1.0)
        for _ in range(simulations):
            plain_simulation(root, board, inference)
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
    plain = plain_loop(inference, config.search.simulations)
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
