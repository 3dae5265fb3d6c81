"""Networks as OpenVINO graphs on disk, so that a start needs no torch: its import takes a second.

    <user's cache>/networks/<hash>/    1.xml 1.bin 8.xml 8.bin ...    one graph for each batch size

The hash is that of the checkpoint's weights and of what turns them into graphs; nothing is ever
changed, only the oldest folders are dropped. All of it can be made again from the checkpoint.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from backend.checkpoints import Manifest
from backend.commit import AddFile, NotCommittedError, commit_directory
from backend.errors import CheckpointError
from model.rules import cache_folder

if TYPE_CHECKING:
    import openvino as ov

_KEPT: Final = 8
_SOURCES: Final = ("openvino_graph.py", "folding.py")
_INFERENCE: Final = Path(__file__).resolve().parents[1] / "inference"


def place_for(manifest: Manifest, sizes: Sequence[int]) -> Path | None:
    """Where the graphs of a checkpoint belong; None where nothing can be kept on this machine."""
    kernels = cache_folder()
    if kernels is None:
        return None
    digest = hashlib.sha256(manifest.files["ema.safetensors"].sha256.encode())
    digest.update(f"{version('openvino')} {sorted(sizes)} {manifest.model!r}".encode())
    for name in _SOURCES:
        digest.update((_INFERENCE / name).read_bytes())
    return kernels.parent / "networks" / digest.hexdigest()[:24]


def put(place: Path, sizes: Sequence[int], graph: "Callable[[int], ov.Model]") -> None:
    """Write the graph of each batch size; all or nothing."""
    import openvino as ov

    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            ov.save_model(graph(size), Path(folder) / f"{size}.xml", compress_to_fp16=False)
        files = {file.name: file.read_bytes() for file in Path(folder).iterdir()}

    def fill(add: AddFile) -> None:
        for name, content in files.items():
            add(name, content)

    try:
        commit_directory(place, fill)
    except NotCommittedError:
        if not place.is_dir():  # Another process has just put it there.
            raise
    shelved = sorted(place.parent.iterdir(), key=lambda path: path.stat().st_mtime)
    for old in shelved[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def take(place: Path, size: int) -> "ov.Model":
    """The graph for batches of `size`. CheckpointError when it cannot be read."""
    import openvino as ov

    file = place / f"{size}.xml"
    try:
        return ov.Core().read_model(file)
    except RuntimeError as error:
        raise CheckpointError(f"{file}: damaged; delete its folder, it is made again") from error
