"""The workers' pane says how the selected worker computes its network."""

from backend.events import InferenceChosen
from backend.fold import fold
from backend.state import RunState
from tests.tui.conftest import FakeLink, screen
from tui.panes.workers import WorkersPane


async def test_the_selected_worker_shows_its_runtime_and_speed(rich: RunState) -> None:
    chosen = InferenceChosen(
        worker="selfplay-0",
        network="step-00002000",
        backend="openvino",
        precision="int8",
        evaluations_per_s=21_300.0,
        policy_kl=3e-6,
        top1_flips=0.02,
        value_error=0.004,
        max_value_error=0.05,
    )
    async with screen(FakeLink(fold(rich, chosen))) as (app, _):
        pane = app.dashboard.query_one(WorkersPane)
        assert pane.border_subtitle == "selfplay-0: openvino int8 21k/s"
