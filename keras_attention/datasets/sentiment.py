"""Sentences rated by people from very negative to very positive, and a lexicon of such words."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from keras_attention._core.checks import check_choice
from keras_attention.datasets.fetch import package_member, sdist_member, tar_member
from keras_attention.datasets.splitting import split_by_text

Domain: TypeAlias = Literal["films", "amazon", "tweets", "editorials"]

_PACKAGE = "vaderSentiment==3.3.2"
_SDIST = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
_WHEEL = "3bf1d243b98b1afad575b9f22bc2cb1e212b94ff89ca74f8a23a588d024ea311"
_RATINGS = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
_FILES: dict[Domain, str] = {
    "films": "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
    "amazon": "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt",
    "tweets": "hutto_ICWSM_2014/tweets_GroundTruth.txt",
    "editorials": "hutto_ICWSM_2014/nytEditorialSnippets_GroundTruth.txt",
}
_LEXICON = "vaderSentiment/vader_lexicon.txt"


class RatedText(NamedTuple):
    """A text and the mean of its ratings, from -4 (most negative) to 4 (most positive).

    Example:

    >>> from keras_attention.datasets import RatedText
    >>> RatedText("A gem.", 2.5).rating > 0
    True
    """

    text: str
    rating: float


def load_sentiment(
    domain: Domain = "films", path: str | os.PathLike[str] | None = None
) -> dict[str, list[RatedText]]:
    """Sentences that 15 or more people rated from -4 (most negative) to 4 (most positive).

    | domain         | sentences                           | count  | above / below 0 |
    | -------------- | ----------------------------------- | ------ | --------------- |
    | `"films"`      | film reviews of rottentomatoes.com  | 10,605 | 5,242 / 5,326   |
    | `"amazon"`     | reviews of five products            | 3,708  | 2,128 / 1,482   |
    | `"tweets"`     | Twitter, names and addresses hidden | 4,200  | 2,897 / 1,299   |
    | `"editorials"` | New York Times                      | 5,190  | 2,204 / 2,742   |

    A text is in the training, validation or test split by a hash of it, 8 to 1
    to 1, so that no text is in two. The rest have a mean of exactly 0. HTML
    entities such as `&amp;` are replaced by their characters.

    Source: Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for
    Sentiment Analysis of Social Media Text", 2014. The data are read from the
    source distribution of the PyPI package vaderSentiment 3.3.2 (2.5 MB, MIT
    license), which is downloaded but not installed.

    Args:
        domain: where the sentences come from.
        path: a file with lines of number, rating and text, separated by tabs,
            to read instead.

    Returns:
        A dictionary with the lists `"train"`, `"dev"` and `"test"` of
        `RatedText`.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: for an unknown domain, a download with another checksum, and
            a line without number, rating and text.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_attention.datasets import load_sentiment
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "some.txt")
    ...     _ = file.write_text("1\\t2.5\\tA gem.\\n2\\t-3\\tDreadful &amp; long.\\n")
    ...     splits = load_sentiment(path=file)
    >>> sorted(one.text for split in splits.values() for one in split)
    ['A gem.', 'Dreadful & long.']
    """
    check_choice("domain", domain, tuple(_FILES))
    if path is not None:
        content, name = Path(path).read_bytes(), str(path)
    else:
        name = _FILES[domain]
        content = tar_member(sdist_member(_PACKAGE, _SDIST, _RATINGS), name, _PACKAGE)
    lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")
    rated = [_read(line, number, name) for number, line in enumerate(lines, 1) if line.strip()]
    return split_by_text(rated, lambda one: one.text, dev=0.1, test=0.1)


def _read(line: str, number: int, name: str) -> RatedText:
    _, *fields = line.split("\t")
    try:
        rating, text = fields
        # The editorials were escaped twice.
        return RatedText(" ".join(html.unescape(html.unescape(text)).split()), float(rating))
    except ValueError as error:
        raise ValueError(
            f"path: expected a number, a rating and a text, separated by tabs, received "
            f"{line[:60]!r} on line {number} of {name!r}."
        ) from error


def load_sentiment_lexicon(path: str | os.PathLike[str] | None = None) -> dict[str, float]:
    """The words of VADER's lexicon, each with its mean rating, from -4 to 4.

    7,506 English words, abbreviations and emoticons in lower case, whose mean
    rating by ten people is not 0. They are read from the wheel of the PyPI
    package vaderSentiment 3.3.2 (MIT license), see `load_sentiment`.

    Args:
        path: a file in the format of `vader_lexicon.txt` to read instead: lines
            of word and rating, separated by tabs; further columns are ignored.

    Returns:
        A dictionary of floats by word.

    Raises:
        OSError: if the data cannot be downloaded, or `path` cannot be read.
        ValueError: if the download has another checksum, or for a line without
            word and rating.

    Example:

    >>> from keras_attention.datasets import load_sentiment_lexicon
    >>> lexicon = load_sentiment_lexicon()
    >>> lexicon["great"], lexicon["dreadful"], "film" in lexicon
    (3.1, -1.9, False)
    """
    content = (
        package_member(_PACKAGE, _WHEEL, _LEXICON) if path is None else Path(path).read_bytes()
    )
    lexicon: dict[str, float] = {}
    for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
        word, _, rest = line.partition("\t")
        try:
            lexicon[word] = float(rest.partition("\t")[0])
        except ValueError as error:
            raise ValueError(
                f"path: expected a word and a rating, separated by a tab, received {line[:60]!r} "
                f"on line {number}."
            ) from error
    return lexicon
