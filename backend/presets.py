"""Named starting points: which settings differ from `Config()`, as TOML tables would write them."""

from typing import Any, Final

PRESETS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "tiny": {
        "model": {
            "channels": 32,
            "blocks": 4,
            "board_features": False,
            "attention_every": 0,
            "policy_head": "conv",
            "value_channels": 8,
            "value_hidden": 64,
            "aux_policy_heads": False,
            "ssl_heads": True,
        },
        "ssl": {"chunk_boards": 256},
        "search": {"simulations": 24, "gumbel_considered": 8},
        "selfplay": {"games": 96, "max_plies": 200},
        "replay": {"window_positions": 300_000, "min_positions": 6_000},
        "training": {
            "batch_size": 256,
            "learning_rate": 3e-3,
            "warmup_steps": 100,
            "decay_steps": 12_000,
            "ema_decay": 0.99,
            "steps_per_cycle": 300,
        },
        "evaluation": {"games": 80, "gate_elo1": 50.0, "baseline_games": 20, "max_plies": 200},
    },
    "small": {
        "model": {
            "channels": 128,
            "blocks": 10,
            "board_features": False,
            "attention_every": 0,
            "policy_head": "conv",
            "value_channels": 32,
            "value_hidden": 128,
            "aux_policy_heads": False,
            "ssl_heads": True,
        },
        "training": {"batch_size": 512, "learning_rate": 2e-3},
    },
    "flagship": {"model": {"ssl_heads": True, "plies_left_head": True}},
}
"""tiny learns on a laptop CPU in minutes, small wants a GPU, flagship is the 53 M network.

The games of tiny are few, so that the first ones end soon; 256 would be a tenth faster."""
