"""`matrix0 recipes`: settings for real situations, and what to expect of each."""

from dataclasses import asdict
from typing import Annotated

import typer

from backend.errors import ConfigError
from matrix0.commands.options import JsonOption, echo


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show this one whole.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the recipes; start one with matrix0-tui --config NAME."""
    from backend.recipes import list_recipes

    found = {recipe.name: recipe for recipe in list_recipes()}
    if name is not None and name not in found:
        raise ConfigError(f"no recipe {name!r} (there are: {', '.join(found)})")
    if as_json:
        import msgspec

        chosen = found.values() if name is None else [found[name]]
        echo(msgspec.json.encode([asdict(recipe) for recipe in chosen]))
    elif name is not None:
        echo(found[name].path.read_text("utf-8"), nl=False)
    else:
        width = max(map(len, found))
        for recipe in found.values():
            echo(f"{recipe.name:<{width}}  {recipe.title} ({recipe.memory_gib} GiB)")
        echo("matrix0 recipes NAME shows what to expect; matrix0-tui --config NAME starts it")
