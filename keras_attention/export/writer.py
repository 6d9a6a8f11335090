"""What a format of artifacts has to provide, for `export_model` to write it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from keras_attention.datasets.images import MOST_PIXELS
from keras_attention.export.golden import GoldenExample
from keras_attention.export.interface import HasVariables
from keras_attention.export.signatures import Signature
from keras_attention.generation.settings import SearchSettings


class Job(NamedTuple):
    """What a writer writes.

    Attributes:
        model: the live model.
        name: of the artifact, under which a server offers it.
        format, kind: see `export_model`.
        batch: number of examples in a batch of the source, None for any number.
        longest: how many tokens are read of a text; None where the model reads
            no text, or there is no limit.
        search: the settings of decoding; None where the model does not decode.
        figures: measured of the trained model, by name.
        signatures: the functions by the name they have in the artifact.
        examples: the golden examples of each of them.
        resources: what the artifact must keep besides the variables, such as
            lookup tables.
    """

    model: HasVariables
    name: str
    format: str
    kind: str
    batch: int | None
    longest: int | None
    search: SearchSettings | None
    figures: Mapping[str, float]
    signatures: dict[str, Signature]
    examples: dict[str, list[GoldenExample]]
    resources: list[Any]

    @property
    def max_length(self) -> int | None:
        """How many tokens decoding gives at most; None where the model does not decode."""
        return None if self.search is None else self.search.max_length

    @property
    def limits(self) -> dict[str, int | None]:
        """What the artifact takes and gives at most, None without a limit.

        `batch`, `longest` and `max_length` as above, and `pixels` of an image
        file.
        """
        return {
            "batch": self.batch,
            "longest": self.longest,
            "max_length": self.max_length,
            "pixels": MOST_PIXELS if self.kind == "image" else None,
        }


class Writer(Protocol):
    """A format of artifacts. `export_model` calls the methods in the order given here.

    Attributes:
        kinds: which inputs the format takes, see `export_model`.
        has_versions: whether the artifact is a numbered directory below `path`.
        batch: number of examples in a batch of the source, None for any number.
        holds_empty: whether tensors may be without elements.
        graphs: the files of a model that decodes, and the signatures in them;
            None for all signatures under their own names.
        verb: what `convert` does, for the progress.
        golden_file: where the golden examples lie in the artifact.
        packages: the modules that write the artifact and run it; their versions
            are in its manifest.
    """

    kinds: tuple[str, ...]
    has_versions: bool
    batch: int | None
    holds_empty: bool
    graphs: dict[str, str] | None
    verb: str
    golden_file: str
    packages: tuple[str, ...]

    def check_installed(self) -> None:
        """Raises `ImportError` if a package is missing."""
        ...

    def check_model(self, model: object) -> None:
        """Raises `ValueError` for a model that the format cannot hold."""
        ...

    def tracing(self) -> AbstractContextManager[None]:
        """Inside, signatures are traced for this format."""
        ...

    def convert(self, name: str, job: Job) -> Any:
        """One signature in this format."""
        ...

    def write(self, converted: dict[str, Any], job: Job, folder: Path) -> None:
        """Writes the artifact, without golden examples and manifest, into an empty directory."""
        ...
