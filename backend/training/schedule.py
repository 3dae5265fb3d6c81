"""The learning rate as a function of the step."""

import math

from backend.training.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Rate of the step after `step` steps: linear warm-up, then by the schedule."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    decays = (step - config.warmup_steps) / config.decay_steps
    least = config.final_lr_frac
    match config.schedule:
        case "cosine":
            share = least + (1 - least) * (1 + math.cos(math.pi * min(1.0, decays))) / 2
        case "step":
            share = max(least, config.decay_factor ** math.floor(decays))
        case "constant":
            share = 1.0
    return config.learning_rate * share
