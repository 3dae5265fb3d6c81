"""`matrix0 experiment`: runs that differ in a setting learn for equal time, then they play."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from matrix0.commands.ablate import score_in_words
from matrix0.commands.options import JsonOption, PresetOption, SetOption, echo, say
from matrix0.commands.progress import Meter, interruptible
from matrix0.commands.starting import FromOption

if TYPE_CHECKING:
    from backend.ablation.selfplay import SelfPlayExperiment


def experiment(
    arm: Annotated[
        list[str],
        typer.Option(
            metavar="'NAME: K=V …'",
            help="A way to run, with all that it changes; the first is what others are held to.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where runs and results go.")],
    minutes: Annotated[float, typer.Option(min=0.05, help="How long each run is at work.")] = 30.0,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every arm.")] = 1,
    parallel: Annotated[
        int, typer.Option(min=1, help="Runs at a time, each on its own share of the cores.")
    ] = 1,
    clock: Annotated[
        Literal["wall", "processor"],
        typer.Option(help="Whose minutes: processor is fair on a machine that others use, too."),
    ] = "wall",
    games: Annotated[
        int, typer.Option(min=0, help="Of each arm against the first, in each repetition; even.")
    ] = 200,
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the settings.")
    ] = 0,
    network: FromOption = None,
    preset: PresetOption = "tiny",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let runs that differ in a setting learn by self-play for the same time; then they play."""
    from backend.ablation.arms import arms_of
    from backend.settings import build_config

    if games % 2:
        raise typer.BadParameter(f"{games} must be even", param_hint="--games")
    arms = arms_of([], arm)
    base = build_config(preset, overrides=overrides or [])
    for one in arms:
        one.config(base, 0)  # A wrong setting is said before hours are spent.
    start = None
    if network is not None:
        from backend.checkpoints import read_manifest
        from backend.engine.network import find_network

        start = find_network(network).path
        base = replace(base, model=read_manifest(start).model)
    simulations = simulations or base.evaluation.simulations or base.search.simulations

    from backend.ablation.play import Arena
    from backend.ablation.selfplay import Clock, SelfPlayExperiment
    from backend.rundir import RunDirectory

    out.mkdir(parents=True, exist_ok=True)
    with RunDirectory(out).lock("matrix0 experiment"), interruptible() as should_stop:
        runs = SelfPlayExperiment(
            out,
            arms,
            base,
            minutes=minutes,
            seeds=seeds,
            parallel=parallel,
            clock=Clock(clock),
            start=start,
        )
        with Meter() as meter:
            is_done = runs.train(on_progress=meter.show, should_stop=should_stop)
            if is_done and games:
                arena = Arena(runs, simulations=simulations)
                is_done = arena.compete(games, on_progress=meter.show, should_stop=should_stop)
    _show(runs, games=games, simulations=simulations, as_json=as_json)
    if not is_done:
        say("stopped before the end; the same command goes on from here")


def _show(runs: "SelfPlayExperiment", *, games: int, simulations: int, as_json: bool) -> None:
    from backend.ablation.comparison import encounter_of

    first = runs.arms[0].name
    rows = []
    for arm in runs.arms:
        played = [found for seed in range(runs.seeds) if (found := runs.played(arm, seed))]
        asked = [
            match
            for match in runs.matches(arm)
            if (match.against, match.games, match.simulations) == (first, games, simulations)
            and match.seed < runs.seeds
        ]
        rows.append((arm, played, encounter_of(asked)))
    if as_json:
        data = [
            {
                "name": arm.name,
                "settings": arm.settings,
                "runs": [{"seed": p.seed, **_facts(p)} for p in played],
                "match": None
                if encounter is None
                else {
                    **asdict(encounter),
                    "elo": encounter.elo._asdict(),
                    "score": encounter.score._asdict(),
                },
            }
            for arm, played, encounter in rows
        ]
        echo(json.dumps({"budget": runs.spent, "simulations": simulations, "arms": data}))
        return
    echo(f"{runs.spent} for each of {len(rows)} arms, seeds: {runs.seeds}, in {runs.out}")
    width = max(len(arm.name) for arm in runs.arms)
    for arm, played, encounter in rows:
        for found in played:
            echo(
                f"  {arm.name:<{width}}  seed {found.seed}: step {found.step:,}, "
                f"{found.games:,} games, {found.positions:,} positions, {found.cycles} cycles, "
                f"best {found.best}"
            )
        if encounter is not None:
            echo(f"  {arm.name:<{width}}  against {first}: {score_in_words(encounter)}")


def _facts(found: object) -> dict[str, object]:
    return {name: getattr(found, name) for name in ("step", "games", "positions", "cycles", "best")}
