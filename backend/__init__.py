"""What runs: search, self-play, replay, training, evaluation, workers, supervisor. No terminal."""
