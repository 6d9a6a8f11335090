"""The command line of a recipe, made from its settings."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args, get_type_hints

from keras_attention._core.types import Config
from keras_attention.callbacks import DivergedError
from keras_attention.recipes.recipe import Recipe, run, train_only


def main(
    recipe: type[Recipe[Any]],
    description: str,
    arguments: Sequence[str] | None = None,
    script: str | Path | Sequence[str] = sys.argv[0],
    program: str | None = None,
) -> Config | None:
    """Runs a recipe with the arguments of a command line.

    Args:
        recipe: the class of the recipe.
        description: what `--help` says, with the docstring of the script.
        arguments: those of the command line; `sys.argv[1:]` if None.
        script: what Python runs to train one model of several in another process:
            a file, or several arguments such as `("-m", "package")`.
        program: the name in the help and in errors; that of the script if None.

    Returns:
        The report, or None with `--only-train`.
    """
    arguments = sys.argv[1:] if arguments is None else [str(given) for given in arguments]
    parser = make_parser(recipe, description, program)
    options = parser.parse_args(arguments)
    names = recipe.settings._fields
    settings = recipe.settings(**{name: getattr(options, name) for name in names})
    chosen = recipe.from_options(options)
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.only_train is not None:
        if options.only_train not in chosen.variants(settings):
            known = ", ".join(chosen.variants(settings))
            parser.error(f"--only-train: expected one of {known}, received {options.only_train}.")
        with _divergence_in_one_line(parser):
            train_only(chosen, options.folder, settings, options.only_train)
        return None
    try:
        data = chosen.load(options.folder, settings)
    except (OSError, ValueError, ImportError) as error:
        # Something a person can mend: a file that is missing, an extra that is not installed.
        parser.error(" ".join(str(error).split()))
    python = [str(script)] if isinstance(script, (str, Path)) else script
    with _divergence_in_one_line(parser):
        report = run(
            chosen,
            options.folder,
            settings,
            data=data,
            export=options.export,
            command=[sys.executable, *python, *arguments],
            started=options.started,
        )
    print(chosen.summary(report, options.folder))
    return report


@contextlib.contextmanager
def _divergence_in_one_line(parser: argparse.ArgumentParser) -> Iterator[None]:
    try:
        yield
    except DivergedError as error:
        parser.exit(1, f"{parser.prog}: error: {error}\n")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")


def make_parser(
    recipe: type[Recipe[Any]], description: str, program: str | None = None
) -> argparse.ArgumentParser:
    """A parser with the arguments of all recipes, those of this one, and its settings."""
    parser = _Parser(
        program, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where everything goes")
    recipe.add_arguments(parser)
    if recipe.artifacts:
        add_switch(parser, "export", "write the artifacts")
    else:
        parser.set_defaults(export=False)
    parser.add_argument("--only-train", metavar="MODEL", help="train this one model, no more")
    parser.add_argument(
        "--started",
        type=float,
        metavar="SECONDS",
        help="when the whole command began, in seconds since 1970, for the report",
    )
    types = get_type_hints(recipe.settings)
    for name, default in recipe.settings()._asdict().items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(default, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=default)
        else:
            choices = get_args(types[name]) or None
            parser.add_argument(
                flag, type=type(default), default=default, choices=choices, help=f"({default})"
            )
    return parser


def add_switch(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Adds `--NAME` and `--no-NAME`, on by default."""
    parser.add_argument(
        f"--{name}",
        action=argparse.BooleanOptionalAction,
        default=True,
        help=f"whether to {what}",
    )
