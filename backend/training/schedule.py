"""The learning rate as a function of the step."""

import math

from backend.config import TrainingConfig


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Rate of the step after `step` steps: linear warm-up, then a cosine, then constant."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = min(1.0, (step - config.warmup_steps) / config.decay_steps)
    cosine = (1 + math.cos(math.pi * progress)) / 2
    return config.learning_rate * (config.final_lr_frac + (1 - config.final_lr_frac) * cosine)
