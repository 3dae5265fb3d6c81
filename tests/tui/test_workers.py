"""The workers' pane: how the selected one computes its network; on a cluster, machines."""

import pytest

from backend.cluster.events import ClusterSeen, NodeSeen
from backend.events import InferenceChosen
from backend.fold import fold
from backend.state import RunState
from tests.tui import scenario
from tests.tui.conftest import SMALL, FakeLink, draw, screen, toasts
from tests.tui.goldens import check_golden
from tests.tui.plain import plain
from tui.panes.workers import MAX_MACHINES, WorkersPane
from tui.screens.menu import MenuScreen


@pytest.fixture
def fleet(rich: RunState) -> RunState:
    return scenario.fold_all(scenario.fleet(rich.now), rich)


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


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("ascii", [False, True], ids=["unicode", "ascii"])
async def test_workers_of_a_cluster_stand_below_their_machine(
    fleet: RunState, size: tuple[int, int], ascii: bool
) -> None:
    async with screen(FakeLink(fleet), size, ascii=ascii) as (app, pilot):
        app.dashboard.go_to("workers")
        await draw(app, pilot)
        name = f"fleet-{size[0]}x{size[1]}" + "-ascii" * ascii
        check_golden(name, plain(app).text)


async def test_a_machine_under_the_cursor_says_what_moved_and_is_no_worker(
    fleet: RunState,
) -> None:
    link = FakeLink(fleet)
    async with screen(link, SMALL) as (app, pilot):
        app.dashboard.go_to("workers")
        await pilot.press("j")
        await draw(app, pilot)
        pane = app.dashboard.query_one(WorkersPane)
        assert pane.selected_worker == "sp3"
        await pilot.press("j")
        await draw(app, pilot)
        expected = "10.0.0.2: 8 cores · 9.0 MiB of games · 3.0 MiB of networks · 1 too old"
        assert pane.border_subtitle == expected
        assert app.dashboard.selected_worker == ""
        await pilot.press("enter")
        assert not isinstance(app.screen, MenuScreen)
        await pilot.press("w")
        assert toasts(app) == ["Pause or resume the selected worker: no worker is selected"]
        assert link.sent == []


async def test_the_pane_is_as_before_when_the_pool_is_local_again(
    rich: RunState, fleet: RunState
) -> None:
    link = FakeLink(rich)
    async with screen(link) as (app, pilot):
        before = plain(app).text.partition("╭─ log")[0]
        link.state, link.version = fleet, 2
        await draw(app, pilot)
        assert "a-long-n" in plain(app)
        link.state, link.version = rich, 3
        await draw(app, pilot)
        assert plain(app).text.partition("╭─ log")[0] == before


async def test_of_very_many_machines_the_first_are_listed_and_all_are_counted(
    rich: RunState,
) -> None:
    nodes = tuple(NodeSeen(name=f"m{n:04}", address="", is_alive=True) for n in range(1000))
    state = fold(rich, ClusterSeen(nodes=nodes, shard_bytes=0, network_bytes=0))
    async with screen(FakeLink(state)) as (app, _):
        pane = app.dashboard.query_one(WorkersPane)
        assert pane.row_count == MAX_MACHINES + len(rich.workers)
        assert "1000 of 1,000 machines · 64 listed" in str(pane.border_title)
