"""The vocabularies of a model as files, for clients that bring neither Keras nor this package."""

import json
from pathlib import Path

from keras_attention.export.sources import reads_images, written_vocabulary
from keras_attention.text import END, PAD, START, UNKNOWN, VocabularyLike


def write_vocabularies(model, max_length, folder):
    """Writes `vocabulary.json`, and for both sides a `tokenizer.json`.

    `vocabulary.json` holds under `source` and `target` the tokens by id and how
    text is split (null where the model knows only the number of ids), under
    `special_ids` the ids 0 to 3, and `max_length`; of a model that reads images
    also, under `image`, their `size` `[H, W]`. `source_tokenizer.json` and
    `target_tokenizer.json` load in the package `tokenizers` by
    `Tokenizer.from_file`; they turn text into ids and ids into text.

    Args:
        model: with or without `source_vocabulary` and `target_vocabulary`, or
            with `image_size` and `vocabulary`.
        max_length: how many tokens decoding gives at most.
        folder: where the files go.
    """
    content = {}
    read, written = getattr(model, "source_vocabulary", None), written_vocabulary(model)
    for side, vocabulary in (("source", read), ("target", written)):
        content[side] = None
        if isinstance(vocabulary, VocabularyLike):
            # With the special tokens, so that a token's place is its id.
            content[side] = {**vocabulary.get_config(), "tokens": list(vocabulary.tokens)}
            vocabulary.write_tokenizer(Path(folder, f"{side}_tokenizer.json"))
    content["special_ids"] = {"padding": PAD, "start": START, "end": END, "unknown": UNKNOWN}
    content["max_length"] = max_length
    if reads_images(model):
        content["image"] = {"size": list(model.image_size)}
    _write_json(content, Path(folder, "vocabulary.json"), indent=1)


def _write_json(content, path, **style):
    Path(path).write_text(json.dumps(content, ensure_ascii=False, **style) + "\n", "utf-8")
