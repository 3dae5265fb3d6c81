"""Runs side by side, read from their files: curves, best and final values, settings, events."""
