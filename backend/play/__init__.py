"""A person against an engine: the game, what is typed, and the process that thinks. No terminal.

game.py       the game itself; python-chess alone says how it ended
entry.py      typed text as a move, and how it may be completed
openings.py   what an opening is called
opponents.py  who can be played
wire.py       orders to the engine process and its answers, one JSON line each
process.py    that process as the screen sees it; loads no torch
thinker.py    what runs in it
"""
