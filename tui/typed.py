"""What is typed of a move, key by key: no mode, a move begins where a letter of one is pressed."""

import chess

from backend.play.entry import FIRST_SIGNS, completions


class TypedMove:
    """The text so far; empty when nothing is being typed."""

    def __init__(self) -> None:
        self.text = ""

    def clear(self) -> None:
        self.text = ""

    def press(self, key: str, char: str, board: chess.Board) -> bool:
        """Take in a key; False when it means something else. Enter is taken while there is text,
        and whoever asks reads the move."""
        if not self.text:
            begins = bool(char) and char in FIRST_SIGNS
            self.text = char if begins else ""
            return begins
        match key:
            case "backspace":
                self.text = self.text[:-1]
            case "escape":
                self.text = ""
            case "tab":
                self._complete(board)
            case "enter" | "space":
                pass
            case _ if len(char) == 1 and char.isprintable():
                self.text += char
            case _:
                return False
        return True

    def _complete(self, board: chess.Board) -> None:
        """As far as all legal moves agree."""
        begun = completions(board, self.text)
        if begun:
            common = begun[0]
            for move in begun:
                while not move.startswith(common):
                    common = common[:-1]
            self.text = common if len(common) >= len(self.text) else self.text
