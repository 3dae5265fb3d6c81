"""A proposal as a settings file, each figure beside what it follows from."""

from backend.advice.rule import SAMPLES_PER_WEIGHT, Machine, Proposal
from backend.settings_text import setting_text


def proposal_lines(machine: Machine, chosen: Proposal) -> list[tuple[str, str, str, str]]:
    """(table, key, value, why) of each setting."""
    speed = next(one for one in machine.speeds if one.preset == chosen.preset)
    batches = ", ".join(f"{size}: {rate:,.0f}" for size, rate in speed.samples_per_s.items())
    return [
        (
            "search",
            "simulations",
            setting_text(chosen.simulations),
            f"{speed.evaluations_per_s:,.0f} evaluations/s a worker by {speed.runtime}",
        ),
        (
            "selfplay",
            "workers",
            setting_text(chosen.workers),
            f"{machine.cores} cores, {machine.memory_gib:.0f} GiB, {machine.device}",
        ),
        (
            "selfplay",
            "games",
            setting_text(chosen.games),
            "the fewest that keep a worker busy",
        ),
        (
            "training",
            "batch_size",
            setting_text(chosen.batch_size),
            f"samples/s by batch: {batches}",
        ),
        (
            "training",
            "learning_rate",
            setting_text(chosen.learning_rate),
            "the preset's, by the square root of the batch",
        ),
    ]


def predictions(chosen: Proposal) -> list[str]:
    """What to expect, a line each."""
    return [
        f"self-play {chosen.positions_per_s:,.1f} positions/s, which buy "
        f"{chosen.samples_per_s:,.1f} samples/s",
        f"the trainer alone could present {chosen.trainer_alone_per_s:,.0f} samples/s; "
        f"{chosen.waits}",
        f"self-play takes {chosen.selfplay_share:.0%} of the time, training the rest",
        f"{SAMPLES_PER_WEIGHT} samples for each weight after {chosen.hours_to_goal:,.1f} h",
        f"{chosen.memory_gib:.1f} GiB of memory",
    ]


def as_toml(machine: Machine, chosen: Proposal) -> str:
    """A file that --config takes."""
    lines = [
        "# Proposed by matrix0 tune from what it measured on this machine:",
        f"# {machine.reason}.",
        "# Predicted, not measured:",
        *(f"# - {text}" for text in predictions(chosen)),
        f"preset = {setting_text(chosen.preset)}",
    ]
    table = ""
    for name, key, value, why in proposal_lines(machine, chosen):
        if name != table:
            lines += ["", f"[{name}]"]
            table = name
        lines.append(f"{key} = {value}  # {why}")
    return "\n".join(lines) + "\n"
