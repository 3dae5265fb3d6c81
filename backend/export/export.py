"""One network to one artefact, with proof.

Shapes: N positions, K move slots.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from backend.checkpoints import read_manifest
from backend.commit import AddFile, commit_directory, commit_file, sha256_of
from backend.errors import ExitCode, Matrix0Error
from backend.export.facts import Facts, facts_of
from backend.export.formats import Format, Judge
from backend.export.parity import Parity, worst
from backend.inference.agreement import Answers
from backend.inference.positions import list_moves, sample_positions
from backend.replay.shards import list_shards
from backend.weights import load_network
from model.encoding import encode_planes
from model.net import ChessNet

BATCHES: Final = (1, 3, 17, 64)
"""Sizes that take turns in the comparison: an artefact with a batch of its own fails at once."""
REPORT_SUFFIX: Final = ".json"


class ExportRefusedError(Matrix0Error):
    """What was written does not answer as the network does; nothing of it was kept."""

    exit_code = ExitCode.NO


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was exported, and how it answered when it was read back."""

    artefact: str
    """Name of the file or folder that lies beside this report."""
    sha256: dict[str, str]
    """Of each file: by its name, or by its path inside the folder."""
    num_bytes: int
    facts: Facts
    runtime: str
    positions: str
    """Where those that were compared are from."""
    parity: Parity


def export_network(
    checkpoint: Path,
    target: Path,
    form: Format,
    *,
    version: str,
    num_positions: int,
    say: Callable[[str], None],
) -> Report:
    """Commits `target` and, beside it, `target` + .json: the averaged network of `checkpoint`.

    `version` is this program's. ExportRefusedError when it does not agree with torch in float32;
    CheckpointError when the checkpoint is unfit, the errors of `backend.commit` of the disk.
    """
    net = load_network(checkpoint)
    facts = facts_of(checkpoint, read_manifest(checkpoint), version)
    source, positions = _positions(checkpoint, num_positions)
    with tempfile.TemporaryDirectory(prefix="matrix0-export-") as folder:
        draft = Path(folder) / target.name
        say(f"writing {target.name}")
        form.write(net, facts, draft)
        say(f"comparing with {form.runtime} on {num_positions:,} positions of {source}")
        parity = compare_network(net, form.read(draft), positions)
        if fault := parity.fault(form.limits):
            raise ExportRefusedError(
                f"{target.name} was not kept: read back by {form.runtime} it differs from torch "
                f"float32 on {num_positions:,} positions of {source}: {fault}"
            )
        files = {name: file.read_bytes() for name, file in _files(draft)}
        report = Report(
            artefact=target.name,
            sha256={name: sha256_of(file) for name, file in _files(draft)},
            num_bytes=sum(map(len, files.values())),
            facts=facts,
            runtime=form.runtime,
            positions=source,
            parity=parity,
        )
        _commit(target, files, report, is_folder=draft.is_dir())
    return report


def report_path(target: Path) -> Path:
    return target.with_name(target.name + REPORT_SUFFIX)


def compare_network(net: ChessNet, judge: Judge, positions: NDArray[np.uint64]) -> Parity:
    """How `judge` differs from `net` in torch float32; in batches of several sizes."""
    config = net.config
    move_index, num_moves = list_moves(positions, config.orientation)

    def ask(judge: Judge) -> Answers:
        logits = np.zeros(move_index.shape, np.float32)
        wdl = np.zeros((len(positions), 3), np.float32)
        for rows in _batches(len(positions)):
            planes = encode_planes(
                positions[rows], config.orientation, knowledge=config.knowledge_planes
            )
            policy, wdl[rows] = judge(planes)
            logits[rows] = np.take_along_axis(policy, move_index[rows].astype(np.int64), axis=1)
        return Answers(logits, wdl)

    return worst(ask(_reference(net)), ask(judge), num_moves)


def _reference(net: ChessNet) -> Judge:
    """The network as it is, nothing folded."""

    @torch.inference_mode()
    def judge(planes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        output = net(torch.from_numpy(planes))
        if output.wdl_logits_B3 is not None:
            wdl = output.wdl_logits_B3.softmax(dim=1)
        else:
            win = (1 + output.value_B) / 2
            wdl = torch.stack((win, torch.zeros_like(win), 1 - win), dim=1)
        return output.policy_logits_BM.numpy(), wdl.numpy()

    return judge


def _batches(count: int) -> Iterator[slice]:
    first = 0
    for size in cycle(BATCHES):
        if first >= count:
            return
        yield slice(first, min(count, first + size))
        first += size


def _positions(checkpoint: Path, count: int) -> tuple[str, NDArray[np.uint64]]:
    """Different positions of the run that the checkpoint lies in, and where they are from."""
    run = checkpoint.resolve().parents[1]
    for folder in (run / "replay", run / "imported"):
        if list_shards(folder):
            return f"{run.name}/{folder.name}", sample_positions(folder, count, seed=0)
    return "random games", sample_positions(None, count, seed=0)


def _files(draft: Path) -> list[tuple[str, Path]]:
    if draft.is_file():
        return [(draft.name, draft)]
    found = sorted(path for path in draft.rglob("*") if path.is_file())
    return [(path.relative_to(draft).as_posix(), path) for path in found]


def _commit(target: Path, files: dict[str, bytes], report: Report, *, is_folder: bool) -> None:
    # The report first: without its artefact it does no harm, the artefact without it would.
    text = msgspec.json.format(msgspec.json.encode(asdict(report)), indent=1)
    commit_file(report_path(target), text + b"\n")
    if not is_folder:
        commit_file(target, files[target.name])
        return

    def fill(add: AddFile) -> None:
        for name, content in files.items():
            add(name, content)

    commit_directory(target, fill)
