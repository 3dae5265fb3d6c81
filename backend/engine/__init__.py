"""The engine: one position, a budget, a move. For play, analysis and any protocol in front of it.

limits.py    what a search may cost, and how much of a clock one move gets
course.py    a game given as a start and its moves
thinker.py   Thinker: searches a position until its limits, a stop, or a proof
tables.py    Syzygy tables at the root
network.py   which network plays, and making it ready

The tree and its batches are in `backend/search/` (single.py, flight.py, lines.py).
"""
