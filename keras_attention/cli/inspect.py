"""`keras-attention inspect`: what is in a model or an artifact."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_attention._core.printable import printable
from keras_attention._core.types import Config
from keras_attention.cli.app import app
from keras_attention.cli.keras_file import describe_keras_file
from keras_attention.cli.terminal import console
from keras_attention.models import built_in_presets
from keras_attention.models.presets import BUILT_IN

_CARD = ("README.md", "model_card.md")
_LARGEST_CARD = 2**16
_LARGEST_REPORT = 2**20
_MOST_ROWS = 40


@app.command(no_args_is_help=True)
def inspect(
    path: Annotated[
        Path,
        typer.Argument(help="A .keras file, the folder or name of a preset, or an artifact."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Show what is in a model or an artifact, without running any of it.

    Example: keras-attention inspect model.keras
    """
    described = describe(path)
    if as_json:
        # Control characters are escaped in ASCII.
        typer.echo(json.dumps(described, indent=2))
        return
    terminal = console()
    for one in described["contents"]:
        if one["kind"] == "model":
            _show_model(terminal, one)
        else:
            _show_artifact(terminal, one)
    if described["card"]:
        terminal.print()
        for line in described["card"].splitlines():
            terminal.print(Text(printable(line)), soft_wrap=True)


def describe(path: Path) -> Config:
    """The contents at a path as plain values: of models, or of the versions of an artifact."""
    from keras_attention.export.inspection import checksum, describe_artifact
    from keras_attention.export.verification import artifacts

    if not path.exists() and str(path) in built_in_presets():
        path = BUILT_IN / path
    models = [path]
    if path.is_dir():
        models = sorted(one for one in path.iterdir() if one.suffix == ".keras")
        if not models:
            contents = [
                {"kind": "artifact", "path": str(folder), **describe_artifact(folder)}
                for folder in artifacts(path)
            ]
            return {"contents": contents, "card": _card(path)}
    contents = [
        {
            "kind": "model",
            "path": str(one),
            **describe_keras_file(one),
            "figures": figures_beside(one),
            "file": checksum(one),
        }
        for one in models
    ]
    return {"contents": contents, "card": _card(path) if path.is_dir() else ""}


def _card(folder: Path) -> str:
    """The model card of a folder, or nothing."""
    for name in _CARD:
        if (folder / name).is_file():
            with open(folder / name, encoding="utf-8", errors="replace") as file:
                return file.read(_LARGEST_CARD)
    return ""


def figures_beside(model: Path) -> dict[str, float]:
    """The numbers of the report that a recipe wrote beside its model."""
    from keras_attention.export.manifest import figures_of

    report = model.parent / "report.json"
    if not report.is_file() or report.stat().st_size > _LARGEST_REPORT:
        return {}
    try:
        return figures_of(json.loads(report.read_text("utf-8")))
    except ValueError:
        return {}


def _show_model(terminal: Console, model: Config) -> None:
    _show_facts(
        terminal,
        model["path"],
        {
            "class": model["class"],
            "name": model["name"],
            "saved": f"{model['date_saved']} by Keras {model['keras_version']}",
            "parameters": f"{model['parameters']:,} in {len(model['weights'])} weights",
            "dtypes": ", ".join(sorted({one["dtype"] for one in model["weights"]})),
            "layers": ", ".join(f"{n} {name}" for name, n in model["layers"].items()),
            "vocabularies": "; ".join(_vocabulary(*one) for one in model["vocabularies"].items()),
            "search": json.dumps(model["search"]) if model["search"] else "",
            "code": ", ".join(model["code"]) + " (not loaded in safe mode)"
            if model["code"]
            else "",
            "figures": ", ".join(f"{name} {value:,}" for name, value in model["figures"].items()),
            **_checksum(model["file"]),
        },
    )


def _show_artifact(terminal: Console, artifact: Config) -> None:
    vocabulary = artifact["vocabulary"] if isinstance(artifact["vocabulary"], dict) else {}
    tokens = {
        side: {"size": len(held["tokens"]), "first": held["tokens"][:8]}
        for side, held in vocabulary.items()
        if isinstance(held, dict) and isinstance(held.get("tokens"), list)
    }
    facts = {
        "format": artifact["format"],
        **_manifest_facts(artifact["manifest"]),
        "files": _state_of_files(artifact),
        "vocabularies": "; ".join(_vocabulary(*one) for one in tokens.items()),
        "recorded": ", ".join(f"{n} of {name}" for name, n in artifact["verified"].items()),
    }
    _show_facts(terminal, artifact["path"], facts)
    table = Table("signature", "", "tensor", "dtype", "shape", box=None)
    for name, signature in artifact["signatures"].items():
        first = name
        for way in ("inputs", "outputs"):
            for tensor, kind in signature[way].items():
                shape = "any" if kind["shape"] is None else _shape(kind["shape"])
                row = (first, way[:-1], tensor, kind["dtype"], shape)
                table.add_row(*(Text(printable(str(cell))) for cell in row))
                first = ""
    terminal.print(table)
    _show_graphs(terminal, artifact["graphs"])
    files = Table("file", "bytes", "sha256", box=None)
    for one in artifact["files"][:_MOST_ROWS]:
        files.add_row(Text(printable(one["name"])), f"{one['bytes']:,}", one["sha256"][:16])
    terminal.print(files)
    if len(artifact["files"]) > _MOST_ROWS:
        terminal.print(f"and {len(artifact['files']) - _MOST_ROWS} more files, see --json")


def _show_graphs(terminal: Console, graphs: Config) -> None:
    """What ONNX files say of themselves, where it is not the same in all of them once each."""
    if not graphs:
        return
    table = Table("graph", "", "", box=None)
    shared = _shared([one["metadata"] for one in graphs.values()])
    for name, one in graphs.items():
        own = {key: value for key, value in one["metadata"].items() if key not in shared}
        facts = {"producer": one["producer"], "description": one["description"], **own}
        _add_rows(table, name, facts)
    _add_rows(table, "all", shared)
    terminal.print(table)


def _shared(dictionaries: list[Config]) -> Config:
    first, *others = dictionaries
    return {k: v for k, v in first.items() if all(one.get(k) == v for one in others)}


def _add_rows(table: Table, first: str, facts: Config) -> None:
    for name, value in facts.items():
        if value:
            table.add_row(*(Text(printable(cell)) for cell in (first, name, value)))
            first = ""


def _manifest_facts(manifest: Config | None) -> Config:
    """What a manifest says; as it is unknown who wrote it, of whatever type."""
    if manifest is None:
        return {}
    model = manifest.get("model")
    named = model if isinstance(model, dict) else {}
    shown = ("library", "runtime", "limits", "figures", "precision")
    quality = _values(manifest.get("quality"))
    return {
        "kind": manifest.get("kind"),
        "class": named.get("class"),
        "name": named.get("name"),
        **{name: _values(manifest.get(name)) for name in shown},
        "quality": quality or ("not measured" if "quality" in manifest else ""),
    }


def _values(value: Any) -> str:
    """The values of a dictionary in one line."""
    if not isinstance(value, dict):
        return "" if value is None else str(value)
    return ", ".join(f"{name} {one}" for name, one in value.items() if one is not None)


def _state_of_files(artifact: Config) -> str:
    if artifact["manifest"] is None:
        return "no manifest.json: they cannot be checked"
    changed = artifact["differences"]
    if not changed:
        return f"{len(artifact['manifest']['files'])}, as the manifest lists them"
    more = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
    return f"NOT as the manifest lists them: {changed[0]}{more}"


def _show_facts(terminal: Console, title: str, facts: Config) -> None:
    terminal.print(Text(printable(title), style="bold"), soft_wrap=True)
    table = Table(box=None, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            table.add_row(name, Text(printable(str(value))))
    terminal.print(table)


def _vocabulary(name: str, held: Config) -> str:
    first = " ".join(map(str, held["first"]))
    kind = f" ({held['kind']})" if held.get("kind") else ""
    return f"{name}: {held['size']:,} tokens{kind}{f', {first} …' if first else ''}"


def _shape(sizes: Iterable[Any]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in sizes) + ")"


def _checksum(file: Config) -> Config:
    return {"bytes": f"{file['bytes']:,}", "sha256": file["sha256"]}
