"""What an exported network says about itself, as texts: every format has room for those.

Whoever has only the file can feed it: what the planes are, how moves are numbered, whose view the
outputs take. `docs/encoding.md` draws it all.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from backend.checkpoints import Manifest
from model.encoding import KNOWLEDGE_PLANES, NUM_MOVES, PLANES
from model.encoding.moves import MOVE_ENCODING, NUM_OFFSETS

FORMAT: Final = "matrix0 network 1"
"""Version of what these texts are called and mean."""
INPUT: Final = "planes"
OUTPUTS: Final = ("policy", "wdl")

Facts = dict[str, str]


def facts_of(checkpoint: Path, manifest: Manifest, version: str) -> Facts:
    """Of the averaged network in `checkpoint`; `version` of this program."""
    config = manifest.model
    names = PLANES + (tuple(KNOWLEDGE_PLANES) if config.knowledge_planes else ())
    view = "the side to move plays up" if config.orientation == "mover" else "White plays up"
    return {
        "format": FORMAT,
        "matrix0": version,
        "run": run_of(checkpoint),
        "checkpoint": checkpoint.name,
        "step": str(manifest.step),
        "sha256": manifest.files["ema.safetensors"].sha256,
        "model": json.dumps(asdict(config)),
        "orientation": config.orientation,
        "input": f"{INPUT}: float32[N, {len(names)}, 8, 8], row 0 is rank 8 of a board on which "
        f"{view}, column 0 file a, all values 0 to 1",
        "planes": json.dumps(names),
        "move_encoding": str(MOVE_ENCODING),
        "output policy": f"float32[N, {NUM_MOVES}]: logits of all moves, legal or not; "
        f"index = origin square * {NUM_OFFSETS} + offset, a1 = 0 on that board",
        "output wdl": "float32[N, 3]: probabilities of win, draw and loss for the side to move",
    }


def run_of(checkpoint: Path) -> str:
    """The name of the run that a checkpoint lies in."""
    return checkpoint.resolve().parents[1].name
