"""Your own sentence pairs, from a TSV file or from two parallel files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from keras_attention.datasets.splitting import split_by_text


class Pair(NamedTuple):
    """A text and its translation.

    Example:

    >>> from keras_attention.datasets import Pair
    >>> Pair("Good morning.", "Bonjour.").target
    'Bonjour.'
    """

    source: str
    target: str


def load_pairs(
    path: str | os.PathLike[str], target_path: str | os.PathLike[str] | None = None
) -> list[Pair]:
    """Reads sentence pairs from a TSV file, or from two files of the same number of lines.

    A line of a TSV file is a source, a tab and a target; further columns, such
    as Tatoeba's attribution, are ignored. In two files, line i of one is the
    translation of line i of the other. Files are UTF-8; a line ends with LF,
    CR LF or CR. Pairs with an empty side are left out.

    Args:
        path: the TSV file, or the file with the sources.
        target_path: the file with the targets, or None.

    Returns:
        A list of `Pair`.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a file is not UTF-8, if a line has no tab, if the two
            files differ in length, or if there are no pairs.

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


def load_pairs_text(content: bytes, name: str) -> list[Pair]:
    """The pairs in the content of a TSV file; `name` is its name in error messages."""
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


def _pairs(rows: Iterable[tuple[str, str]], name: str | os.PathLike[str]) -> list[Pair]:
    pairs = [Pair(source.strip(), target.strip()) for source, target in rows]
    pairs = [pair for pair in pairs if all(pair)]
    if not pairs:
        raise ValueError(f"path: expected at least one pair, received none in {str(name)!r}.")
    return pairs


def split_pairs(
    pairs: Sequence[Pair], dev: float = 0.02, test: float = 0.02
) -> dict[str, list[Pair]]:
    """Splits pairs for training, validation and testing, by their source.

    Pairs whose sources differ only in case are in the same split, so that no
    test sentence occurs in training, and a pair stays in its split if others
    are added. Similar sentences can be in different splits: if the data has
    documents, split by document instead.

    Args:
        pairs: a list of `Pair`.
        dev: share of the sources for validation, at least 0.
        test: share of the sources for testing, at least 0; together below 1.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"`.

    Raises:
        ValueError: if shares are out of range, or if the training split is
            empty.

    Example:

    >>> from keras_attention.datasets import Pair, split_pairs
    >>> splits = split_pairs([Pair(f"{i}", "n") for i in range(1000)], dev=0.1, test=0.2)
    >>> sum(map(len, splits.values())), len(splits["train"]) > 600
    (1000, True)
    """
    splits = split_by_text(pairs, lambda pair: pair.source, dev, test)
    if not splits["train"]:
        raise ValueError(f"pairs: expected some to train on, received {len(pairs)} in all.")
    return splits


def _lines(content: bytes, name: str | os.PathLike[str]) -> list[str]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"path: expected UTF-8, received {str(name)!r}: {error}.") from error
    # The line ends of `open`; str.splitlines would split at other characters too.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines
