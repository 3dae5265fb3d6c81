"""`matrix0 ablate`: networks that differ in a setting, trained alike, measured and compared."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from matrix0.commands.options import (
    JsonOption,
    PresetOption,
    SetOption,
    echo,
    measured_settings,
    say,
)
from matrix0.commands.progress import Meter, interruptible

if TYPE_CHECKING:
    from backend.ablation.comparison import Encounter, Summary
    from backend.ablation.statistics import Estimate

TITLES: Final = {
    "policy_loss": "policy loss, nats, held-out positions",
    "value_loss": "value loss, nats, held-out positions",
    "top1": "the first choice is the played move, %",
    "top5": "one of the first five is, %",
    "puzzles": "puzzles solved, %",
    "seconds": "training, s",
}
PLACES: Final = {"policy_loss": 4, "value_loss": 4, "seconds": 0}
"""Decimals; the other measures are shares, shown in per cent with two."""


def ablate(
    run: Annotated[Path, typer.Option(help="Run with imported games; it stays as it is.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="K=A,B", help="A setting and its values; several are combined."),
    ] = None,
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: K=V …'", help="One more arm, with all that it changes."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every arm.")] = 3,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of each arm.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Instead: training time of each arm.")
    ] = None,
    puzzles: Annotated[
        Path | None, typer.Option(help="Puzzles as Lichess publishes them, .csv or .csv.zst.")
    ] = None,
    games: Annotated[
        int, typer.Option(min=0, help="Of each arm against the first, in each repetition; even.")
    ] = 40,
    simulations: Annotated[
        int, typer.Option(min=0, help="Leaf evaluations for one move; 0 means as in the run.")
    ] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Where results and networks go; default: the run's name, -ablation."),
    ] = None,
    preset: PresetOption = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train networks that differ in a setting on the same games; compare them, seed by seed."""
    from backend.ablation.arms import arms_of

    if (steps is None) == (minutes is None):
        raise typer.BadParameter("either this or --minutes is needed", param_hint="--steps")
    if games % 2:
        raise typer.BadParameter(f"{games} must be even", param_hint="--games")
    arms = arms_of(vary or [], arm or [])
    base, source = measured_settings(run, preset, overrides or [])
    assert source is not None
    for one in arms:
        one.config(base, 0)  # A wrong setting is said before hours are spent.
    simulations = simulations or base.evaluation.simulations or base.search.simulations

    from backend.ablation.comparison import compare
    from backend.ablation.experiment import Budget, Experiment
    from backend.ablation.play import Arena, PuzzleSet
    from backend.rundir import RunDirectory

    puzzle_set = None if puzzles is None else PuzzleSet(puzzles)
    if puzzle_set is not None and puzzle_set.faults:
        fault = puzzle_set.faults[0]
        say(
            f"{puzzles}: {len(puzzle_set.faults)} rows are left out, "
            f"the first in line {fault.line}: {fault.reason}"
        )
    place = out or source.path.with_name(f"{source.name}-ablation")
    place.mkdir(parents=True, exist_ok=True)
    with RunDirectory(place).lock("matrix0 ablate"), interruptible() as should_stop:
        experiment = Experiment(
            source, place, arms, base, Budget(steps=steps, minutes=minutes), seeds
        )
        with Meter() as meter:
            is_done = experiment.train(
                on_progress=meter.show, on_trouble=say, should_stop=should_stop
            )
            if is_done and (puzzle_set is not None or games):
                arena = Arena(experiment, simulations=simulations)
                if puzzle_set is not None:
                    is_done = arena.solve(
                        puzzle_set, on_progress=meter.show, should_stop=should_stop
                    )
                if is_done and games:
                    is_done = arena.compete(games, on_progress=meter.show, should_stop=should_stop)
        summaries = compare(
            experiment.found(),
            arms,
            seeds=seeds,
            puzzles="" if puzzle_set is None else puzzle_set.sha256,
            games=games,
            simulations=simulations,
        )
    if as_json:
        facts = {"budget": str(experiment.budget), "seeds": seeds, "simulations": simulations}
        echo(json.dumps({**facts, "arms": [_as_data(summary) for summary in summaries]}))
    else:
        echo(f"{experiment.budget} for each of {len(arms)} arms, seeds: {seeds}, in {place}")
        _show(summaries)
    if not is_done:
        say("stopped before the end; the same command goes on from here")


def _as_data(summary: "Summary") -> dict[str, Any]:
    encounter = summary.encounter
    return {
        "name": summary.arm.name,
        "settings": summary.arm.settings,
        "measures": {name: found._asdict() for name, found in summary.measures.items()},
        "differences": {name: found._asdict() for name, found in summary.differences.items()},
        "match": None
        if encounter is None
        else {
            **asdict(encounter),
            "elo": encounter.elo._asdict(),
            "score": encounter.score._asdict(),
        },
    }


def _show(summaries: "list[Summary]") -> None:
    """A block for each measure: every arm, and what it has more than the first."""
    if not summaries:
        return
    first = summaries[0].arm.name
    width = max(len(one.arm.name) for one in summaries)
    for measure, title in TITLES.items():
        rows = [
            f"  {one.arm.name:<{width}}  {_words(measure, one.measures[measure]):>18}"
            + (f"  {_difference(measure, one.differences[measure]):<20}" if one.differences else "")
            for one in summaries
            if measure in one.measures
        ]
        if rows:
            echo("\n".join([title, *map(str.rstrip, rows)]))
    for one in summaries:
        if one.encounter is not None:
            echo(f"{one.arm.name} against {first}: {score_in_words(one.encounter)}")
    counts = {len(found.values) for one in summaries for found in one.measures.values()}
    if any(one.differences for one in summaries):
        echo(f"The last column is the difference from {first}, seed by seed.")
    if max(counts) > 1:
        echo("±: 95 % interval over seeds (Student's t); * it leaves 0 out.")
    if min(counts) == 1:
        echo("One seed has no interval: what differs there may be chance.")


def _words(measure: str, found: "Estimate", sign: str = "") -> str:
    """2.3412 ± 0.0102"""
    places = PLACES.get(measure, 2)
    scale = 1 if measure in PLACES else 100
    margin = "" if found.margin is None else f" ± {scale * found.margin:.{places}f}"
    return f"{scale * found.mean:{sign}.{places}f}{margin}"


def _difference(measure: str, found: "Estimate") -> str:
    return _words(measure, found, "+") + (" *" if found.is_clear else "")


def score_in_words(found: "Encounter") -> str:
    """Games, score and Elo of all matches of an arm against the first."""
    cut = f", {found.truncated} cut at the ply limit" if found.truncated else ""
    margin = "" if found.score.margin is None else f" ± {found.score.margin:.1%} over seeds"
    elo = found.elo
    return (
        f"+{found.wins} ={found.draws} -{found.losses}{cut}, {found.score.mean:.1%}{margin}; "
        f"Elo {elo.elo:+z.0f} [{elo.low:+z.0f}, {elo.high:+z.0f}] by the games alone"
    )
