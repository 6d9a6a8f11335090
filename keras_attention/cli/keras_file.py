"""What is in a `.keras` file, read without building its model.

A `.keras` file is a zip archive: `metadata.json`, `config.json`, which says how the model is
built, and `model.weights.h5`. Nothing of it is run, and no more is read than a limit allows,
whatever sizes the archive claims.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from keras_attention._core.loading import check_keras_file
from keras_attention._core.types import Config

_LARGEST_JSON = 2**26
_LARGEST_WEIGHTS = 2**31
# Weights hardly compress. What claims to be much larger than its file is a bomb.
_LARGEST_RATIO = 100
_MOST_WEIGHTS = 100_000
_DEEPEST = 100
_SHOWN_TOKENS = 8


def describe_keras_file(path: Path) -> Config:
    """The contents of a `.keras` file as plain values.

    Args:
        path: the file.

    Returns:
        A dictionary: `class`, `name`, `keras_version`, `date_saved`,
        `parameters`, `weights` (name, shape, dtype), `layers` (the number of
        each class), `code` (parts that safe mode does not load),
        `vocabularies`, `search`, `compiled`, and `members` of the archive.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no `.keras` file, or damaged, or too large.
    """
    check_keras_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _describe(archive)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path} is damaged or no .keras file: {type(error).__name__}: {error}"
        ) from error


def _describe(archive: zipfile.ZipFile) -> Config:
    config = _json(archive, "config.json")
    metadata = _json(archive, "metadata.json")
    if not isinstance(config, dict) or not isinstance(metadata, dict):
        raise ValueError(
            "config.json: expected a dictionary, received another value; this is no .keras file."
        )
    settings = _dictionary(config.get("config"))
    weights = _weights(archive)
    found = list(_parts(config))
    registered = config.get("registered_name") or config.get("class_name")
    return {
        "class": str(registered),
        "name": str(settings.get("name", "")),
        "keras_version": str(metadata.get("keras_version", "")),
        "date_saved": str(metadata.get("date_saved", "")),
        "parameters": sum(math.prod(one["shape"]) for one in weights),
        "weights": weights,
        "layers": dict(Counter(map(_class_of, _layers(found[1:])))),
        "code": sorted({_class_of(part) for _, part in found if _brings_code(part)}),
        "vocabularies": _vocabularies(found),
        "search": settings.get("search"),
        "compiled": bool(config.get("compile_config")),
        "members": [{"name": one.filename, "bytes": one.file_size} for one in archive.infolist()],
    }


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    try:
        text = _read(archive, archive.getinfo(name), _LARGEST_JSON)
    except KeyError:
        raise ValueError(
            f"{archive.filename} is no .keras file: it holds no {name}, which model.save writes."
        ) from None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{archive.filename} is damaged or no .keras file: {name} is no JSON."
        ) from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, largest: int) -> bytes:
    """A member of the archive; the size that the archive claims is not believed."""
    with archive.open(member) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise ValueError(
            f"{archive.filename}: expected {member.filename} of at most {largest:,} bytes, "
            "received a larger one."
        )
    return content


def _weights(archive: zipfile.ZipFile) -> list[Config]:
    """Name, shape and dtype of every weight, without its values."""
    size = sum(one.compress_size for one in archive.infolist())
    largest = min(_LARGEST_WEIGHTS, max(_LARGEST_JSON, _LARGEST_RATIO * size))
    found: list[Config] = []

    def visit(name: str, item: Any) -> None:
        # The state of an optimizer and of random numbers are no parameters.
        aside = name.startswith("optimizer/") or "seed_generator" in name
        if isinstance(item, h5py.Dataset) and not aside and len(found) < _MOST_WEIGHTS:
            found.append({"name": name, "shape": list(item.shape), "dtype": item.dtype.name})

    for member in archive.infolist():
        if member.filename.endswith(".weights.h5"):
            content = io.BytesIO(_read(archive, member, largest))
            try:
                with h5py.File(content, "r") as file:
                    file.visititems(visit)
            except OSError as error:
                raise ValueError(
                    f"{archive.filename} is damaged: {member.filename} holds no weights."
                ) from error
    return found


def _parts(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Config]]:
    """Every dictionary within a configuration, with its key."""
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield key, value
        for name, inner in value.items():
            yield from _parts(inner, str(name), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _parts(inner, key, depth + 1)


def _layers(found: list[tuple[str, Config]]) -> Iterator[Config]:
    """The layers of a configuration; initializers, dtypes and tensors have no such keys."""
    for _, part in found:
        if "class_name" in part and {"trainable", "batch_shape"} & set(
            _dictionary(part.get("config"))
        ):
            yield part


def _class_of(part: Config) -> str:
    return str(part.get("registered_name") or part["class_name"])


def _brings_code(part: Config) -> bool:
    return str(part.get("class_name")) in ("Lambda", "__lambda__")


def _vocabularies(found: list[tuple[str, Config]]) -> Config:
    """By argument: the number of tokens, their kind, and the first of them."""
    vocabularies: Config = {}
    for _, part in found:
        for key, value in part.items():
            if str(key).endswith("vocabulary") and str(key) not in vocabularies:
                if isinstance(value, dict) and not {"tokens", "class_name"} & set(value):
                    # Of a model with several sources: by the name of the input.
                    named = {f"{key} of {name}": one for name, one in value.items()}
                else:
                    named = {str(key): value}
                vocabularies |= {name: _tokens(one) for name, one in named.items()}
    return {name: held for name, held in vocabularies.items() if held is not None}


def _tokens(value: Any) -> Config | None:
    """The number of tokens of a vocabulary, and the first ones where they are known."""
    held = _dictionary(value)
    held = held if "tokens" in held else _dictionary(held.get("config"))
    tokens = value if isinstance(value, list) else held.get("tokens")
    if isinstance(tokens, list):
        first = [str(token) for token in tokens[:_SHOWN_TOKENS]]
        return {"size": len(tokens), "kind": str(held.get("kind", "")), "first": first}
    if isinstance(value, int) and not isinstance(value, bool):
        return {"size": value, "kind": "", "first": []}
    return None


def _dictionary(value: Any) -> Config:
    return value if isinstance(value, dict) else {}
