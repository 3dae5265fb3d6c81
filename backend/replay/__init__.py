"""Recorded games: shards on disk, their admission, and what the trainer draws from them."""
