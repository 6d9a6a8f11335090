"""The vocabularies of a model as files, for clients that have neither Keras nor this package."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from keras_attention.export.interface import HasVariables, interface_of
from keras_attention.text import SpecialIds, VocabularyLike


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


def _named(special: SpecialIds) -> dict[str, int | None]:
    return {
        "padding": special.pad,
        "start": special.start,
        "end": special.end,
        "unknown": special.unknown,
    }
