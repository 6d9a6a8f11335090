"""Presets: a trained model as a folder that says what is in it, and as a name that loads it."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import keras

from keras_attention._core.checks import check_choice
from keras_attention._core.loading import load_model
from keras_attention._core.types import Config
from keras_attention.models.model_card import model_card
from keras_attention.models.model_files import write_for_inference
from keras_attention.text.protocol import VocabularyLike

# Of the folder. A newer format is refused, an older one must load.
FORMAT = 1
MODEL, RECORD, CARD = "model.keras", "preset.json", "README.md"
BUILT_IN = Path(__file__).parent.parent / "presets"
_REMOTE = ("hf://", "kaggle://")

Kind = TypeVar("Kind", bound=keras.Model)


@runtime_checkable
class _HasSource(Protocol):
    source_vocabulary: VocabularyLike | int | None


@runtime_checkable
class _HasTarget(Protocol):
    target_vocabulary: VocabularyLike | int


@runtime_checkable
class _HasVocabulary(Protocol):
    vocabulary: VocabularyLike | int


class PresetRecord(NamedTuple):
    """What `preset.json` says of the files beside it.

    Attributes:
        format: of the folder, a whole number.
        library_version, keras_version: that wrote it.
        model_class: the name under which the class is registered with Keras.
        dtype: in which the weights are stored.
        parameters: the number of weights.
        description, figures: by the caller, for people.
        search: the settings of the search of `compile`, or None.
        files: name -> `{"bytes": ..., "sha256": ...}`.
    """

    format: int
    library_version: str
    keras_version: str
    model_class: str
    dtype: str
    parameters: int
    description: str
    figures: dict[str, float | str]
    search: Config | None
    files: dict[str, dict[str, int | str]]


def built_in_presets() -> tuple[str, ...]:
    """The names of the presets that the package carries.

    Example:

    >>> from keras_attention.models import built_in_presets
    >>> isinstance(built_in_presets(), tuple)
    True
    """
    return tuple(sorted(path.parent.name for path in BUILT_IN.glob(f"*/{RECORD}")))


def load_preset(handle: str | os.PathLike[str]) -> keras.Model:
    """The model of a preset, of whichever class; `EncoderDecoder.from_preset` checks the class.

    The checksums of a folder are verified, and no code of it is run.

    Args:
        handle: a folder that `save_to_preset` wrote, the name of a built-in
            preset, or a handle that `keras.saving.load_model` reads, such as
            `hf://USER/MODEL` of what `model.save("hf://USER/MODEL")` uploaded.

    Raises:
        ValueError: for an unknown handle, a model that cannot be loaded, a
            preset of a newer format, and files that are not those that were
            saved.

    Example:

    >>> import os, tempfile
    >>> from keras_attention.models import EncoderDecoder, load_preset
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     folder = os.path.join(parent, "tiny")
    ...     EncoderDecoder(9, 9, embedding_dim=4, units=4).save_to_preset(folder)
    ...     type(load_preset(folder)).__name__
    'EncoderDecoder'
    """
    return load_preset_of(keras.Model, handle)


def load_preset_of(kind: type[Kind], handle: str | os.PathLike[str]) -> Kind:
    """As `load_preset`, of a model that has to be of the class `kind`."""
    if str(handle).startswith(_REMOTE):
        model = _loaded_by_keras(str(handle))
    else:
        folder = _folder_of(handle)
        record = read_record(folder)
        _check_class(kind, record.model_class, folder)
        _check_files(folder, record)
        model = load_model(folder / MODEL)
    if not isinstance(model, kind):
        raise ValueError(
            f"handle: expected a preset of a {kind.__name__}, received {str(handle)!r}, a "
            f"{type(model).__name__}."
        )
    return model


def save_preset(
    model: keras.Model,
    folder: str | os.PathLike[str],
    figures: Mapping[str, float | str] | None = None,
    description: str = "",
    dtype: str = "float32",
    overwrite: bool = False,
    search: Config | None = None,
) -> None:
    """Writes a preset, see `GeneratingModel.save_to_preset`."""
    check_choice("dtype", dtype, ("float32", "float16"))
    figures = _checked_figures(figures)
    name = keras.saving.get_registered_name(type(model))
    if keras.saving.get_registered_object(name) is not type(model):
        raise ValueError(
            "model: expected one whose class is registered with "
            f"keras.saving.register_keras_serializable, received {type(model).__name__}."
        )
    with _written_whole(Path(folder), overwrite) as fresh:
        write_for_inference(model, fresh / MODEL, half=dtype == "float16")
        for side, vocabulary in vocabularies_of(model).items():
            _write_tokenizer(vocabulary, fresh / f"{side}_tokenizer.json")
        record = PresetRecord(
            FORMAT,
            _library_version(),
            keras.__version__,
            name,
            dtype,
            model.count_params(),
            description,
            figures,
            search,
            {path.name: _fingerprint(path) for path in sorted(fresh.iterdir())},
        )
        sizes = {side: len(one) for side, one in vocabularies_of(model).items()}
        card = model_card(Path(folder).resolve().name, record._asdict(), sizes)
        (fresh / CARD).write_text(card, "utf-8")
        text = json.dumps(record._asdict(), indent=2, ensure_ascii=False)
        (fresh / RECORD).write_text(text + "\n", "utf-8")


def read_record(folder: Path) -> PresetRecord:
    """What the `preset.json` of a folder says, checked."""
    path = folder / RECORD
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content["format"]
        if isinstance(version, bool) or not isinstance(version, int):
            raise TypeError(f"format {version!r}")
        if version > FORMAT:
            raise ValueError(
                f"handle: expected a preset of format {FORMAT} or older, received {str(folder)!r} "
                f"of format {version}, written by version {content.get('library_version')} of "
                f"this library; this is version {_library_version()}."
            )
        record = PresetRecord(**{field: content[field] for field in PresetRecord._fields})
        if not isinstance(record.model_class, str) or MODEL not in record.files:
            raise TypeError("no model")
        for name, found in record.files.items():
            # Plain names: nothing outside of the folder is read.
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
                raise TypeError(f"file name {name!r}")
            if not isinstance(found["sha256"], str):
                raise TypeError(f"checksum of {name!r}")
    except (
        OSError,
        UnicodeDecodeError,
        json.JSONDecodeError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise ValueError(
            f"handle: expected a folder with the {RECORD} of save_to_preset, received "
            f"{str(path)!r}: {type(error).__name__}: {_one_line(error)}"
        ) from error
    return record


def vocabularies_of(model: keras.Model) -> dict[str, VocabularyLike]:
    """The vocabularies of a model, `"source"` and `"target"`, as far as it has them."""
    found: dict[str, object] = {}
    if isinstance(model, _HasSource):
        found["source"] = model.source_vocabulary
    if isinstance(model, _HasTarget):
        found["target"] = model.target_vocabulary
    elif isinstance(model, _HasVocabulary):
        found["target"] = model.vocabulary
    return {side: one for side, one in found.items() if isinstance(one, VocabularyLike)}


def _write_tokenizer(vocabulary: VocabularyLike, path: Path) -> None:
    try:
        vocabulary.write_tokenizer(path)
    except (NotImplementedError, ValueError):
        # Not every vocabulary can be one; the model has them all.
        path.unlink(missing_ok=True)


def _folder_of(handle: str | os.PathLike[str]) -> Path:
    folder = Path(handle)
    if folder.is_dir():
        return folder
    if str(handle) in built_in_presets():
        return BUILT_IN / str(handle)
    raise ValueError(
        f"handle: expected a folder of save_to_preset, hf://USER/MODEL or a built-in preset "
        f"({_built_in_names()}), received {str(handle)!r}."
    )


def _loaded_by_keras(handle: str) -> Any:
    try:
        return keras.saving.load_model(handle, safe_mode=True)
    except Exception as error:
        # Which errors there are depends on the packages that download.
        raise ValueError(
            f"handle: expected a model that Keras can load, or a built-in preset "
            f"({_built_in_names()}), received {handle!r}: {type(error).__name__}: "
            f"{_one_line(error)}"
        ) from error


def _check_class(kind: type[keras.Model], name: str, folder: Path) -> None:
    found = keras.saving.get_registered_object(name)
    if found is None:
        raise ValueError(
            f"handle: expected a preset of a class that is registered with Keras, received "
            f"{str(folder)!r} of {name!r}; import the module that defines it."
        )
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise ValueError(
            f"handle: expected a preset of a {kind.__name__}, received {str(folder)!r} of a "
            f"{found.__name__}; call {found.__name__}.from_preset."
        )


def _check_files(folder: Path, record: PresetRecord) -> None:
    for name, expected in record.files.items():
        path = folder / name
        # A link could lead elsewhere.
        if path.is_symlink() or not path.is_file():
            raise ValueError(f"handle: expected the file {name!r} in {str(folder)!r}, found none.")
        found = _fingerprint(path)["sha256"]
        if found != expected["sha256"]:
            raise ValueError(
                f"handle: expected {name!r} in {str(folder)!r} with the sha256 {expected['sha256']}"
                f" of {RECORD}, received one with {found}; it is damaged or was changed."
            )


def _checked_figures(figures: Mapping[str, float | str] | None) -> dict[str, float | str]:
    if figures is not None and not isinstance(figures, Mapping):
        raise ValueError(
            f"figures: expected a dictionary of names and numbers, received {figures!r}."
        )
    checked = dict(figures or {})
    for name, value in checked.items():
        plain = isinstance(value, (int, float, str))
        if (
            not isinstance(name, str)
            or not plain
            or value != value
            or value in (math.inf, -math.inf)
        ):
            raise ValueError(
                f"figures: expected names with finite numbers or texts, received {name!r}: "
                f"{value!r}."
            )
    return checked


@contextmanager
def _written_whole(folder: Path, overwrite: bool) -> Iterator[Path]:
    """A fresh folder, which becomes `folder` when all is written, and vanishes otherwise."""
    replaceable = (folder / RECORD).is_file() or (folder.is_dir() and not any(folder.iterdir()))
    if folder.exists() and not (overwrite and replaceable):
        wish = "a preset, which overwrite=True replaces" if overwrite else "a new one"
        raise FileExistsError(f"folder: expected {wish}, received {str(folder)!r}, which exists.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".partial", dir=folder.parent))
    try:
        yield fresh
        # Only its owner may read what mkdtemp makes.
        fresh.chmod(0o755)
        aside = fresh.with_suffix(".replaced")
        if folder.exists():
            folder.rename(aside)
        try:
            fresh.rename(folder)
        except OSError:
            if aside.exists():
                aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fingerprint(path: Path) -> dict[str, int | str]:
    content = path.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _library_version() -> str:
    import keras_attention

    return keras_attention.__version__


def _built_in_names() -> str:
    return ", ".join(map(repr, built_in_presets())) or "there is none"


def _one_line(error: Exception) -> str:
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return line if len(line) <= 200 else f"{line[:197]}..."
