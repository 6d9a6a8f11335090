"""Sentence pairs of one's own, from a TSV file or from two parallel files."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from keras_attention._core.checks import check_rate


class Pair(NamedTuple):
    """A text and its translation.

    Example:

    >>> from keras_attention.datasets import Pair
    >>> Pair("Good morning.", "Bonjour.").target
    'Bonjour.'
    """

    source: str
    target: str


def load_pairs(path, target_path=None):
    """Sentence pairs from a TSV file, or from two files with as many lines.

    In a TSV file a line is a source, a tab and a target; further columns, such
    as Tatoeba's attribution, are left out. Of two files, line i of the one is
    the translation of line i of the other. Files are UTF-8. Pairs of which a
    side is empty are left out.

    Args:
        path: the TSV file, or the file with the sources.
        target_path: the file with the targets, or None.

    Returns:
        A list of `Pair`.

    Raises:
        OSError: where a file cannot be read.
        ValueError: for a file that is no UTF-8, a line without a tab, two
            files of different length, or no pair at all.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_pairs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "pairs.tsv")
    ...     _ = file.write_text("Hello!\\tBonjour !\\nThank you.\\tMerci.\\n", "utf-8")
    ...     load_pairs(file)[1]
    Pair(source='Thank you.', target='Merci.')
    """
    if target_path is None:
        return load_pairs_text(Path(path).read_bytes(), str(path))
    sources, targets = (_lines(Path(file).read_bytes(), file) for file in (path, target_path))
    if len(sources) != len(targets):
        raise ValueError(
            f"target_path: expected as many lines as path has, {len(sources)}, received "
            f"{len(targets)}."
        )
    return _pairs(zip(sources, targets), path)


def load_pairs_text(content, name):
    """The pairs of a TSV file that was read already; `name` is what errors call it."""
    rows = []
    for number, line in enumerate(_lines(content, name), 1):
        source, tab, rest = line.partition("\t")
        if not tab and source.strip():
            raise ValueError(
                "path: expected a tab between source and target on every line, received "
                f"{line[:60]!r} on line {number} of {name!r}."
            )
        rows.append((source, rest.partition("\t")[0]))
    return _pairs(rows, name)


def _pairs(rows, name):
    pairs = [Pair(source.strip(), target.strip()) for source, target in rows]
    pairs = [pair for pair in pairs if all(pair)]
    if not pairs:
        raise ValueError(f"path: expected at least one pair, received none in {str(name)!r}.")
    return pairs


def split_pairs(pairs, dev=0.02, test=0.02):
    """Splits pairs for training, validation and testing, by what the source says.

    Pairs with the same source, whatever its case, go together, so that no
    sentence for testing was trained on; and a pair goes where it went before
    when others are added. Near-twins may still fall apart: where the data has
    documents, split by document instead.

    Args:
        pairs: a list of `Pair`.
        dev, test: the shares of the sources, at least 0, together below 1.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"`.

    Raises:
        ValueError: for shares out of range, or where no pair is left to train on.

    Example:

    >>> from keras_attention.datasets import Pair, split_pairs
    >>> splits = split_pairs([Pair(f"{i}", "n") for i in range(1000)], dev=0.1, test=0.2)
    >>> sum(map(len, splits.values())), len(splits["train"]) > 600
    (1000, True)
    """
    check_rate("dev", dev)
    check_rate("test", test)
    splits = {"train": [], "dev": [], "test": []}
    for pair in pairs:
        digest = hashlib.sha256(pair.source.casefold().encode("utf-8", "replace")).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        name = "dev" if place < dev else "test" if place < dev + test else "train"
        splits[name].append(pair)
    if not splits["train"]:
        raise ValueError(f"pairs: expected some to train on, received {len(pairs)} in all.")
    return splits


def _lines(content, name):
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"path: expected UTF-8, received {str(name)!r}: {error}.") from error
    # Only line ends divide lines: str.splitlines would divide at others too.
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
