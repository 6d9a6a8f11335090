"""Texts in, texts out, with the alignment between them."""

from typing import Any, NamedTuple

from keras_attention._core.backend.graphs import compiled
from keras_attention._core.checks import check_positive
from keras_attention.generation.n_best import best_of, rows_of
from keras_attention.generation.unknown import word_replacer
from keras_attention.text.vocabulary import UNKNOWN, Vocabulary


class DecodedText(NamedTuple):
    """What a model made of a text.

    Attributes:
        text: what it wrote.
        score: its log-probability, in nats, the end included; of a search
            after its penalties.
        source_tokens: the tokens read.
        target_tokens: the tokens written.
        attention: `(target tokens, source tokens)`, a NumPy array: how much of
            each token read went into each token written.

    Example:

    >>> from keras_attention.generation import DecodedText
    >>> DecodedText("K", -0.1, ["c"], ["K"], [[1.0]]).text
    'K'
    """

    text: str
    score: float
    source_tokens: list
    target_tokens: list
    attention: Any


def decode_texts(
    model,
    texts,
    max_length=64,
    batch_size=256,
    search=None,
    n_best=None,
    replace_unknown=False,
):
    """Decodes texts with a model that knows its vocabularies.

    Args:
        model: with `start`, `step`, `source_vocabulary` and
            `target_vocabulary`, for instance an `EncoderDecoder`.
        texts: strings; empty ones are allowed.
        max_length: how many tokens at most, the end included, of greedy
            decoding; a search has its own.
        batch_size: how many texts at once. Texts of similar length go together.
        search: what decodes, `search(model, ids) -> Hypotheses`, such as
            `BeamSearch(width=4)`; greedily by default.
        n_best: how many hypotheses of each text are returned, each with its
            score, tokens and attention; by default just the best.
        replace_unknown: what becomes of a word that the model writes as
            `<unk>`, for want of a token. `True` puts in the source word that it
            attended to most, a dictionary its translation where it has one; a
            function like `keras_attention.generation.replace_unknown` is given
            the source words, the tokens written and the attention of a
            hypothesis, and returns the tokens. By default `<unk>` stays.

    Returns:
        A list of `DecodedText`, one a text, in their order; of a search the
        best hypotheses. With `n_best` a list of such lists, one a text, the
        best first; shorter where a search has found fewer.

    Raises:
        ValueError: where the model has no vocabularies, `texts` is a single
            string, a number is not positive, `n_best` more than there are, or
            `replace_unknown` none of those.

    Example:

    >>> from keras_attention.generation import BeamSearch, decode_texts
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> letters, phonemes = Vocabulary("abc"), Vocabulary(["K", "AE", "B"], separator=" ")
    >>> model = EncoderDecoder(letters, phonemes, units=16)
    >>> decode_texts(model, ["cab"], max_length=3)[0].source_tokens
    ['c', 'a', 'b']
    >>> search = BeamSearch(width=4, max_length=3)
    >>> [(best, other)] = decode_texts(model, ["cab"], search=search, n_best=2)
    >>> best.score >= other.score
    True
    >>> found = decode_texts(model, ["cab"], max_length=3, replace_unknown={"c": "K"})
    >>> "<unk>" in found[0].target_tokens
    False
    """
    source, target = text_vocabularies(model)
    check_positive("batch_size", batch_size)
    if isinstance(texts, str):
        raise ValueError(f"texts: expected a list of strings, received the string {texts!r}.")
    decode = best_of(model, search, max_length, n_best)
    replaced = word_replacer(replace_unknown, source, target)
    from keras_attention.datasets import pad

    ids = [source.encode(text) for text in texts]
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))

    def written(read, ids, score, weights):
        tokens, weights = target.to_tokens(ids), weights[:, : len(read)]
        if UNKNOWN in ids:
            tokens = replaced(read, tokens, weights)
        return DecodedText(target.join(tokens), score, read, tokens, weights)

    # A graph takes seconds to trace, so it is worth it for many batches only.
    run = compiled(decode) if len(texts) > batch_size else decode
    decoded = [None] * len(ids)
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        found = run(pad([ids[i] for i in rows]))
        for i, hypotheses in zip(rows, rows_of(found)):
            read = source.split(texts[i])
            decoded[i] = [written(read, *hypothesis) for hypothesis in hypotheses]
    return [best for best, *_ in decoded] if n_best is None else decoded


def text_vocabularies(model):
    """The `Vocabulary` that a model reads with and the one that it writes with.

    Args:
        model: with `source_vocabulary` and `target_vocabulary`.

    Raises:
        ValueError: where it has none, or just their sizes.

    Example:

    >>> from keras_attention.generation import text_vocabularies
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> source, target = text_vocabularies(EncoderDecoder(Vocabulary("a"), Vocabulary("bc")))
    >>> len(source), len(target)
    (5, 6)
    """
    pair = tuple(getattr(model, f"{side}_vocabulary", None) for side in ("source", "target"))
    if not all(isinstance(vocabulary, Vocabulary) for vocabulary in pair):
        raise ValueError(
            "model: expected one with a Vocabulary as source_vocabulary and another as "
            "target_vocabulary, to turn text into ids and back, received "
            f"{type(model).__name__} that knows only ids. Build it with keras_attention.text."
            "Vocabulary objects instead of sizes, or export kind='ids'."
        )
    return pair
