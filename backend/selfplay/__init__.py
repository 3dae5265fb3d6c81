"""Self-play: games from the first position to the record; knows no torch, files or processes."""
