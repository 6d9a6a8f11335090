"""`keras-attention train`: the recipes, from data to a model and its figures."""

from __future__ import annotations

import importlib
import inspect
from typing import Annotated, NamedTuple

import typer
from rich.table import Table

from keras_attention.cli.app import app
from keras_attention.cli.terminal import console


class _Where(NamedTuple):
    """The class of a recipe, which is imported when it is used, and what it does."""

    module: str
    name: str
    what: str


_RECIPES = {
    "pronunciation": _Where("g2p", "Pronunciation", "English spelling to phonemes"),
    "g2p": _Where("g2p", "Pronunciation", "the same"),
    "translation": _Where("translation", "Translation", "the Bible's verses, or your sentences"),
    "captioning": _Where("captioning", "Captioning", "composed scenes, or your images"),
    "sentiment": _Where("sentiment", "Sentiment", "film sentences that people rated"),
    "tagging": _Where("tagging", "Tagging", "parts of addresses, and names in tweets"),
    "questions": _Where("cloze", "ClozeReading", "verses of the Bible that lack a name"),
    "glimpses": _Where("glimpses", "Glimpses", "digits among clutter"),
}


@app.command(
    add_help_option=False,
    context_settings={
        "ignore_unknown_options": True,
        "allow_extra_args": True,
        "allow_interspersed_args": False,
        "help_option_names": [],
    },
)
def train(
    context: typer.Context,
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="What to train.")] = None,
) -> None:
    """Train a model with a recipe, measure it, and export it.

    `keras-attention train RECIPE --help` lists the settings of a recipe.

    Example: keras-attention train g2p build/g2p --units 256 --minutes 20
    """
    if recipe in (None, "-h", "--help"):
        _show_help(context)
        return
    if recipe not in _RECIPES:
        raise ValueError(f"RECIPE: expected one of {', '.join(_RECIPES)}, received {recipe!r}.")
    from keras_attention.recipes import command

    module, name, _ = _RECIPES[recipe]
    chosen = getattr(importlib.import_module(f"keras_attention.recipes.{module}"), name)
    description = (inspect.getdoc(chosen) or "").partition("\nExample:")[0].strip()
    again = ("-m", "keras_attention.cli", "train", recipe)
    program = f"{context.command_path} {recipe}"
    command.main(chosen, description, context.args, script=again, program=program)


def _show_help(context: typer.Context) -> None:
    typer.echo(f"Usage: {context.command_path} RECIPE OUTPUT [SETTINGS]\n")
    typer.echo(f"{inspect.getdoc(train)}\n")
    table = Table("recipe", "data", box=None)
    for name, where in _RECIPES.items():
        table.add_row(name, where.what)
    console().print(table)
