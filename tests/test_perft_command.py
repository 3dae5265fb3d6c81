"""`matrix0 perft`: what it counts, and what it says of a position that is none."""

from tests.command_line import Run


def test_perft_counts_and_divides(run: Run) -> None:
    assert run("perft", "startpos", "3").out.startswith("8902 nodes in ")
    divided = run("perft", "startpos", "2", "--divide").out.splitlines()
    assert sorted(divided[:-1])[:2] == ["a2a3: 20", "a2a4: 20"]
    assert len(divided) == 21
    assert divided[-1].startswith("400 nodes in ")


def test_perft_of_depth_0_is_1(run: Run) -> None:
    assert run("perft", "startpos", "0", "--divide").out.startswith("1 nodes")


def test_perft_says_what_is_wrong_with_a_fen(run: Run) -> None:
    refused = run("perft", "8/8/8/8/8/8/8/8 w - -", "1")
    assert refused.code == 2
    assert "Invalid value for FEN" in refused.err
    assert "Traceback" not in refused.err
