"""The engine as a UCI program; `docs/uci.md` describes it.

protocol.py  lines of the interface, parsed; nothing else
options.py   the table of options
words.py     reports as `info` lines, thoughts as `bestmove`
program.py   the main thread: reads, answers at once, hands work to the other thread
desk.py      that other thread's work: the network, the game, the search
"""
