"""The curves of a run as event files of TensorBoard. The run's own records stay the truth.

    matrix0.db: metrics     training in the loop
    metrics.jsonl           training on imported games

Each export is made anew. tensorboardX, an optional dependency, writes such files without
TensorBoard itself.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from backend.errors import ConfigError, RunDirectoryError
from backend.events import TrainingStep
from backend.rundir import RunDirectory
from backend.store.reading import Reading, readings
from backend.wire import decode_event

SUFFIX: Final = ".matrix0"
"""End of the names of our event files: only these are replaced."""


class Exported(NamedTuple):
    """What was written."""

    curves: int
    points: int


def export_curves(run: RunDirectory, target: Path) -> Exported:
    """Writes every point of every curve under `target`, in place of an earlier export.

    ConfigError without tensorboardX, RunDirectoryError for a run without curves.
    """
    if find_spec("tensorboardX") is None:
        raise ConfigError(
            "event files need tensorboardX: pip install -c constraints.txt -e '.[tensorboard]'"
        )
    points = readings(run.database) if run.database.exists() else []
    points += _imported(run.metrics_file)
    if not points:
        raise RunDirectoryError(f"{run.path}: no curve yet; they begin with the training")

    from tensorboardX import SummaryWriter

    for earlier in target.glob(f"events.out.tfevents.*{SUFFIX}"):
        earlier.unlink()
    with SummaryWriter(str(target), filename_suffix=SUFFIX) as writer:
        for point in points:
            writer.add_scalar(point.name, point.value, point.step, point.at)
    return Exported(len({point.name for point in points}), len(points))


def _imported(file: Path) -> list[Reading]:
    """Those of training on imported games; a last line that was cut is left out."""
    lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
    events = [decode_event(line) for line in lines if line.endswith(b"\n")]
    return [
        Reading(name, event.step, value, event.at)
        for event in events
        if isinstance(event, TrainingStep)
        for name, value in event.metrics.items()
    ]
