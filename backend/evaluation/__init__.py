"""Measuring networks: matches under an independent referee, ratings, the gate."""
