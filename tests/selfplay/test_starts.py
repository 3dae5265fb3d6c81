"""Games begin where the settings say, say so themselves, and are honest about what went before."""

from pathlib import Path
from typing import Any

import chess
import numpy as np
import pytest

from backend.config import SelfPlayConfig
from backend.errors import ConfigError
from backend.replay.admission import admit
from backend.replay.boards import move_code
from backend.replay.records import (
    ARCHIVED,
    BOOK_OPENING,
    DRAW,
    FROM_START,
    NETWORK_OPENING,
    NO_RESULT,
    RANDOM_OPENING,
    TRUNCATED,
)
from backend.selfplay.starts import Starts
from model.rules import Outcome, from_fen, halfmove_clock, repetitions, to_fen
from tests.backend.replay.games import SHUFFLE, game_of, write
from tests.fake_evaluators import Counting, Scripted, material
from tests.selfplay.setups import check_by_replay, play, self_play

PGN = """[Result "1-0"]

1. e4 c5 2. Nf3 d6 3. d4 cxd4 1-0

[Result "1/2-1/2"]

1. Nf3 Nf6 2. Ng1 Ng8 3. Nf3 Nf6 4. Ng1 Ng8 1/2-1/2
"""
SICILIAN = "rnbqkbnr/pp1ppppp/8/2p5/4P3/8/PPPP1PPP/RNBQKBNR w KQkq - 0 2"
LATE = "8/5k2/3p4/1p1Pp2p/pP2Pp1P/P4P1K/8/8 b - - 99 50"
EPD = f"""# four fields, operations, six fields
r3k2r/8/8/8/8/8/8/R3K2R w KQkq - bm e1g1;

{LATE}
"""


def _starts(**settings: Any) -> Starts:
    return Starts(SelfPlayConfig(**settings))


def test_by_default_games_begin_at_the_starting_position_with_random_plies() -> None:
    rng = np.random.default_rng(0)
    openings = [_starts(opening_plies=4).draw(rng) for _ in range(200)]
    assert {opening.random_plies for opening in openings} == {0, 1, 2, 3, 4}
    for opening in openings:
        assert to_fen(opening.start) == chess.STARTING_FEN
        assert opening.origin == (RANDOM_OPENING if opening.random_plies else FROM_START)


def test_openings_are_drawn_by_their_shares(tmp_path: Path) -> None:
    book = tmp_path / "book.epd"
    book.write_text(EPD)
    starts = _starts(
        book_frac=0.2,
        book_path=str(book),
        network_opening_frac=0.3,
        archive_frac=0.4,
        opening_plies=1,
    )
    rng = np.random.default_rng(0)
    assert ARCHIVED not in {starts.draw(rng).origin for _ in range(200)}, "it is empty yet"
    starts.remember(game_of(SHUFFLE, Outcome.THREEFOLD, DRAW))
    drawn = np.bincount([starts.draw(rng).origin for _ in range(4000)], minlength=5) / 4000
    assert drawn == pytest.approx([0.05, 0.05, 0.2, 0.3, 0.4], abs=0.03)


def test_a_pgn_book_is_played_as_far_as_the_game_may_go_on(tmp_path: Path) -> None:
    book = tmp_path / "book.pgn"
    book.write_text(PGN)
    rng = np.random.default_rng(0)

    def lengths(plies: int) -> set[int]:
        starts = _starts(book_frac=1.0, book_path=str(book), book_plies=plies)
        return {len(starts.draw(rng).moves) for _ in range(40)}

    assert lengths(2) == {2}
    assert lengths(16) == {6, 7}, "the third repetition would end the second game"


def test_games_of_a_book_begin_with_its_lines_and_keep_its_clocks(tmp_path: Path) -> None:
    pgn, epd = tmp_path / "book.pgn", tmp_path / "book.epd"
    pgn.write_text(PGN.split("\n\n[")[0])
    epd.write_text(EPD)
    records = play(
        self_play(games=4, max_plies=8, book_frac=1.0, book_path=str(pgn), book_plies=2), 4
    )
    for record in records:
        assert (record.origin, record.opening_plies) == (BOOK_OPENING, 2)
        check_by_replay(record)
        assert to_fen(record.samples[0].position) == SICILIAN
    ends = play(self_play(games=8, max_plies=8, book_frac=1.0, book_path=str(epd)), 30)
    late = [record for record in ends if to_fen(record.start) == LATE]
    assert late
    assert {(record.outcome, len(record.moves)) for record in late} == {(Outcome.FIFTY_MOVES, 1)}
    admitted = admit(write(tmp_path, [*records, *ends]))
    assert '[Origin "book, 2 plies"]' in admitted.pgn
    assert '[Origin "book"]' in admitted.pgn


def test_network_openings_follow_the_policy_and_teach_nothing() -> None:
    likely = Scripted(priors={chess.STARTING_FEN: {"e2e4": 0.49999, "a2a3": 0.49999}})
    counting = Counting(likely)
    run = self_play(
        counting,
        games=8,
        simulations=20,
        max_plies=12,
        network_opening_frac=1.0,
        network_opening_plies=4,
    )
    records = play(run, 40)
    assert {record.opening_plies for record in records} == {1, 2, 3, 4}
    firsts = set()
    for record in records:
        assert record.origin == NETWORK_OPENING
        board = check_by_replay(record)
        firsts.add(board.move_stack[0].uci())
        assert record.samples[0].ply == record.opening_plies
    assert firsts == {"e2e4", "a2a3"}
    assert run.tally.positions >= sum(len(record.samples) for record in records)
    assert run.tally.full_searches == run.tally.positions


def test_an_archived_game_goes_on_from_a_position_with_its_history(tmp_path: Path) -> None:
    starts = _starts(archive_frac=1.0)
    starts.remember(game_of(SHUFFLE, Outcome.THREEFOLD, DRAW))
    rng = np.random.default_rng(0)
    openings = [starts.draw(rng) for _ in range(100)]
    codes = game_of(SHUFFLE, Outcome.THREEFOLD, DRAW).moves
    assert {len(opening.moves) for opening in openings} == set(range(1, 8)), "never the last ply"
    assert all(list(opening.moves) == codes[: len(opening.moves)] for opening in openings)
    assert {opening.origin for opening in openings} == {ARCHIVED}


def test_games_from_the_archive_keep_clocks_and_repetitions_and_get_their_own_results(
    tmp_path: Path,
) -> None:
    run = self_play(games=8, simulations=4, max_plies=40, archive_frac=0.7, seed=5)
    shuffle = game_of(SHUFFLE, Outcome.THREEFOLD, DRAW)
    run._starts.remember(shuffle)  # the one donor whose end is known
    records = play(run, 36)
    forks = [record for record in records if record.origin == ARCHIVED]
    of_shuffle = [
        fork
        for fork in forks
        if list(fork.moves[: fork.opening_plies]) == shuffle.moves[: fork.opening_plies]
    ]
    assert len(of_shuffle) > 1
    assert len(forks) > len(of_shuffle) + 3
    for fork in forks:
        check_by_replay(fork)  # every sampled position has the bits of the whole game
        assert fork.opening_plies <= 20
        assert len(fork.moves) > fork.opening_plies
    for fork in of_shuffle:
        first = fork.samples[0].position
        assert halfmove_clock(first) == fork.opening_plies
        assert repetitions(first) == (fork.opening_plies >= 4)
    assert {record.result for record in forks} >= {NO_RESULT}
    admitted = admit(write(tmp_path, records))
    assert [game.result for game in admitted.games] == [record.result for record in records]
    assert '[Origin "archive, ' in admitted.pgn


def test_a_fork_leaves_plies_to_play_and_the_archive_forgets_its_oldest() -> None:
    starts = _starts(archive_frac=1.0, archive_games=2, max_plies=6, opening_plies=0)
    rng = np.random.default_rng(0)
    starts.remember(game_of("e2e4", TRUNCATED, NO_RESULT))
    assert starts.draw(rng).origin == FROM_START, "a game of one ply has no middle"
    for moves in ("a2a3 a7a6", "b2b3 b7b6 c2c3", "d2d3 d7d6 e2e3 e7e6 f2f3 f7f6"):
        starts.remember(game_of(moves, TRUNCATED, NO_RESULT))
    drawn = [starts.draw(rng).moves for _ in range(200)]
    firsts = {chess.square_name(moves[0] & 63) for moves in drawn}
    assert firsts == {"b2", "d2"}
    assert max(len(moves) for moves in drawn) == 3


def test_castling_rights_of_a_book_position_are_kept(tmp_path: Path) -> None:
    book = tmp_path / "book.epd"
    book.write_text(EPD)
    starts = _starts(book_frac=1.0, book_path=str(book))
    starting = {to_fen(starts.draw(np.random.default_rng(n)).start) for n in range(20)}
    assert starting == {"r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", LATE}
    board = chess.Board("r3k2r/8/8/8/8/8/8/R3K2R w KQkq - 0 1", chess960=True)
    assert move_code(chess.Move.from_uci("e1h1")) in {move_code(m) for m in board.legal_moves}
    assert (from_fen(board.fen()) == starts._book[0][0]).all()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.epd", "", "there is no opening in it"),
        ("a.epd", "rubbish", "line 1: "),
        ("a.epd", f"{chess.STARTING_FEN}\n7k/5Q2/6K1/8/8/8/8/8 b - - 0 1", "line 2: no game can"),
        ("a.epd", "8/8/8/8/8/8/8/K6k w - -", "line 1: no game can go on"),
        ("a.pgn", "1. e4 e5 2. Ke3 *", "game 1: ply 2: "),
        ("a.pgn", None, "cannot be read"),
        ("a.epd", None, "cannot be read"),
    ],
)
def test_a_book_that_cannot_be_used_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    book = tmp_path / name
    if text is not None:
        book.write_text(text)
    with pytest.raises(ConfigError, match=message):
        _starts(book_frac=0.1, book_path=str(book))


def test_shares_of_more_than_everything_and_a_share_without_a_book_are_refused() -> None:
    with pytest.raises(ValueError, match="must be at most 1"):
        SelfPlayConfig(archive_frac=0.6, network_opening_frac=0.5)
    with pytest.raises(ValueError, match="needs a book_path"):
        SelfPlayConfig(book_frac=0.1)


def test_the_temperature_counts_from_where_a_game_leaves_its_opening() -> None:
    run = self_play(material, games=4, max_plies=40, archive_frac=1.0, temperature_plies=1, seed=2)
    run._starts.remember(game_of(SHUFFLE, Outcome.THREEFOLD, DRAW))
    forks = [record for record in play(run, 24) if record.origin == ARCHIVED]
    moves = {(fork.opening_plies, fork.moves[fork.opening_plies]) for fork in forks}
    assert len(moves) > 8, "the first move of a fork is drawn, not the best"
