"""Matches between players whose moves are known or random, held against the PGN they leave."""

import io
from collections.abc import Sequence

import chess
import chess.pgn
import pytest

from backend.config import SearchConfig
from backend.evaluation.match import (
    ILLEGAL_MOVE,
    MatchGame,
    play_match,
    score_of,
    to_pgn,
)
from backend.evaluation.openings import random_openings
from backend.evaluation.players import GreedyPlayer, NetworkPlayer, RandomPlayer, material_gain
from backend.evaluation.referee import PLY_LIMIT, verdict
from backend.search.evaluator import Evaluate
from tests.fake_evaluators import material


class Watching(RandomPlayer):
    """A random mover that checks what it is told against what it is asked."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.name = f"watching-{seed}"
        self.boards: dict[int, chess.Board] = {}
        self.most_at_once = 0

    def start(self, slot: int, board: chess.Board) -> None:
        self.boards[slot] = board.copy()

    def think(self, slots: Sequence[int], boards: Sequence[chess.Board]) -> list[chess.Move]:
        self.most_at_once = max(self.most_at_once, len(slots))
        for slot, board in zip(slots, boards, strict=True):
            assert self.boards[slot] == board
            assert self.boards[slot].move_stack == board.move_stack
        return super().think(slots, boards)

    def played(self, slot: int, move: chess.Move) -> None:
        self.boards[slot].push(move)

    def comment(self, slot: int) -> str:
        return f"{self.name} at {slot}"


class Cheat(RandomPlayer):
    """Moves the enemy's king away at its third move."""

    def think(self, slots: Sequence[int], boards: Sequence[chess.Board]) -> list[chess.Move]:
        legal = super().think(slots, boards)
        return [
            chess.Move(chess.E1, chess.E8) if board.fullmove_number >= 3 else move
            for board, move in zip(boards, legal, strict=True)
        ]


def _finished(games: list[MatchGame] | None) -> list[MatchGame]:
    assert games is not None
    return games


def test_results_are_those_that_python_chess_derives_from_the_pgn() -> None:
    openings = random_openings(12, 6, seed=3)
    games = _finished(
        play_match(GreedyPlayer(1), RandomPlayer(2), openings, max_plies=160, slots=5)
    )
    assert [game.number for game in games] == list(range(24))
    text = to_pgn(games, "greedy", "random", "a test")
    stream = io.StringIO(text)
    points = 0.0
    terminations = set()
    for game in games:
        pgn = chess.pgn.read_game(stream)
        assert pgn is not None
        assert not pgn.errors
        board = pgn.end().board()
        found = verdict(board)
        terminations.add(pgn.headers["Termination"])
        if found is None:
            assert pgn.headers["Termination"] == PLY_LIMIT
            assert len(board.move_stack) == 160
            expected = "1/2-1/2"
        else:
            assert pgn.headers["Termination"] == found.termination
            expected = {1: "1-0", 0: "1/2-1/2", -1: "0-1"}[found.result]
            assert verdict(pgn.end().parent.board()) is None  # type: ignore[union-attr]
        assert pgn.headers["Result"] == expected
        if board.is_checkmate():
            mated = "White" if board.turn == chess.WHITE else "Black"
            assert expected == ("0-1" if mated == "White" else "1-0")
        candidate_is_white = pgn.headers["White"] == "greedy"
        assert candidate_is_white == game.candidate_is_white
        white_points = {"1-0": 1.0, "1/2-1/2": 0.5, "0-1": 0.0}[expected]
        points += white_points if candidate_is_white else 1 - white_points
    assert chess.pgn.read_game(stream) is None
    score = score_of(games)
    assert points == score.wins + score.draws / 2
    assert score.score == points / 24
    assert sum(score.pairs) == 12
    assert {"checkmate"} < terminations


def test_each_opening_is_played_twice_with_colours_swapped() -> None:
    openings = random_openings(7, 5, seed=1)
    games = _finished(play_match(Watching(1), Watching(2), openings, max_plies=30, slots=4))
    for k, opening in enumerate(openings):
        first, second = games[2 * k], games[2 * k + 1]
        assert first.candidate_is_white
        assert not second.candidate_is_white
        for game in (first, second):
            assert game.board.move_stack[:5] == opening.move_stack
            assert len(game.comments) == len(game.board.move_stack) - 5


def test_players_hear_every_move_and_no_more_boards_run_than_there_are_slots() -> None:
    one, other = Watching(1), Watching(2)
    play_match(one, other, random_openings(5, 3, seed=2), max_plies=40, slots=3)
    assert set(one.boards) == set(other.boards) == {0, 1, 2}
    assert one.most_at_once <= 3


def test_a_match_cut_at_the_ply_limit_counts_as_draws_and_says_so() -> None:
    openings = random_openings(2, 2, seed=2)
    games = _finished(play_match(RandomPlayer(1), RandomPlayer(2), openings, max_plies=9, slots=8))
    assert {game.termination for game in games} == {PLY_LIMIT}
    assert {len(game.board.move_stack) for game in games} == {9}
    score = score_of(games)
    assert (score.wins, score.draws, score.losses, score.truncated) == (0, 4, 0, 4)
    assert score.pairs == (0, 0, 2, 0, 0)


def test_an_illegal_move_loses_the_game() -> None:
    openings = random_openings(3, 2, seed=2)
    games = _finished(play_match(Cheat(1), RandomPlayer(2), openings, max_plies=80, slots=2))
    assert {game.termination for game in games} == {ILLEGAL_MOVE}
    score = score_of(games)
    assert (score.wins, score.draws, score.losses) == (0, 0, 6)
    assert score.pairs == (3, 0, 0, 0, 0)
    pgn = chess.pgn.read_game(io.StringIO(to_pgn(games, "cheat", "random", "a test")))
    assert pgn is not None
    assert (pgn.headers["Result"], pgn.headers["Termination"]) == ("0-1", ILLEGAL_MOVE)
    assert pgn.headers["White"] == "cheat"


def test_a_match_is_broken_off_when_it_is_told_so() -> None:
    steps = 0

    def on_step() -> bool:
        nonlocal steps
        steps += 1
        return steps < 7

    played = play_match(
        Watching(1),
        Watching(2),
        random_openings(4, 2, seed=2),
        max_plies=90,
        slots=2,
        on_step=on_step,
    )
    assert played is None
    assert steps == 7


def test_progress_holds_all_games_finished_so_far() -> None:
    seen: list[int] = []
    openings = random_openings(4, 2, seed=2)
    play_match(
        RandomPlayer(1),
        RandomPlayer(2),
        openings,
        max_plies=20,
        slots=3,
        on_game=lambda games: seen.append(len(games)),
    )
    assert seen == sorted(set(seen))
    assert seen[-1] == 8


def test_only_whole_pairs_are_scored() -> None:
    games = _finished(
        play_match(
            GreedyPlayer(1), RandomPlayer(2), random_openings(3, 2, 1), max_plies=60, slots=9
        )
    )
    score = score_of([games[k] for k in (0, 1, 3, 4)])  # 3 and 4 lack the other half
    assert score == score_of(games[:2])
    assert score.wins + score.draws + score.losses == 2 == 2 * sum(score.pairs)


@pytest.mark.parametrize("opening", [["e2e4", "e7e5"], ["f2f3", "e7e5", "g2g4", "d8h4"]])
def test_an_opening_that_leaves_nothing_to_play_is_refused(opening: list[str]) -> None:
    board = chess.Board()
    for uci in opening:
        board.push_uci(uci)
    with pytest.raises(ValueError, match="opening"):
        play_match(RandomPlayer(1), RandomPlayer(2), [board], max_plies=len(opening), slots=1)
    if board.is_checkmate():
        with pytest.raises(ValueError, match="opening"):
            play_match(RandomPlayer(1), RandomPlayer(2), [board], max_plies=50, slots=1)


def test_the_random_mover_plays_every_legal_move_equally_often() -> None:
    player = RandomPlayer(4)
    moves = player.think([0] * 4000, [chess.Board()] * 4000)
    counts = [moves.count(move) for move in chess.Board().legal_moves]
    assert sum(counts) == 4000
    assert 140 < min(counts) <= max(counts) < 260


@pytest.mark.parametrize(
    ("fen", "expected"),
    [
        ("4k3/8/8/3q4/4P3/8/8/4K3 w - - 0 1", {"e4d5"}),
        ("4k3/6P1/8/8/8/1p6/P7/4K3 w - - 0 1", {"g7g8q"}),
        ("3rk3/4P3/8/8/8/8/8/4K3 w - - 0 1", {"e7d8q"}),
        ("6k1/5ppp/8/8/8/8/q4PPP/R2R2K1 w - - 0 1", {"d1d8"}),  # mate rather than the queen
        ("4k3/8/8/2pP4/8/8/8/4K3 w - c6 0 2", {"d5c6"}),
        ("4k3/8/8/8/8/8/8/4K2R w - - 0 1", None),
    ],
)
def test_the_greedy_mover_mates_or_takes_the_most(fen: str, expected: set[str] | None) -> None:
    board = chess.Board(fen)
    if expected is None:
        expected = {move.uci() for move in board.legal_moves}
    moves = GreedyPlayer(1).think([0] * 400, [board] * 400)
    assert {move.uci() for move in moves} == expected
    assert board.fen() == fen, "looking leaves the board as it was"


def test_a_gain_is_counted_in_pawns() -> None:
    board = chess.Board("3rk3/4P3/8/8/8/8/8/4K3 w - - 0 1")
    assert material_gain(board, chess.Move.from_uci("e7d8q")) == 5 + 9 - 1
    assert material_gain(board, chess.Move.from_uci("e7d8n")) == 5 + 3 - 1
    assert material_gain(board, chess.Move.from_uci("e1e2")) == 0


def _network(evaluate: Evaluate, root: str, slots: int, seed: int = 1) -> NetworkPlayer:
    return NetworkPlayer(
        "material",
        evaluate,
        SearchConfig(root="puct" if root == "puct" else "gumbel"),
        simulations=24,
        slots=slots,
        orientation="mover",
        seed=seed,
    )


def _lead(game: MatchGame) -> int:
    """The candidate's lead in material at the end, pawns."""
    worth = {chess.PAWN: 1, chess.KNIGHT: 3, chess.BISHOP: 3, chess.ROOK: 5, chess.QUEEN: 9}
    white = sum(
        pawns * (len(game.board.pieces(piece, True)) - len(game.board.pieces(piece, False)))
        for piece, pawns in worth.items()
    )
    return white if game.candidate_is_white else -white


@pytest.mark.parametrize("root", ["puct", "gumbel"])
def test_a_search_that_knows_material_beats_the_random_mover_clearly(root: str) -> None:
    openings = random_openings(6, 4, seed=9)
    candidate = _network(material, root, slots=12)
    games = _finished(play_match(candidate, RandomPlayer(3), openings, max_plies=120, slots=12))
    score = score_of(games)
    assert score.losses == 0
    assert score.wins >= 4
    # It knows material and nothing else, so it may stop short of mate; it is a queen ahead then.
    assert min(_lead(game) for game in games if game.candidate_points < 1) >= 9
    comments = [c for game in games for c in game.comments if c]
    assert all(c.count("/") == 1 for c in comments)


def test_a_network_player_is_the_same_player_every_time() -> None:
    openings = random_openings(2, 4, seed=9)
    texts = []
    for seed in (1, 2):
        games = _finished(
            play_match(
                _network(material, "gumbel", 3, seed),
                RandomPlayer(3),
                openings,
                max_plies=40,
                slots=3,
            )
        )
        texts.append([game.board.move_stack for game in games])
    assert texts[0] == texts[1], "without noise nothing is left to chance"


def test_a_network_player_takes_up_a_game_with_its_history() -> None:
    board = chess.Board()
    for uci in ("g1f3", "g8f6", "f3g1", "f6g8", "g1f3", "g8f6", "f3g1"):
        board.push_uci(uci)
    player = _network(material, "puct", 1)
    player.start(0, board)
    move = player.think([0], [board])[0]
    assert board.is_legal(move)
    repeats = chess.Move.from_uci("f6g8")
    player.played(0, repeats)
    with pytest.raises(ValueError, match="has ended"):
        player.think([0], [board])


def test_a_network_player_understands_castling_and_promotion() -> None:
    board = chess.Board("r3k2r/8/8/8/8/8/1p6/R3K2R b KQkq - 0 1")
    player = _network(material, "gumbel", 1)
    player.start(0, board)
    for uci in ("e8c8", "e1g1", "b2a1q"):
        move = chess.Move.from_uci(uci)
        assert board.is_legal(move)
        board.push(move)
        player.played(0, move)
    assert board.is_legal(player.think([0], [board])[0])
