"""Options that several commands share, and what they stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias, cast, runtime_checkable

import typer

from keras_attention._core.loading import load_model
from keras_attention._core.types import Structure
from keras_attention.cli.terminal import working
from keras_attention.generation import (
    BeamSearch,
    ContrastiveSearch,
    DiverseBeamSearch,
    Generation,
    Greedy,
    Sample,
    Search,
    generate,
)
from keras_attention.models import built_in_presets, load_preset

PRESET = "g2p_en"

# What a file holds, which Keras does not type.
Model: TypeAlias = Any

SearchName = Literal["greedy", "beam", "sample", "diverse", "contrastive"]
_BEAMS: dict[str, type[BeamSearch]] = {"beam": BeamSearch, "diverse": DiverseBeamSearch}
_SINGLE: dict[str, type[Greedy | Sample | ContrastiveSearch]] = {
    "greedy": Greedy,
    "sample": Sample,
    "contrastive": ContrastiveSearch,
}
ModelFile = Annotated[
    str,
    typer.Option(
        "--model", "-m", metavar="FILE", help="A .keras file, or the folder or name of a preset."
    ),
]
SearchOption = Annotated[
    SearchName | None,
    typer.Option(help="How to decode. By default the search of the model's compile, else greedy."),
]
NumBeams = Annotated[
    int | None, typer.Option(min=1, help="Hypotheses that a beam search keeps (4).")
]
MaxLength = Annotated[int | None, typer.Option(min=1, help="Tokens of an output, at most (64).")]
LengthPenalty = Annotated[
    float | None,
    typer.Option(min=0.0, help="Above 0 a beam search prefers longer outputs; 0.6 is usual."),
]
NBest = Annotated[
    int | None, typer.Option(min=1, help="Show as many hypotheses of each input, with scores.")
]
Tolerance = Annotated[float, typer.Option(min=0.0, help="The largest allowed difference.")]


def chosen_search(
    name: SearchName | None,
    num_beams: int | None = None,
    max_length: int | None = None,
    length_penalty: float | None = None,
    n_best: int | None = None,
) -> Search | None:
    """The search that the options describe, or None where nothing was said.

    Raises:
        ValueError: if an option belongs to another search.
    """
    beams: dict[str, Any] = {"num_beams": num_beams or n_best, "length_penalty": length_penalty}
    beams = {option: value for option, value in beams.items() if value is not None}
    limit: dict[str, Any] = {} if max_length is None else {"max_length": max_length}
    if name is None:
        if not beams:
            return Greedy(**limit) if limit else None
        name = "beam"
    if name in _BEAMS:
        return _BEAMS[name](**limit, **beams)
    if beams:
        option = "--n-best" if n_best else f"--{next(iter(beams)).replace('_', '-')}"
        raise ValueError(f"{option}: expected with --search beam, received --search {name}.")
    return _SINGLE[name](**limit)


def load(handle: str) -> Model:
    """The model of a `.keras` file, or of a preset by its folder, name, or `hf://` handle."""
    path = Path(handle)
    preset = path.is_dir() or (not path.exists() and _is_handle(handle))
    with working(f"Loading {handle}"):
        return load_preset(handle) if preset else load_model(path, compile=False)


def _is_handle(name: str) -> bool:
    return "://" in name or name in built_in_presets()


def generations(
    model: Model,
    inputs: Structure,
    search: Search | None,
    n_best: int | None,
    **options: Structure,
) -> list[list[Generation]]:
    """The hypotheses of each input, the best first."""
    if search is None:
        search = model.search if isinstance(model, _Searches) else Greedy()
    found = generate(model, inputs, search, n_best or 1, verbose=False, **options)
    return cast("list[list[Generation]]", found)


@runtime_checkable
class _Searches(Protocol):
    """A model with a search of its own."""

    @property
    def search(self) -> Search: ...
