"""The vocabularies of a model as files, for clients that bring neither Keras nor this package."""

import json
from pathlib import Path

from keras_attention.export.sources import reads_images, written_vocabulary
from keras_attention.text.vocabulary import END, PAD, SPECIALS, START, UNKNOWN, Vocabulary

# What Python takes for space; every reader of a tokenizer.json has another idea of \s.
_SPACES = (
    "[\\t-\\r\\x1c-\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}"
    "\\x{202f}\\x{205f}\\x{3000}]+"
)


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
        if isinstance(vocabulary, Vocabulary):
            # With the special tokens, so that a token's place is its id.
            content[side] = {**vocabulary.get_config(), "tokens": list(vocabulary.tokens)}
            write_tokenizer(vocabulary, Path(folder, f"{side}_tokenizer.json"))
    content["special_ids"] = {"padding": PAD, "start": START, "end": END, "unknown": UNKNOWN}
    content["max_length"] = max_length
    if reads_images(model):
        content["image"] = {"size": list(model.image_size)}
    _write_json(content, Path(folder, "vocabulary.json"), indent=1)


def write_tokenizer(vocabulary, path):
    """Writes a vocabulary as the package `tokenizers` reads it; the ids are the same.

    Args:
        vocabulary: a `Vocabulary`; one with a `write_tokenizer` of its own
            writes itself.
        path: of the file.

    Example:

    >>> import json, os, tempfile
    >>> from keras_attention.export.vocabularies import write_tokenizer
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "tokenizer.json")
    ...     write_tokenizer(Vocabulary("ab"), path)
    ...     with open(path, encoding="utf-8") as file:
    ...         json.load(file)["model"]["vocab"]
    {'<unk>': 3, 'a': 4, 'b': 5}
    """
    if hasattr(vocabulary, "write_tokenizer"):
        vocabulary.write_tokenizer(path)
        return
    normalizers = []
    if vocabulary.lowercase:
        # Characters are lowercased one by one there, and one of them depends on its place.
        normalizers = [_replace("(?<=\\p{L})Σ(?!\\p{L})", "ς"), {"type": "Lowercase"}]
    if vocabulary.separator:
        splitting = {"pattern": {"Regex": _SPACES}, "behavior": "Removed"}
    else:
        normalizers.append(_replace(f"\\A{_SPACES}|{_SPACES}\\z", ""))
        splitting = {"pattern": {"Regex": "[\\s\\S]"}, "behavior": "Isolated"}
    # Without the other special tokens: a text that spells "<end>" does not end there.
    known = {token: i for i, token in enumerate(vocabulary.tokens) if i >= UNKNOWN}
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Split", "invert": False, **splitting},
        "post_processor": None,
        # Without a decoder tokens are joined by spaces.
        "decoder": None if vocabulary.separator else {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": known, "unk_token": SPECIALS[UNKNOWN]},
    }
    _write_json(content, path)


def _replace(pattern, content):
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _write_json(content, path, **style):
    Path(path).write_text(json.dumps(content, ensure_ascii=False, **style) + "\n", "utf-8")
