"""A team of processes over torch.distributed: gloo between CPUs, NCCL between NVIDIA GPUs.

Only loaded where several processes train. Orders and parts of batches go from the leader to each
follower as bytes with a JSON header (over gloo, also on GPUs: they come from the CPU); gradients,
metrics and the statistics of BatchNorm are added up on the devices.

The gradients are added up once at the end of a step. torch's own wrapper, DistributedDataParallel,
wants a single forward and backward pass of the whole module; our step has many (heads of squares
answer by chunks of boards, each with its backward pass), so it would wait for ready buckets that
never come, or add up several times.

Shapes: N processes, B rows of this process, C channels.
"""

import contextlib
import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from backend.checkpoints import PARTS, Arrays, Part
from backend.errors import DeviceError, WorkerError
from backend.training.flattening import flat, unflat
from backend.training.objective import Examples, Rows
from backend.training.team import StepOrder

LEADER: Final = 0
PATIENCE: Final = datetime.timedelta(days=365)
"""Followers wait as long as the leader waits for self-play. Whose partner dies learns of it by the
connection, and a step that hangs is seen by who watches the leader."""
_ALIGNED: Final = 8
_DTYPES: Final = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float64, torch.float32, torch.float16, torch.bfloat16),
        *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
    )
}


class Begin(msgspec.Struct, frozen=True, tag=True):
    """The first order: what is trained."""

    run: str
    """The run's directory, from where a follower reads the settings."""


class TakeState(msgspec.Struct, frozen=True, tag=True):
    step: int


class TakePart(msgspec.Struct, frozen=True, tag=True):
    """Examples: one micro-batch of a step."""

    size: int
    weights: dict[str, float]


class TakeStep(msgspec.Struct, frozen=True, tag=True):
    """Parts follow."""

    order: StepOrder
    parts: int


class Finish(msgspec.Struct, frozen=True, tag=True):
    """Training is over."""


Word = Begin | TakeState | TakePart | TakeStep | Finish


class _Header(msgspec.Struct, frozen=True):
    word: Word
    tensors: list[tuple[str, str, list[int]]]
    """Name, type and shape of each."""


class TorchTeam:
    """Made when the process group stands; `close` takes it down."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self._is_together = False
        self._decoder = msgspec.json.Decoder[_Header](_Header)

    @property
    def size(self) -> int:
        return dist.get_world_size()

    @property
    def is_together(self) -> bool:
        return self._is_together

    def close(self) -> None:
        """The leader's: lets the followers go."""
        self.tell_all(Finish())
        dist.destroy_process_group()

    # Team -----------------------------------------------------------------------------------------

    def synchronise(self, net: nn.Module) -> None:
        if next(net.parameters()).device.type == "mps":
            raise DeviceError("an Apple GPU trains alone; set training.processes = 1")
        for module in net.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = _TeamBatchNorm
                assert isinstance(module, _TeamBatchNorm)
                module.team = self

    def hand_state(self, step: int, parts: Mapping[Part, Arrays]) -> None:
        tensors = {
            f"{part}/{name}": torch.from_numpy(array)
            for part, arrays in parts.items()
            for name, array in arrays.items()
        }
        self.tell_all(TakeState(step), tensors)

    def hand_out(self, order: StepOrder, parts: Sequence[Examples]) -> list[Examples]:
        own = [parts[number :: self.size] for number in range(self.size)]
        for rank in range(1, self.size):
            self.tell(rank, TakeStep(order, len(own[rank])))
            for examples in own[rank]:
                self.tell(rank, _word_of(examples), _tensors_of(examples))
        return list(own[LEADER])

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        self._is_together = True
        try:
            with said_plainly():
                yield
        finally:
            self._is_together = False

    def add_up(
        self, parameters: Sequence[nn.Parameter], metrics: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
        tensors = [*gradients, *metrics.values()]
        numbers = flat(tensors)
        dist.all_reduce(numbers)
        found = unflat(numbers, tensors)
        torch._foreach_copy_(gradients, found[: len(gradients)])
        return dict(zip(metrics, found[len(gradients) :], strict=True))

    # Messages -------------------------------------------------------------------------------------

    def tell_all(self, word: Word, tensors: dict[str, Tensor] | None = None) -> None:
        """To every follower."""
        for rank in range(1, self.size):
            self.tell(rank, word, tensors)

    def tell(self, rank: int, word: Word, tensors: dict[str, Tensor] | None = None) -> None:
        """WorkerError when that process is gone."""
        tensors = tensors or {}
        named = [
            (name, str(tensor.dtype).removeprefix("torch."), list(tensor.shape))
            for name, tensor in tensors.items()
        ]
        header = msgspec.json.encode(_Header(word, named))
        content = _joined([_bytes_of(tensor) for tensor in tensors.values()])
        lengths = torch.tensor([len(header), len(content)])
        with said_plainly():
            dist.send(lengths, rank)
            dist.send(torch.frombuffer(bytearray(header), dtype=torch.uint8), rank)
            if len(content):
                dist.send(content, rank)

    def hear(self) -> tuple[Word, dict[str, Tensor]]:
        """What the leader says next; WorkerError when it is gone."""
        lengths = torch.zeros(2, dtype=torch.int64)
        with said_plainly():
            dist.recv(lengths, LEADER)
            header_bytes, content = (torch.empty(int(n), dtype=torch.uint8) for n in lengths)
            dist.recv(header_bytes, LEADER)
            if len(content):
                dist.recv(content, LEADER)
        header = self._decoder.decode(header_bytes.numpy().tobytes())
        tensors = {}
        start = 0
        for name, kind, shape in header.tensors:
            like = torch.empty(shape, dtype=_DTYPES[kind], device="meta")
            end = start + like.nbytes
            tensors[name] = content[start:end].view(like.dtype).view(shape)
            start = end + -end % _ALIGNED
        return header.word, tensors

    def hear_parts(self, count: int) -> list[Examples]:
        """The examples that were promised with a step."""
        parts = []
        for _ in range(count):
            word, tensors = self.hear()
            assert isinstance(word, TakePart)
            parts.append(_examples_of(word, tensors))
        return parts


class _TeamBatchNorm(nn.BatchNorm2d):
    """BatchNorm whose batch is that of all processes, whenever they compute together.

    torch's own SyncBatchNorm does that on GPUs only, and could not be switched off for a rehearsal.
    """

    team: TorchTeam

    def forward(self, x_BC88: Tensor) -> Tensor:
        if not (self.training and self.team.is_together):
            return super().forward(x_BC88)
        x = x_BC88.float()
        variance_C, mean_C = torch.var_mean(x, (0, 2, 3), correction=0)
        count_N, mean_NC, variance_NC = self._of_all(x.numel() / x.shape[1], mean_C, variance_C)
        count = count_N.sum()
        share_N1 = (count_N / count)[:, None]
        mean_C = (share_N1 * mean_NC).sum(0)
        variance_C = (share_N1 * (variance_NC + (mean_NC - mean_C).square())).sum(0)
        with torch.no_grad():
            self._remember(mean_C, variance_C * count / (count - 1))
        assert self.weight is not None
        scale_C = self.weight * (variance_C + self.eps).rsqrt()
        shift_C = self.bias - mean_C * scale_C
        return (x * scale_C[:, None, None] + shift_C[:, None, None]).to(x_BC88.dtype)

    def _of_all(
        self, count: float, mean_C: Tensor, variance_C: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """count_N, mean_NC, variance_NC: each process fills its own row, the sum has all."""
        row = torch.cat([mean_C.new_tensor([count]), mean_C, variance_C])
        own = F.one_hot(torch.tensor(self.team.rank), self.team.size).to(row)
        rows: Tensor = _Sum.apply(own[:, None] * row)  # type: ignore[no-untyped-call]
        count_N, mean_NC, variance_NC = torch.split(rows, [1, *2 * [len(mean_C)]], dim=1)
        return count_N[:, 0].detach(), mean_NC, variance_NC

    def _remember(self, mean_C: Tensor, variance_C: Tensor) -> None:
        """As BatchNorm does it; checkpointing takes the counter away for a second pass."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean_C, self.momentum)
        self.running_var.lerp_(variance_C, self.momentum)


class _Sum(torch.autograd.Function):
    """Over all processes; each learns from what all made of it."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


@contextlib.contextmanager
def said_plainly() -> Iterator[None]:
    """A broken connection as WorkerError; torch raises a RuntimeError for everything."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if isinstance(error, dist.DistError) or "gloo" in text or "Connection" in text:
            raise WorkerError(
                "a process of those that train together is gone; training goes on from the last "
                f"checkpoint when it is started again ({text.splitlines()[0].split('. ')[0]})"
            ) from error
        raise


def _word_of(examples: Examples) -> TakePart:
    return TakePart(examples.size, {str(head): w for head, w in examples.weights.items()})


def _tensors_of(examples: Examples) -> dict[str, Tensor]:
    """By names with slashes: view/planes, view/scale, view/head/target."""
    found = {}
    for view, rows in examples.views.items():
        found[f"{view}/planes"] = rows.planes_RC88
        if rows.scale_RL is not None:
            found[f"{view}/scale"] = rows.scale_RL
        for head, targets in rows.targets.items():
            found |= {f"{view}/{head}/{name}": tensor for name, tensor in targets.items()}
    return found


def _examples_of(word: TakePart, tensors: dict[str, Tensor]) -> Examples:
    views: dict[Any, Rows] = {}
    for view in dict.fromkeys(name.split("/")[0] for name in tensors):
        targets: dict[Any, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            match name.split("/"):
                case [own, head, target] if own == view:
                    targets.setdefault(head, {})[target] = tensor
        rows = Rows(tensors[f"{view}/planes"], targets, tensors.get(f"{view}/scale"))
        views[view] = rows
    weights: dict[Any, float] = dict(word.weights)
    return Examples(word.size, views, weights)


def _bytes_of(tensor: Tensor) -> Tensor:
    return tensor.contiguous().reshape(-1).view(torch.uint8)


def _joined(pieces: Sequence[Tensor]) -> Tensor:
    """uint8, each piece beginning at a multiple of _ALIGNED."""
    padded = [F.pad(piece, (0, -len(piece) % _ALIGNED)) for piece in pieces]
    return torch.cat(padded) if padded else torch.empty(0, dtype=torch.uint8)


def parts_of(tensors: dict[str, Tensor]) -> dict[str, Arrays]:
    """The state that `hand_state` gave away."""
    found: dict[str, dict[str, NDArray[Any]]] = {part: {} for part in PARTS}
    for name, tensor in tensors.items():
        part, own = name.split("/", 1)
        found[part][own] = tensor.numpy()
    return found
