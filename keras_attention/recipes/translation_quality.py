"""The quality of translations, as sacrebleu measures it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from keras_attention._core.optional import require
from keras_attention.datasets import Pair
from keras_attention.generation import Greedy, Search, generate
from keras_attention.models import EncoderDecoder, Transformer

# More pieces than any verse has.
MAX_LENGTH = 128


class Quality(NamedTuple):
    """Corpus scores of sacrebleu, from 0 to 100, with its signatures.

    Example:

    >>> from keras_attention.recipes.translation import Quality
    >>> Quality(20.5, "nrefs:1", 44.0, "nrefs:1", []).bleu
    20.5
    """

    bleu: float
    bleu_signature: str
    chrf: float
    chrf_signature: str
    translations: list[str]


def evaluate(
    model: EncoderDecoder | Transformer,
    pairs: Sequence[Pair],
    search: Search = Greedy(max_length=MAX_LENGTH),  # noqa: B008 (frozen)
    batch_size: int = 64,
) -> Quality:
    """BLEU and chrF of a model's translations, by sacrebleu on plain text.

    Sources: Papineni et al., 2002; Popovic, 2015; Post, "A Call for Clarity in
    Reporting BLEU Scores", 2018.

    Args:
        model: a trained model.
        pairs: a list of `Pair`.
        search: how to decode, see `generate`.
        batch_size: texts at once.

    Returns:
        `Quality`.

    Raises:
        ImportError: without the extra `translation`.
    """
    sacrebleu = require("sacrebleu", "translation")
    sources = [pair.source for pair in pairs]
    decoded = generate(model, sources, search, batch_size=batch_size)
    texts = [found.text for found in decoded]
    references = [[pair.target for pair in pairs]]
    bleu, chrf = sacrebleu.BLEU(), sacrebleu.CHRF()
    return Quality(
        bleu.corpus_score(texts, references).score,
        str(bleu.get_signature()),
        chrf.corpus_score(texts, references).score,
        str(chrf.get_signature()),
        texts,
    )


def timed(
    model: EncoderDecoder | Transformer, pairs: Sequence[Pair], search: Search
) -> tuple[Quality, float]:
    """As `evaluate`, and the seconds per sentence, the compilation included."""
    begin = time.monotonic()
    quality = evaluate(model, pairs, search)
    return quality, round((time.monotonic() - begin) / len(pairs), 5)
