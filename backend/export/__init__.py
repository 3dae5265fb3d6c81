"""Networks for other programs: written, read back by the runtime they are for, compared, kept.

    checkpoint ─► draft in a folder of its own ─► its runtime ─┐
        └───────► torch, float32 ──────────────────────────────┴─► agree? ─► artefact and report

What does not agree is never seen under its name.
"""
