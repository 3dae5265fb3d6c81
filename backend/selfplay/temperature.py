"""How freely moves are drawn from a search's policy, by how far the game has come."""

from backend.config import SelfPlayConfig


def temperature_at(config: SelfPlayConfig, ply: int) -> float:
    """The temperature of the move at `ply`; 0 means that the best move is played.

    step: `temperature` for the first `temperature_plies`, then `temperature_end`. linear: falls
    from one to the other over these plies. half_life: half of what is left goes each
    `temperature_plies`, as in KataGo.
    """
    start, end, plies = config.temperature, config.temperature_end, config.temperature_plies
    if plies == 0:
        return end
    match config.temperature_decay:
        case "step":
            return start if ply < plies else end
        case "linear":
            return start + (end - start) * min(1.0, ply / plies)
        case "half_life":
            return float(end + (start - end) * 0.5 ** (ply / plies))
