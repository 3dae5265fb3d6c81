"""The fastest runtime whose answers agree with torch in float32, found by measuring.

    first network   every candidate is made, timed and compared; the order of speed is kept
    later ones      the fastest is made and compared; only if it disagrees the next slower one

Torch in float32 agrees with itself, so the search always ends.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from backend.config import InferenceConfig
from backend.device import Device
from backend.errors import DeviceError, NonFiniteError
from backend.inference.agreement import Agreement, Answers, compare
from backend.inference.candidates import REFERENCE, Candidate, Workshop, list_candidates
from backend.inference.front import Inference
from backend.inference.positions import list_moves, sample_positions
from backend.text import clean
from model.net import ChessNet


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A candidate on one network. `fault` says why it may not play; empty when it may."""

    candidate: Candidate
    inference: Inference | None
    """None when it could not be made or its answers were not finite."""
    evaluations_per_s: float
    """On ready batches, encoding included; 0 when unknown."""
    agreement: Agreement | None
    fault: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a network is played with."""

    candidate: Candidate
    inference: Inference
    evaluations_per_s: float
    """On ready batches, when the candidate was first taken."""
    agreement: Agreement
    rejected: tuple[str, ...]
    """The faster candidates that may not play this network, each with the reason."""

    def facts(self) -> dict[str, Any]:
        """The fields of an `InferenceChosen` that are not the worker's to say."""
        return {
            **asdict(self.candidate),
            "evaluations_per_s": self.evaluations_per_s,
            **asdict(self.agreement),
            "rejected": self.rejected,
        }


class Chooser:
    """Chooses for one network after the other. Not for use by two threads."""

    def __init__(
        self, config: InferenceConfig, device: Device, *, batch: int, replay: Path | None, seed: int
    ) -> None:
        """`batch`: the positions of a full batch in play. `replay`: where shards are, if anywhere.

        DeviceError when `config` asks for what this machine cannot do.
        """
        self._config = config
        self._device = device
        self.batch = batch
        """For the networks to come."""
        self._replay = replay
        self._seed = seed
        self._order = list_candidates(device, config)
        self._is_ordered = len(self._order) == 1
        self._speeds: dict[Candidate, float] = {}

    def choose(self, net: ChessNet) -> Choice:
        """The fastest that agrees. NonFiniteError when the network itself is broken."""
        judged: Iterable[Judged] = self._judge(net, self._order)
        if not self._is_ordered:
            asked = self._order
            judged = sorted(judged, key=lambda j: (j.candidate not in asked, -j.evaluations_per_s))
            self._order = [j.candidate for j in judged if j.candidate in asked]
            self._is_ordered = True
        rejected: list[str] = []
        for one in judged:
            if not one.fault and one.inference is not None and one.agreement is not None:
                # Later measurements are disturbed by the games that go on meanwhile.
                speed = self._speeds.setdefault(one.candidate, one.evaluations_per_s)
                return Choice(
                    candidate=one.candidate,
                    inference=one.inference,
                    evaluations_per_s=speed,
                    agreement=one.agreement,
                    rejected=tuple(rejected),
                )
            rejected.append(f"{one.candidate}: {one.fault}")
        raise AssertionError("the reference agrees with itself")

    def judge_all(self, net: ChessNet) -> list[Judged]:
        """Every candidate on `net`, fastest first."""
        return sorted(self._judge(net, self._order), key=lambda j: -j.evaluations_per_s)

    def _judge(self, net: ChessNet, candidates: list[Candidate]) -> Iterator[Judged]:
        """Each candidate in turn, the reference last where it was not asked for."""
        num_calibration = self._config.calibration_positions
        num_compared = self._config.agreement_positions
        if candidates == [REFERENCE]:
            # There is nothing to compare; one batch tells the speed.
            num_calibration, num_compared = 0, min(num_compared, self.batch)
        positions = sample_positions(self._replay, num_calibration + num_compared, self._seed)
        calibration, compared = np.split(positions, [num_calibration])
        workshop = Workshop(net, self._device, batch=self.batch, calibration=calibration)
        exam = _Exam(workshop, compared, self._config)
        for candidate in candidates:
            yield exam.judge(candidate)
        if REFERENCE not in candidates:
            yield exam.reference


class _Exam:
    """The same positions put to each candidate."""

    def __init__(
        self, workshop: Workshop, positions: NDArray[np.uint64], config: InferenceConfig
    ) -> None:
        self._workshop = workshop
        self._config = config
        self._positions = positions
        orientation = workshop.net.config.orientation
        self._move_index, self._num_moves = list_moves(positions, orientation)
        inference = Inference(workshop.net, workshop.device, workshop.make(REFERENCE))
        self._wanted, speed = self._ask(inference)
        self.reference = Judged(
            candidate=REFERENCE,
            inference=inference,
            evaluations_per_s=speed,
            agreement=compare(self._wanted, self._wanted, self._num_moves),
            fault="",
        )

    def judge(self, candidate: Candidate) -> Judged:
        if candidate == REFERENCE:
            return self.reference
        try:
            runtime = self._workshop.make(candidate)
            inference = Inference(self._workshop.net, self._workshop.device, runtime)
            answers, speed = self._ask(inference)
        except (DeviceError, NonFiniteError) as error:
            return Judged(
                candidate=candidate,
                inference=None,
                evaluations_per_s=0.0,
                agreement=None,
                fault=clean(str(error), 300),
            )
        agreement = compare(self._wanted, answers, self._num_moves)
        return Judged(
            candidate=candidate,
            inference=inference,
            evaluations_per_s=speed,
            agreement=agreement,
            fault=agreement.fault(self._config),
        )

    def _ask(self, inference: Inference) -> tuple[Answers, float]:
        """All answers, and positions a second of the fastest batch: others were disturbed.

        On a CPU by processor time: other processes, workers that start with this one among them,
        shall not make a candidate look slow.
        """
        on_cpu = self._workshop.device.kind == "cpu"
        clock = time.process_time if on_cpu else time.perf_counter
        threads = torch.get_num_threads() if on_cpu else 1
        count = len(self._positions)
        size = min(self._workshop.batch, count)
        logits = np.zeros(self._move_index.shape, np.float32)
        wdl = np.zeros((count, 3), np.float32)
        fastest_s = np.inf
        # The last batch overlaps the one before it, so that all are full.
        for first in [*range(0, count - size, size), count - size]:
            rows = slice(first, first + size)
            began = clock()
            logits[rows], wdl[rows] = inference(
                self._positions[rows], self._move_index[rows], self._num_moves[rows]
            )
            fastest_s = min(fastest_s, clock() - began)
        return Answers(logits, wdl), size * threads / fastest_s
