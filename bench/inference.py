"""Every way to compute a network on this machine against torch eager float32, with its agreement.

On ready batches of the preset's size, with untrained networks; `matrix0 inference --checkpoint`
does the same for a trained one. Then self-play, with what it would choose and with torch float32.
"""

import torch
from _table import Row, show
from selfplay import real_loop

from backend.device import choose_device
from backend.inference.candidates import REFERENCE
from backend.inference.choose import Chooser, Judged
from backend.inference.front import Inference
from backend.selfplay.groups import batch_size, num_groups
from backend.settings import build_config
from model.net import ChessNet


def judge(preset: str) -> list[Judged]:
    """All candidates on the untrained network of a preset, fastest first."""
    config = build_config(preset)
    device = choose_device(config.device)
    batch = batch_size(config.selfplay, num_groups(config.selfplay, device.kind))
    chooser = Chooser(config.inference, device, batch=batch, replay=None, seed=config.seed)
    return chooser.judge_all(ChessNet(config.model))


def rows_of(preset: str, judged: list[Judged]) -> list[Row]:
    reference = next(one for one in judged if one.candidate == REFERENCE)
    rows = []
    for one in judged:
        found = one.fault
        if one.agreement is not None:
            found += (
                f" KL {one.agreement.policy_kl:.1e}, flips {one.agreement.top1_flips:.1%}, "
                f"|dv| {one.agreement.value_error:.4f}"
            )
        rows.append(
            Row(
                what=f"{preset}, {one.candidate}:{found}",
                value=one.evaluations_per_s,
                unit="evaluations/s",
                baseline=reference.evaluations_per_s,
                against=str(REFERENCE),
            )
        )
    return rows


def selfplay_row(preset: str, fast: Inference, slow: Inference) -> Row:
    """Searched positions a second of the same loop with two evaluators."""
    config = build_config(preset)
    return Row(
        what=f"self-play of {preset}, one worker",
        value=real_loop(config, fast, 15.0)["positions"],
        unit="positions/s",
        baseline=real_loop(config, slow, 15.0)["positions"],
        against=str(REFERENCE),
    )


def main() -> None:
    torch.set_num_threads(1)
    tiny, small = judge("tiny"), judge("small")
    rows = [*rows_of("tiny", tiny), *rows_of("small", small)]
    fastest = next(one.inference for one in tiny if one.inference and not one.fault)
    reference = next(one.inference for one in tiny if one.candidate == REFERENCE)
    assert reference is not None
    rows.append(selfplay_row("tiny", fastest, reference))
    show("Inference, one thread", rows)


if __name__ == "__main__":
    main()
