"""Texts, ids or images in, texts out, with the attention between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, overload, runtime_checkable

import numpy as np
from keras import ops

from keras_attention._core.backend.graphs import compiled
from keras_attention._core.checks import check_positive
from keras_attention._core.padding import pad
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.decoder import Decoder, DecoderLike, Search
from keras_attention.generation.decoders import as_decoder
from keras_attention.generation.greedy import Greedy
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.unknown import Replacement, word_replacer
from keras_attention.text.protocol import VocabularyLike
from keras_attention.text.special_ids import SpecialIds

TEXTS_PER_BATCH = 256
IMAGES_PER_BATCH = 64


class Generation(NamedTuple):
    """What a model wrote for one text or image.

    Attributes:
        text: the text.
        score: its log-probability, in nats, the end included; of a beam search
            after its penalties.
        tokens: its tokens, without start, end and padding.
        source_tokens: the tokens of the source; None for an image.
        attention: a NumPy array, `(tokens, source tokens)`, or `(tokens, h, w)`
            over an image: the weights of each token.

    Example:

    >>> from keras_attention.generation import Generation
    >>> Generation("K", -0.1, ["K"], ["c"], [[1.0]]).text
    'K'
    """

    text: str
    score: float
    tokens: list[str]
    source_tokens: list[str] | None
    attention: Tensor


@runtime_checkable
class ReadsTokens(Protocol):
    """A decoder that reads and writes tokens. Each vocabulary may be its size alone."""

    source_vocabulary: VocabularyLike | int
    target_vocabulary: VocabularyLike | int


@runtime_checkable
class ReadsImages(Protocol):
    """A decoder that reads images and writes tokens."""

    vocabulary: VocabularyLike

    def as_maps(self, weights: Tensor) -> Tensor:
        """Weights `(..., h * w)` as maps `(..., h, w)`."""
        ...


@overload
def generate(
    model: DecoderLike,
    inputs: Structure,
    search: Search = ...,
    n_best: None = None,
    batch_size: int | None = None,
    replace_unknown: Replacement = False,
) -> list[Generation]: ...


@overload
def generate(
    model: DecoderLike,
    inputs: Structure,
    search: Search = ...,
    n_best: int | None = None,
    batch_size: int | None = None,
    replace_unknown: Replacement = False,
) -> list[Generation] | list[list[Generation]]: ...


def generate(
    model: DecoderLike,
    inputs: Structure,
    search: Search = Greedy(),  # noqa: B008 (frozen)
    n_best: int | None = None,
    batch_size: int | None = None,
    replace_unknown: Replacement = False,
) -> list[Generation] | list[list[Generation]]:
    """Generates texts from texts, ids or images.

    Args:
        model: an `EncoderDecoder`, a `Captioner`, or any decoder (see
            `as_decoder`) with `source_vocabulary` and `target_vocabulary`, or
            with `vocabulary` and `as_maps` for images.
        inputs: for a model that reads tokens a list of strings (empty ones are
            allowed), or ids: lists of integers, or a padded matrix. For
            images `(N, H, W, 3)`, numbers from 0 to 255, or the features that
            the encoder gave before, as `{"features": (N, h, w, D)}`.
        search: `Greedy`, `Sample`, `BeamSearch`, or any `Search`. It holds all
            limits of decoding, such as `max_length`.
        n_best: the number of hypotheses per input, each with its score, tokens
            and attention; by default the best alone.
        batch_size: the number of inputs that are decoded at once, by default
            256 texts or 64 images. Texts of similar length share a batch.
        replace_unknown: what replaces a word that the model writes as `<unk>`.
            `True` copies the source word with the largest attention weight, a
            dictionary gives its translation. A function like
            `keras_attention.generation.replace_unknown` receives the source
            words, the tokens and the attention of a hypothesis, and returns the
            tokens. By default `<unk>` stays.

    Returns:
        A list of `Generation`, one per input, in their order. With `n_best` a
        list of lists, the best first; shorter where a search found fewer. Where
        the model has only the size of a vocabulary, tokens are ids as strings,
        and the text joins them by spaces.

    Raises:
        ValueError: for a model without vocabularies, inputs of the wrong kind,
            a number that is not positive, `n_best` beyond what the search
            finds, or another `replace_unknown`.

    Example:

    >>> from keras_attention.generation import BeamSearch, Greedy, generate
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> letters, phonemes = Vocabulary("abc"), Vocabulary(["K", "AE", "B"], separator=" ")
    >>> model = EncoderDecoder(letters, phonemes, units=16)
    >>> generate(model, ["cab"], Greedy(max_length=3))[0].source_tokens
    ['c', 'a', 'b']
    >>> [(best, other)] = generate(model, ["cab"], BeamSearch(max_length=3), n_best=2)
    >>> best.score >= other.score
    True
    >>> found = generate(model, ["cab"], Greedy(max_length=3), replace_unknown={"c": "K"})
    >>> "<unk>" in found[0].tokens
    False
    """
    if n_best is not None:
        check_positive("n_best", n_best)
    if batch_size is not None:
        check_positive("batch_size", batch_size)
    if not isinstance(search, Search) or isinstance(search, type):
        raise ValueError(
            "search: expected Greedy(), Sample(), BeamSearch() or another search, received "
            f"{search!r}."
        )
    decoder = as_decoder(model)
    decode = _limited(decoder, search, 1 if n_best is None else n_best)
    special = decoder.special_ids
    if isinstance(model, ReadsTokens):
        found = _from_tokens(model, inputs, decode, special, batch_size, replace_unknown)
    elif isinstance(model, ReadsImages):
        if replace_unknown is not False:
            raise ValueError(
                "replace_unknown: expected False for a model that reads images, which have no "
                f"words to copy, received {replace_unknown!r}."
            )
        found = _from_images(model, inputs, decode, special, batch_size)
    else:
        raise ValueError(
            "model: expected one with source_vocabulary and target_vocabulary, such as "
            "keras_attention.models.EncoderDecoder, or with vocabulary and as_maps, such as "
            f"keras_attention.models.Captioner, received {type(model).__name__}."
        )
    return [best for best, *_ in found] if n_best is None else found


def _limited(decoder: Decoder, search: Search, n_best: int) -> Callable[[Structure], Hypotheses]:
    """A function from inputs to the `n_best` best hypotheses."""

    def decode(inputs: Structure) -> Hypotheses:
        found = search(decoder, inputs)
        count = found.scores.shape[1]
        if n_best > count:
            raise ValueError(
                f"n_best: expected at most {count}, the number of hypotheses that the search "
                f"finds, received {n_best}. BeamSearch(num_beams={n_best}) finds {n_best}."
            )
        parts = (found.sequences, found.scores, found.lengths, found.attention)
        return Hypotheses(*(part[:, :n_best] for part in parts))

    return decode


def _from_tokens(
    model: ReadsTokens,
    inputs: Structure,
    decode: Callable[[Structure], Hypotheses],
    special: SpecialIds,
    batch_size: int | None,
    replace_unknown: Replacement,
) -> list[list[Generation]]:
    source = _Tokens(model.source_vocabulary, special)
    target = _Tokens(model.target_vocabulary, special)
    replaced = word_replacer(replace_unknown, source.vocabulary, target.vocabulary)
    batch_size = batch_size or TEXTS_PER_BATCH
    sources = [source.read(one) for one in _listed(inputs)]
    by_length = sorted(range(len(sources)), key=lambda i: len(sources[i][1]))
    # To trace a graph takes seconds, which many batches alone are worth.
    run = compiled(decode) if len(sources) > batch_size else decode
    generations: list[list[Generation]] = [[] for _ in sources]
    for begin in range(0, len(sources), batch_size):
        batch = by_length[begin : begin + batch_size]
        found = run(pad([sources[i][1] for i in batch], value=source.special_ids.pad))
        for i, hypotheses in zip(batch, _written(found, special)):
            read, _ = sources[i]
            for ids, score, weights in hypotheses:
                tokens, weights = target.tokens(ids), weights[:, : len(read)]
                if special.unknown in ids:
                    tokens = replaced(read, tokens, weights)
                text = target.join(tokens)
                generations[i].append(Generation(text, score, tokens, read, weights))
    return generations


def _from_images(
    model: ReadsImages,
    images: Structure,
    decode: Callable[[Structure], Hypotheses],
    special: SpecialIds,
    batch_size: int | None,
) -> list[list[Generation]]:
    given = images if isinstance(images, dict) else {"image": images}
    if len(given) != 1:
        raise ValueError(
            f"inputs: expected either 'image' or 'features', received {sorted(given)}."
        )
    given = {name: np.asarray(array) for name, array in given.items()}
    count = len(next(iter(given.values())))
    batch_size = batch_size or IMAGES_PER_BATCH
    run = compiled(decode, given) if count > batch_size else decode
    target = _Tokens(model.vocabulary, special)
    generations: list[list[Generation]] = []
    for begin in range(0, count, batch_size):
        found = run({name: array[begin : begin + batch_size] for name, array in given.items()})
        found = found._replace(attention=model.as_maps(found.attention))
        for hypotheses in _written(found, special):
            generations.append([])
            for ids, score, maps in hypotheses:
                tokens = target.tokens(ids)
                generations[-1].append(Generation(target.join(tokens), score, tokens, None, maps))
    return generations


class _Tokens:
    """Tokens and ids of one side of a model. Without a vocabulary, tokens are ids as strings."""

    def __init__(self, vocabulary: VocabularyLike | int, special_ids: SpecialIds) -> None:
        self.vocabulary = vocabulary if isinstance(vocabulary, VocabularyLike) else None
        self.special_ids = special_ids if self.vocabulary is None else self.vocabulary.special_ids

    def read(self, source: Any) -> tuple[list[str], list[int]]:
        """The tokens of a source, a string or ids, and their ids."""
        if isinstance(source, str):
            if self.vocabulary is None:
                raise ValueError(
                    "inputs: expected lists of ids, since the model has no Vocabulary as "
                    f"source_vocabulary, received the text {source!r}."
                )
            tokens = self.vocabulary.split(source)
            return tokens, self.vocabulary.to_ids(tokens)
        array = np.asarray(source)
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise ValueError(f"inputs: expected strings or lists of ids, received {source!r}.")
        real = np.flatnonzero(array != self.special_ids.pad)
        ids = array[: real[-1] + 1 if real.size else 0].astype("int32").tolist()
        return self._known(ids), ids

    def _known(self, ids: Sequence[int]) -> list[str]:
        if self.vocabulary is None:
            return [str(i) for i in ids]
        names, size = self.vocabulary.tokens, len(self.vocabulary)
        if any(not 0 <= i < size for i in ids):
            raise ValueError(f"inputs: expected ids from 0 to {size - 1}, received {ids!r}.")
        return [names[i] for i in ids]

    def tokens(self, ids: Sequence[int]) -> list[str]:
        if self.vocabulary is None:
            return [str(i) for i in ids]
        return self.vocabulary.to_tokens(ids)

    def join(self, tokens: list[str]) -> str:
        return " ".join(tokens) if self.vocabulary is None else self.vocabulary.join(tokens)


def _listed(inputs: Structure) -> Sequence[Any]:
    if isinstance(inputs, str):
        raise ValueError(f"inputs: expected a list of strings, received the string {inputs!r}.")
    if isinstance(inputs, dict):
        raise ValueError(
            f"inputs: expected a list of strings or ids, received a dictionary of {sorted(inputs)}."
        )
    return inputs if isinstance(inputs, (list, tuple)) else list(ops.convert_to_numpy(inputs))


def _written(found: Hypotheses, special: SpecialIds) -> Iterator[list[tuple[Any, float, Any]]]:
    """For each example the ids `(L,)`, score and attention `(L, ...)` of its hypotheses.

    Start, end and padding are left out, wherever a search chose them, and so are
    hypotheses that were not found, except for the first.
    """
    for sequences, scores, lengths, attention in zip(*map(ops.convert_to_numpy, found)):
        hypotheses: list[tuple[Any, float, Any]] = []
        for ids, score, length, weights in zip(sequences, scores, lengths, attention):
            if length > 0 or not hypotheses:
                kept = np.flatnonzero(~np.isin(ids[:length], special.hidden))
                hypotheses.append((ids[kept], float(score), weights[kept]))
        yield hypotheses
