"""The memory limit of a process, through the device interface; the GPU is only pretended."""

from types import SimpleNamespace

import pytest
import torch

from backend.accelerator import Cuda
from backend.cardload import UNKNOWN
from backend.config import DeviceConfig
from backend.device import GIB, choose_device

TOTAL = 32 * GIB


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The shares of its memory that were allowed to this process; torch sees both kinds of GPU."""
    allowed: list[float] = []
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda precision: None)
    gpu = {
        "is_available": lambda: True,
        "current_device": lambda: 0,
        "get_device_name": lambda device: "pretended",
        "is_bf16_supported": lambda: True,
        "get_device_properties": lambda device: SimpleNamespace(total_memory=TOTAL, uuid="0a1b"),
        "set_per_process_memory_fraction": lambda frac, device: allowed.append(frac),
        "memory_allocated": lambda device: 1 * GIB,
        "memory_reserved": lambda device: 3 * GIB,
    }
    for name, function in gpu.items():
        monkeypatch.setattr(torch.cuda, name, function)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: TOTAL)
    monkeypatch.setattr(torch.mps, "current_allocated_memory", lambda: 1 * GIB)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 3 * GIB)
    monkeypatch.setattr(torch.mps, "set_per_process_memory_fraction", allowed.append)
    return allowed


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_gpu_process_may_hold_what_the_setting_allows(kind: str, limits: list[float]) -> None:
    device = choose_device(DeviceConfig(kind=kind, memory_limit_gib=8))  # type: ignore[arg-type]
    assert limits == [0.25]
    assert device.memory_mib() == (3 * 1024, 32 * 1024)


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_limit_above_what_there_is_allows_all_of_it(kind: str, limits: list[float]) -> None:
    choose_device(DeviceConfig(kind=kind, memory_limit_gib=64))  # type: ignore[arg-type]
    assert limits == [1.0]


def test_on_the_cpu_nothing_is_limited_and_nothing_is_told(limits: list[float]) -> None:
    device = choose_device(DeviceConfig(kind="cpu", memory_limit_gib=8))
    assert limits == []
    assert device.memory_mib() == (None, None)


def test_only_an_nvidia_card_has_somebody_who_knows_how_busy_it_is(limits: list[float]) -> None:
    cuda = choose_device(DeviceConfig(kind="cuda"))
    assert cuda.watch is not None
    assert isinstance(cuda.accelerator, Cuda)
    assert cuda.accelerator.card_name() == "GPU-0a1b"
    for kind in ("mps", "cpu"):
        device = choose_device(DeviceConfig(kind=kind))
        assert device.watch is None
        assert device.load() == UNKNOWN
    assert limits
