"""Whole screens: the dashboard, and the pages that open above it."""
