"""Ablations: networks that differ in a setting, trained on the same data, measured and compared."""
