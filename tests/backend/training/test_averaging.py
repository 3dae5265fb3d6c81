"""Stochastic weight averaging, against means worked out from the weights of every step."""

import torch
from torch import nn

from backend.training.averaging import Average
from backend.training.config import TrainingConfig


class Weights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.register_buffer("statistic", torch.zeros(3))
        self.register_buffer("count", torch.tensor(0))


def test_swa_is_the_mean_of_the_last_snapshots() -> None:
    config = TrainingConfig(average="swa", swa_every_steps=4, swa_snapshots=3)
    average, net = Weights(), Weights()
    kept = Average(average, net, config)
    snapshots = []
    for step in range(1, 17):
        with torch.no_grad():
            net.weight.fill_(step**2)
            net.statistic.fill_(-step)  # type: ignore[operator]
            net.count.fill_(step)  # type: ignore[operator]
        kept.update(step)
        if step < 4:
            # Until the first snapshot it is the network itself.
            assert average.weight[0] == step**2
        elif step % 4 == 0:
            snapshots.append(step**2)
            at_snapshot = average.weight.clone()
            assert average.count == step
        else:
            assert torch.equal(average.weight, at_snapshot)
        if step == 8:
            assert average.weight[0] == (16 + 64) / 2
            assert average.statistic[0] == -6  # type: ignore[index]
        if step == 12:
            torch.testing.assert_close(average.weight, torch.full((3,), (16 + 64 + 144) / 3))
    # From then on the older ones fade: the mean takes a third of the newest.
    expected = (16 + 64 + 144) / 3 * (2 / 3) + 256 / 3
    torch.testing.assert_close(average.weight, torch.full((3,), expected))
