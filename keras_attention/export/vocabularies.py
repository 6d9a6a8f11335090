"""The vocabularies of a model as files, for clients that have neither Keras nor this package."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, NamedTuple

from keras_attention._core.types import Config
from keras_attention.export.interface import HasVariables, interface_of
from keras_attention.text import SPECIALS, SpecialIds, VocabularyLike, vocabulary_from_config


class Vocabularies(NamedTuple):
    """What an artifact reads and writes with.

    Attributes:
        source, target: a vocabulary, or None where only the number of ids is
            known, or the model reads no text.
        hidden: the ids of padding, start and end of the target.
    """

    source: VocabularyLike | None = None
    target: VocabularyLike | None = None
    hidden: tuple[int, ...] = ()


def write_vocabularies(model: HasVariables, max_length: int | None, folder: str | Path) -> None:
    """Writes `vocabulary.json`, and a `tokenizer.json` for each side.

    `vocabulary.json` holds under `source` and `target` the tokens by id and how
    text is split (null if the model knows only the number of ids), under
    `special_ids` and `source_special_ids` the ids of padding, start, end and
    unknown tokens of each side, and `max_length`; of a model that reads images
    also, under `image`, their `size` `[H, W]`. `source_tokenizer.json` and
    `target_tokenizer.json` are read by `Tokenizer.from_file` of the package
    `tokenizers`; they turn text into ids and ids into text. Vocabularies that
    cannot be such a file have their content in `vocabulary.json` alone.

    Args:
        model: the exported model, see `Exportable`.
        max_length: how many tokens decoding gives at most; None where the model
            does not decode.
        folder: where the files go.
    """
    interface = interface_of(model)
    content: dict[str, Any] = {}
    for side, vocabulary in (("source", interface.reads), ("target", interface.writes)):
        content[side] = None
        if isinstance(vocabulary, VocabularyLike):
            # With the special tokens, so that the index of a token is its id.
            content[side] = {**vocabulary.get_config(), "tokens": list(vocabulary.tokens)}
            # What was made elsewhere may have no such file; its content is in the configuration.
            with contextlib.suppress(NotImplementedError):
                vocabulary.write_tokenizer(Path(folder, f"{side}_tokenizer.json"))
    content["special_ids"] = _named(interface.special_ids)
    content["source_special_ids"] = _named(interface.source_special_ids)
    content["max_length"] = max_length
    if interface.image_size is not None:
        content["image"] = {"size": list(interface.image_size)}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    Path(folder, "vocabulary.json").write_text(text + "\n", "utf-8")


def read_vocabularies(folder: str | Path) -> Vocabularies:
    """What `write_vocabularies` wrote.

    Args:
        folder: where the files are.

    Returns:
        `Vocabularies`.

    Raises:
        ValueError: for a file that is none of them.
    """
    path = Path(folder, "vocabulary.json")
    try:
        content = json.loads(path.read_text("utf-8"))
        special = content["special_ids"]
        return Vocabularies(
            _vocabulary(content["source"]),
            _vocabulary(content["target"]),
            tuple(special[name] for name in ("padding", "start", "end")),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path}: expected what an export writes, received {type(error).__name__}: {error}"
        ) from error


def _vocabulary(held: Config | None) -> VocabularyLike | None:
    if held is None:
        return None
    # Those made elsewhere name their special tokens; the others have them first.
    skipped = 0 if "special_ids" in held else len(SPECIALS)
    return vocabulary_from_config({**held, "tokens": held["tokens"][skipped:]})


def _named(special: SpecialIds) -> dict[str, int | None]:
    return {
        "padding": special.pad,
        "start": special.start,
        "end": special.end,
        "unknown": special.unknown,
    }
