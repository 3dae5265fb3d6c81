"""Copies of runs that can be brought back, made while the run is at work. Imports no torch."""
