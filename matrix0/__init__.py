"""The front door: makes `tui`, `backend` and `model` importable, then the command line starts.

In a checkout the three packages lie beside this one; in a wheel they lie inside it, so that an
installation adds one name to site-packages. Their folder goes first on the path: a stranger's
package called `model` must not be found instead of ours.
"""

import sys
from pathlib import Path

__version__ = "0.1.0"


def _packages_root() -> Path:
    own_folder = Path(__file__).resolve().parent
    return own_folder if (own_folder / "backend").is_dir() else own_folder.parent


def _put_first_on_path(folder: str) -> None:
    sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]


_put_first_on_path(str(_packages_root()))
