"""Texts, ids or images in, texts out, with the attention between them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, overload

import keras
import numpy as np
from keras import ops

from keras_attention._core.checks import check_flag, check_positive
from keras_attention._core.padding import pad
from keras_attention._core.types import Structure, Tensor
from keras_attention.generation.compiling import Decode, in_graph
from keras_attention.generation.constrained_beam_search import constrained, phrase_ids
from keras_attention.generation.decoder import DecoderLike, Search
from keras_attention.generation.decoders import as_decoder
from keras_attention.generation.greedy import Greedy
from keras_attention.generation.hypotheses import Hypotheses
from keras_attention.generation.reading import (
    Inputs,
    ReadsImages,
    ReadsSources,
    ReadsTokens,
    Tokens,
)
from keras_attention.generation.stepper import check_prefix
from keras_attention.generation.unknown import Replacement, word_replacer
from keras_attention.text.protocol import VocabularyLike

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


@overload
def generate(
    model: DecoderLike | keras.Model,
    inputs: Structure,
    search: Search = ...,
    n_best: None = None,
    batch_size: int | None = None,
    replace_unknown: Replacement = False,
    prefix: Structure = None,
    must_include: Structure = None,
    verbose: bool | Literal["auto"] = "auto",
) -> list[Generation]: ...


@overload
def generate(
    model: DecoderLike | keras.Model,
    inputs: Structure,
    search: Search = ...,
    n_best: int | None = None,
    batch_size: int | None = None,
    replace_unknown: Replacement = False,
    prefix: Structure = None,
    must_include: Structure = None,
    verbose: bool | Literal["auto"] = "auto",
) -> list[Generation] | list[list[Generation]]: ...


def generate(
    model: DecoderLike | keras.Model,
    inputs: Structure,
    search: Search = Greedy(),  # noqa: B008 (frozen)
    n_best: int | None = None,
    batch_size: int | None = None,
    replace_unknown: Replacement = False,
    prefix: Structure = None,
    must_include: Structure = None,
    verbose: bool | Literal["auto"] = "auto",
) -> list[Generation] | list[list[Generation]]:
    """Generates texts from texts, ids, images, or several of them.

    On TensorFlow the search runs in a graph. It is traced at the first call,
    for inputs of all sizes, and kept for further calls with the same model and
    search.

    Args:
        model: an `EncoderDecoder`, a `Captioner`, a `Seq2Seq`, an `Ensemble`,
            or whatever else `as_decoder` takes, such as a functional model.
            Texts are read by its `source_vocabulary` (`source_vocabularies` by
            name), and written by its `target_vocabulary` (or `vocabulary`).
            Without them, ids are read and written.
        inputs: a list of strings (empty ones are allowed), or ids: lists of
            integers, or a padded matrix; ids outside of the vocabulary are read
            as unknown. For a captioner images
            `(N, H, W, 3)`, numbers from 0 to 255, or the features that the
            encoder gave before, as `{"features": (N, h, w, D)}`. For a model
            with several sources a dictionary of them by name: strings, ids or
            arrays.
        search: `Greedy`, `Sample`, `BeamSearch`, or any `Search`. It holds all
            limits of decoding, such as `max_length`, and the constraints.
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
        prefix: what each text begins with, as a user has typed it: a list of
            strings or ids, one per input, empty or None where nothing is given.
            A string stands for whole tokens. It is part of text and score.
        must_include: what each text has to contain: for each input a list of
            words or phrases, as strings or as lists of ids. With a
            `BeamSearch`, which becomes a `ConstrainedBeamSearch`.
        verbose: whether to show a progress bar; `"auto"` shows it on a
            terminal, where there is more than one batch.

    Returns:
        A list of `Generation`, one per input, in their order. With `n_best` a
        list of lists, the best first; shorter where a search found fewer. Where
        the model has only the size of a vocabulary, tokens are ids as strings,
        and the text joins them by spaces. With several sources, the source
        tokens and the columns of the attention are those of the first text.

    Raises:
        ValueError: for a model that does not decode, texts where it has no
            vocabulary, inputs of the wrong kind, a number that is not positive,
            `n_best` beyond what the search finds, a prefix or words that do not
            fit, and another `replace_unknown`.

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
    >>> generate(model, ["cab"], Greedy(max_length=3), prefix=["K AE"])[0].tokens[:2]
    ['K', 'AE']
    """
    if n_best is not None:
        check_positive("n_best", n_best)
    if batch_size is not None:
        check_positive("batch_size", batch_size)
    if verbose != "auto":
        check_flag("verbose", bool(verbose) if verbose in (0, 1) else verbose)
    if not isinstance(search, Search) or isinstance(search, type):
        raise ValueError(
            "search: expected Greedy(), Sample(), BeamSearch() or another search, received "
            f"{search!r}."
        )
    run = Run(model, inputs, search, replace_unknown, prefix, must_include)
    batch_size = batch_size or (IMAGES_PER_BATCH if run.inputs.text is None else TEXTS_PER_BATCH)
    found = run.all(1 if n_best is None else n_best, batch_size, verbose)
    return [best for best, *_ in found] if n_best is None else found


class Run:
    """One call of `generate`."""

    def __init__(
        self,
        model: DecoderLike | keras.Model,
        inputs: Structure,
        search: Search,
        replace_unknown: Replacement,
        prefix: Structure,
        must_include: Structure,
    ) -> None:
        self.model, self.search = model, search
        self.decoder = as_decoder(model)
        self.special = self.decoder.special_ids
        self.inputs = Inputs(model, self.special, inputs)
        self.target = Tokens(_target_vocabulary(model), self.special)
        text = self.inputs.text
        if text is None and replace_unknown is not False:
            raise ValueError(
                "replace_unknown: expected False for a model that reads images, which have no "
                f"words to copy, received {replace_unknown!r}."
            )
        self.replaced = word_replacer(
            replace_unknown, text.side.vocabulary if text else None, self.target.vocabulary
        )
        # What the search takes besides the inputs, of all examples.
        self.further: dict[str, Any] = {}
        if prefix is not None:
            self.further["prefix"] = self._prefix(prefix)
        if must_include is not None:
            self.search = constrained(search)
            if self.inputs.count:
                self.further["phrases"] = self._phrases(must_include, self.search.max_length)

    def _prefix(self, prefix: Structure) -> Tensor:
        listed = _per_input("prefix", prefix, self.inputs.count)
        side = Tokens(self.target.vocabulary, self.special, "prefix")
        ids = [side.written([] if one is None else one) for one in listed]
        if isinstance(self.target.vocabulary, VocabularyLike):
            check_prefix(
                pad(ids, value=self.special.pad), len(self.target.vocabulary), self.special
            )
        return pad(ids, value=self.special.pad)

    def _phrases(self, phrases: Structure, max_length: int) -> Tensor:
        listed = _per_input("must_include", phrases, self.inputs.count)
        side = Tokens(self.target.vocabulary, self.special, "must_include")
        read: list[list[list[int]]] = []
        for one in listed:
            if isinstance(one, str) or not isinstance(one, (list, tuple)):
                raise ValueError(
                    "must_include: expected a list of words or phrases for each input, received "
                    f"{one!r}."
                )
            read.append([side.written(phrase) for phrase in one])
        return phrase_ids(read, self.special, max_length)

    def all(
        self, n_best: int, batch_size: int, verbose: bool | Literal["auto"]
    ) -> list[list[Generation]]:
        """The generations of all inputs, in their order."""
        count, lengths = self.inputs.count, self.inputs.lengths
        by_length = sorted(range(count), key=lambda i: lengths[i])
        generations: list[list[Generation]] = [[] for _ in range(count)]
        if not count:
            return generations
        specs = {"inputs": self.inputs.specs}
        for name, ids in self.further.items():
            # Of phrases the number and the length are known.
            sizes = (None, None) if name == "prefix" else (None, *ids.shape[1:])
            specs[name] = keras.KerasTensor(sizes, "int32")
        decode = in_graph(self.model, self.search, self._decoder(), specs, count > batch_size)
        bar = None
        if verbose is True or (verbose == "auto" and count > batch_size and sys.stdout.isatty()):
            bar = keras.utils.Progbar(count, unit_name="input")
        for begin in range(0, count, batch_size):
            batch = by_length[begin : begin + batch_size]
            given = {name: ids[batch] for name, ids in self.further.items()}
            found = decode({"inputs": self.inputs.batch(batch), **given})
            for i, hypotheses in zip(batch, self.written(found, n_best)):
                generations[i] = [self.generation(i, *one) for one in hypotheses]
            if bar is not None:
                bar.add(len(batch))
        return generations

    @property
    def searched(self) -> DecoderLike:
        """What the search is called with."""
        return self.model if isinstance(self.model, DecoderLike) else self.decoder

    def _decoder(self) -> Decode:
        search, decoder = self.search, self.searched

        def decode(given: dict[str, Structure]) -> Hypotheses:
            further = {name: ids for name, ids in given.items() if name != "inputs"}
            return search(decoder, given["inputs"], **further)

        return decode

    def written(self, found: Hypotheses, n_best: int) -> Iterator[list[tuple[Any, float, Any]]]:
        """For each example the ids `(L,)`, score and attention `(L, ...)` of its hypotheses.

        Start, end and padding are left out, wherever a search chose them, and so are
        hypotheses that were not found, except for the first.
        """
        count = found.scores.shape[1]
        if n_best > count:
            raise ValueError(
                f"n_best: expected at most {count}, the number of hypotheses that the search "
                f"finds, received {n_best}. BeamSearch(num_beams={n_best}) finds {n_best}."
            )
        parts = (found.sequences, found.scores, found.lengths, found.attention)
        found = Hypotheses(*(part[:, :n_best] for part in parts))
        if self.inputs.text is None and isinstance(self.model, ReadsImages):
            found = found._replace(attention=self.model.as_maps(found.attention))
        for sequences, scores, lengths, attention in zip(*map(ops.convert_to_numpy, found)):
            hypotheses: list[tuple[Any, float, Any]] = []
            for ids, score, length, weights in zip(sequences, scores, lengths, attention):
                if length > 0 or not hypotheses:
                    kept = np.flatnonzero(~np.isin(ids[:length], self.special.hidden))
                    hypotheses.append((ids[kept], float(score), weights[kept]))
            yield hypotheses

    def generation(self, i: int, ids: Any, score: float, weights: Any) -> Generation:
        """What was written for input i: ids `(L,)` without special ones, and their weights."""
        tokens, text = self.target.tokens(ids), self.inputs.text
        if text is None:
            return Generation(self.target.join(tokens), score, tokens, None, weights)
        read = text.tokens[i]
        if not isinstance(self.model, ReadsImages):
            # Over an image the columns are no tokens.
            weights = weights[:, : len(read)]
        if self.special.unknown in ids:
            tokens = self.replaced(read, tokens, weights)
        return Generation(self.target.join(tokens), score, tokens, read, weights)


def _per_input(name: str, given: Any, count: int) -> list[Any]:
    listed = list(given) if isinstance(given, (list, tuple, np.ndarray)) else None
    if listed is None or len(listed) != count:
        received = f"{len(listed)} of them" if listed is not None else repr(given)
        raise ValueError(
            f"{name}: expected a list, one for each of {count} inputs, received {received}."
        )
    return listed


def _target_vocabulary(model: object) -> VocabularyLike | int | None:
    if isinstance(model, (ReadsTokens, ReadsSources)):
        return model.target_vocabulary
    return model.vocabulary if isinstance(model, ReadsImages) else None
