"""Matches in several playing halls at once: processes that have both players each."""
