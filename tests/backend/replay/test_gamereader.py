"""Compiled reading of PGN: what it accepts, python-chess reads alike, move by move."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from backend.limits_config import LIMITS
from backend.replay import gamereader
from backend.replay.gamereader import FoundGame, Place, found_games
from backend.replay.pgn import MATE_EVAL, PgnFault, PgnFile, PgnGame, game_texts
from backend.replay.played import NO_EVAL
from backend.replay.splitting import split_games
from tests.fuzz.mutations import mutate
from tests.fuzz.targets import TARGETS

DATA = Path(__file__).resolve().parents[2] / "data"
GAMES = DATA / "games" / "games_ci.pgn"
LICHESS = DATA / "games" / "lichess_2025-05_sample.pgn"

Told = tuple[object, ...]


def _file(content: bytes) -> PgnFile:
    return PgnFile("x", io.BufferedReader(io.BytesIO(content)), len(content))


def _quick(content: bytes) -> Iterator[Told]:
    for found in found_games(_file(content), LIMITS, "mover", Place()):
        if isinstance(found, PgnFault):
            yield found.number, found.reason
            continue
        play = found.play
        num = play.num_plies
        book = np.flatnonzero(play.is_book[:num]).tolist()
        evals = {p: int(v) for p, v in enumerate(play.eval_cp[:num]) if v != NO_EVAL}
        yield (
            *(found.number, found.start.tolist(), play.moves[:num].tolist(), book, evals),
            *(found.result, found.rating),
        )


def _plain(content: bytes) -> Iterator[Told]:
    for game in _file(content).games():
        if isinstance(game, PgnGame):
            yield (
                *(game.number, game.start.tolist(), game.moves, sorted(game.book), game.evals),
                *(game.result, game.rating),
            )
        else:
            yield game.number, game.reason


def _evals(movetext: str) -> list[int]:
    (found,) = found_games(_file(movetext.encode()), LIMITS, "mover", Place())
    assert isinstance(found, FoundGame)
    return found.play.eval_cp[: found.play.num_plies].tolist()


def test_real_games_are_read_by_compiled_code_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    read_slowly: list[int] = []
    slow = gamereader._Reader._read_slowly

    def noted(self: object, text: object, number: int) -> object:
        read_slowly.append(number)
        return slow(self, text, number)  # type: ignore[arg-type]

    monkeypatch.setattr(gamereader._Reader, "_read_slowly", noted)
    content = GAMES.read_bytes() + LICHESS.read_bytes()[:60_000].rpartition(b"\n\n[Event")[0]
    quick = list(_quick(content))
    assert quick == list(_plain(content))
    assert len(quick) > 80
    assert len(read_slowly) <= 1


@pytest.mark.parametrize("path", sorted((DATA / "hostile").glob("*.pgn")), ids=lambda p: p.stem)
def test_hostile_files_are_read_alike(path: Path) -> None:
    content = path.read_bytes()
    assert list(_quick(content)) == list(_plain(content))


@pytest.mark.parametrize(
    "movetext",
    [
        "1.e4 e5 2.Nf3 Nc6 3.Bc4 Bc5 4.0-0 Nf6 1/2-1/2",
        "1. e4 e5 2. Nf3 Nc6 3. Bc4 Bc5 4. 0-0 Nf6 1/2-1/2",
        "1. e4! e5?! 2. Nf3 $1 Nc6 3. Bc4 ; remark 4. a4\nBc5 4. O-O Nf6 1/2-1/2",
        "1. e4 {a {strange} e5 2. Nf3 2... Nc6 (2... d6 3. d4 (3. Bc4)) 3. Bc4 Bc5\n"
        "% escaped 1-0\n4. O-O 4... Nf6 1/2-1/2",
        "e4 e5 Ngf3 Nb8c6 Bf1c4 Bc5 Kg1 1-0",
        "1. d4 d5 2. Nc3 Nc6 3. Bf4 Bf5 4. Qd2 Qd7 5. O-O-O O-O-O+ 1-0",
        "1. e4 d5 2. exd5 c6 3. dxc6 Nf6 4. cxb7 e6 5. bxa8=Q Be7 1-0",
        "1. e4 d5 2. exd5 c6 3. dxc6 Nf6 4. cxb7 e6 5. bxa8Q Be7 1-0",
        "1. e4 d5 2. exd5 c6 3. dxc6 Nf6 4. cxb7 e6 5. bxa8=n Be7 1-0",
        "1. e4 a6 2. e5 d5 3. exd6 e.p. 1-0",
        "1. e4 d6 2. exd6 1-0",
        "1. e4 e5 2. e2e3 1-0",
        "1. Nf3 e5 2. Nxe5 Nc6 3. Nxd7 Kxd7 4. Kh1 1-0",
        "1. e4 {book} e5 {book, mb=+0} 2. Nf3 {bookish} Nc6 {\xa0book} 1-0",
        "1. e4 e5 1-0 {done} (1... c5)",
        "1. e4 e5 1-0 1-0",
        "1. e4 \x85 e5 1-0",
        "1. e4 e5 2. Qh5 Nc6 3. Bc4 Nf6 4. Qxf7# * ",
        "1.. e4 e5 1-0",
        "1.e4.e5 1-0",
        "",
    ],
)
def test_odd_notation_means_the_same_to_both(movetext: str) -> None:
    for tags in ("", '[Result "*"]\n\n', '[Result "1-0"]\n[WhiteElo "1500"]\n[BlackElo "?"]\n\n'):
        content = (tags + movetext).encode()
        assert list(_quick(content)) == list(_plain(content))


@pytest.mark.parametrize(
    ("remark", "value"),
    [
        ("[%eval 0.60]", 60),
        ("[%eval -1.5,23]", -150),
        ("good [%clk 0:01:00] [%eval +.05] x", 5),
        ("[%eval 12]", 1200),
        ("[%eval #3]", MATE_EVAL),
        ("[%eval #-1]", -MATE_EVAL),
        ("[%eval 9999999999]", MATE_EVAL - 1),
        ("[%eval nan] [%eval 0.1] [%eval 7]", 10),
        ("[%eval #0]", NO_EVAL),
        ("[%eval 1.234]", NO_EVAL),
        ("[%eval 1,5.0]", NO_EVAL),
        ("[%eval 99999999999]", NO_EVAL),
        ("[%eval ]", NO_EVAL),
        ("[%eval -]", NO_EVAL),
        ("[%eval 1", NO_EVAL),
        ("[%eval0.1]", NO_EVAL),
    ],
)
def test_an_evaluation_is_read_or_left(remark: str, value: int) -> None:
    text = f"1. e4 {{{remark}}} e5 1-0"
    assert _evals(text) == [value, NO_EVAL]
    assert list(_quick(text.encode())) == list(_plain(text.encode()))


def test_a_game_is_cut_out_of_a_stream_where_the_plain_reader_cuts_it() -> None:
    rng = random.Random(3)
    target = TARGETS["pgn"]
    for _ in range(150):
        content = mutate(rng, target.seeds(), target.tokens, 20_000)
        stream = io.BufferedReader(io.BytesIO(content))
        found = [
            None if text.is_too_large else text.content() for text in split_games(stream, 4096)
        ]
        limits = _limits_of(4)
        assert found == list(game_texts(io.BufferedReader(io.BytesIO(content)), limits))


def _limits_of(game_kib: int) -> object:
    from dataclasses import replace

    return replace(LIMITS, game_kib=game_kib)


def _differences(seed: int, count: int) -> None:
    rng = random.Random(seed)
    target = TARGETS["pgn"]
    seeds = (*target.seeds(), GAMES.read_bytes()[:3000])
    for _ in range(count):
        content = mutate(rng, seeds, target.tokens, 8192)
        assert list(_quick(content)) == list(_plain(content)), content


def test_mutated_games_are_read_alike() -> None:
    _differences(1, 40)


@pytest.mark.slow
def test_many_mutated_games_are_read_alike() -> None:
    _differences(2, 500)


def test_a_game_in_so_many_is_read_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gamereader, "AUDIT_EVERY", 1)
    content = GAMES.read_bytes()[:20_000].rpartition(b"\n\n[Event")[0]
    assert len(list(_quick(content))) > 5
    monkeypatch.setattr(gamereader, "play_text", _with_another_book(gamereader.play_text))
    with pytest.raises(gamereader.ReplayError, match="game 1: our rules and python-chess disagree"):
        list(_quick(content))


def _with_another_book(real: object) -> object:
    def play_text(*args: object, **options: object) -> bool:
        done = real(*args, **options)  # type: ignore[operator]
        args[4].is_book[5] ^= True  # type: ignore[attr-defined]
        return done

    return play_text


def test_a_game_knows_where_it_begins_and_reading_goes_on_there() -> None:
    content = b"\xef\xbb\xbf" + GAMES.read_bytes()
    whole = [
        (found.number, found.offset, found.play.moves[:9].tolist())
        for found in found_games(_file(content), LIMITS, "mover", Place())
        if isinstance(found, FoundGame)
    ]
    number, offset, _ = whole[40]
    assert content[offset:].startswith(b"[Event ")
    rest = [
        (found.number, found.offset, found.play.moves[:9].tolist())
        for found in found_games(_file(content), LIMITS, "mover", Place(number - 1, offset))
        if isinstance(found, FoundGame)
    ]
    assert rest == whole[40:]
