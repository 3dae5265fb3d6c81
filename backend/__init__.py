"""What runs: search, self-play, replay, training, evaluation, workers, supervisor. No terminal."""

import sys

# On its import OpenVINO reports the machine to a web service, in a process of its own; without
# this module it has a stub for it. No import of ours can come before this line.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
