"""What `nvidia-smi` says of a card: one of our own on PATH, which is a real program."""

import os
import time
from pathlib import Path

import pytest

from backend import cardload
from backend.cardload import UNKNOWN, CardLoad, CardWatch, ask


def smi(folder: Path, script: str) -> str:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("87, 312.46", CardLoad(0.87, 312.46)),
        ("0, [N/A]", CardLoad(0.0, None)),  # Small cards do not measure what they draw.
        ("[N/A], 60.00", CardLoad(None, 60.0)),  # A card that is parted (MIG).
        ("nan, inf", UNKNOWN),
        ("-5, 1e999", UNKNOWN),
        ("120, 1", CardLoad(1.0, 1.0)),
        ("No devices were found", UNKNOWN),
        ("1, 2, 3", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_an_answer_is_two_figures_each_of_which_may_be_unknown(
    tmp_path: Path, answer: str, wanted: CardLoad
) -> None:
    assert ask(smi(tmp_path, f"echo '{answer}'"), "GPU-1") == wanted


def test_a_program_that_fails_or_hangs_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(smi(tmp_path, "echo '87, 312'; exit 9"), "GPU-1") == UNKNOWN
    assert ask(str(tmp_path / "missing"), "GPU-1") == UNKNOWN
    monkeypatch.setattr(cardload, "ANSWER_S", 0.1)
    began = time.monotonic()
    assert ask(smi(tmp_path, "exec sleep 60"), "GPU-1") == UNKNOWN
    assert time.monotonic() - began < 10


def test_the_card_is_asked_for_by_name_and_standard_input_is_left_alone(tmp_path: Path) -> None:
    program = smi(tmp_path, f'echo "$@" > {tmp_path}/asked; cat > {tmp_path}/read; echo "5, 20"')
    assert ask(program, "GPU-0a1b") == CardLoad(0.05, 20.0)
    asked = (tmp_path / "asked").read_text().split()
    assert asked[0] == "--id=GPU-0a1b"
    assert (tmp_path / "read").read_text() == ""


def test_a_watch_answers_at_once_and_knows_more_when_the_program_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    smi(tmp_path, f"read line < {gate}; echo '42, 150'")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    watch = CardWatch(lambda: "GPU-1")
    assert watch.newest() == UNKNOWN
    gate.write_text("go on\n")
    until = time.monotonic() + 10
    while watch.newest() == UNKNOWN:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert watch.newest() == CardLoad(0.42, 150.0)
    monkeypatch.setattr(cardload, "STALE_S", -1.0)
    assert watch.newest() == UNKNOWN


def test_without_the_program_nobody_asks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    watch = CardWatch(lambda: pytest.fail("which card it is was asked for"))
    assert watch.newest() == UNKNOWN
