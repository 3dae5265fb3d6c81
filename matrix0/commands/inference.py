"""`matrix0 inference`: how fast each way to compute a network is here, and how far it is off."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from matrix0.commands.options import FIRST_PRESET, JsonOption, PresetOption, echo

if TYPE_CHECKING:
    from backend.inference.choose import Judged


def inference(
    preset: PresetOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="A checkpoint's directory.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure every way to compute a network on this machine, and its agreement with float32."""
    from backend.device import choose_device
    from backend.inference.choose import Chooser
    from backend.selfplay.groups import batch_size, num_groups
    from backend.settings import build_config
    from backend.weights import load_network
    from model.net import ChessNet

    config = build_config(preset or FIRST_PRESET)
    net = load_network(checkpoint) if checkpoint else ChessNet(config.model)
    name = checkpoint.name if checkpoint else f"{preset or FIRST_PRESET}, untrained"
    device = choose_device(config.device)
    # A checkpoint lies in <run>/checkpoints, beside the games it is to be judged on.
    replay = checkpoint.resolve().parents[1] / "replay" if checkpoint else None
    batch = batch_size(config.selfplay, num_groups(config.selfplay, device.kind))
    chooser = Chooser(config.inference, device, batch=batch, replay=replay, seed=config.seed)
    judged = chooser.judge_all(net)
    if as_json:
        echo(json.dumps([_as_data(one) for one in judged]))
    else:
        _show(f"{name}, batch {batch}, {device.reason}", judged)


def _as_data(one: "Judged") -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "backend": one.candidate.backend,
        "precision": one.candidate.precision,
        "evaluations_per_s": one.evaluations_per_s,
        "fault": one.fault,
        **(asdict(one.agreement) if one.agreement else {}),
    }


def _show(title: str, judged: "list[Judged]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from backend.inference.candidates import REFERENCE

    reference = next(one for one in judged if one.candidate == REFERENCE)
    table = Table(title=Text(title), box=box.SIMPLE, title_justify="left")
    for heading in ("", "eval/s", "ratio", "KL nats", "flips", "|dv|", "max |dv|"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_column("may play")
    for one in judged:
        agreement = one.agreement
        differences = ["-"] * 4
        if agreement:
            differences = [
                f"{agreement.policy_kl:.1e}",
                f"{agreement.top1_flips:.1%}",
                f"{agreement.value_error:.4f}",
                f"{agreement.max_value_error:.3f}",
            ]
        ratio = one.evaluations_per_s / reference.evaluations_per_s
        row = [str(one.candidate), f"{one.evaluations_per_s:,.0f}", f"{ratio:.1f}x", *differences]
        table.add_row(*map(Text, row), Text(f"no: {one.fault}" if one.fault else "yes"))
    Console().print(table)
