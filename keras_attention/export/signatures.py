"""The functions of an artifact: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_attention import generation
from keras_attention._core.types import Structure
from keras_attention.export.guards import same_batch, some_columns
from keras_attention.export.interface import (
    Exportable,
    HasSearch,
    HasVariables,
    check_exportable,
    interface_of,
)
from keras_attention.export.portable import portable_kernels
from keras_attention.export.replacer import replacer_of
from keras_attention.export.sources import Source, source_of
from keras_attention.export.state import StateLayout
from keras_attention.export.token_scores import token_scores
from keras_attention.generation.settings import SearchSettings
from keras_attention.generation.stepper import Stepper
from keras_attention.text.graph import graph_vocabulary
from keras_attention.text.known_ids import known_ids

# The signature that answers if a client names none: the best hypothesis of the beam search.
SERVED = "serving_default"

Tensors = dict[str, tf.Tensor]
Specs = dict[str, tf.TensorSpec]


class Signature(NamedTuple):
    """One function of an artifact.

    Attributes:
        function: takes tensors by name, returns a dictionary of tensors.
        inputs: a dictionary of `tf.TensorSpec`.
        model: the model that the function runs.
        holds_empty: whether an output `attention` may be without elements.

    Example:

    >>> from keras_attention.export.signatures import Signature
    >>> Signature._fields
    ('function', 'inputs', 'model', 'holds_empty')
    """

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]
    model: HasVariables
    holds_empty: bool = True

    def __call__(self, **tensors: tf.Tensor) -> Tensors:
        """The outputs by name, each a tensor of its own."""
        with portable_kernels(self.model):
            outputs = self.function(**tensors)
        if not self.holds_empty and "attention" in outputs and outputs["attention"].shape[-1] == 0:
            del outputs["attention"]
        # An output that is an input, or occurs twice, would lose its name in ONNX.
        return {name: tf.identity(tensor) for name, tensor in outputs.items()}


def ids_signatures(
    model: Exportable,
    search: SearchSettings | None = None,
    batch: int | None = None,
    holds_empty: bool = True,
) -> dict[str, Signature]:
    """The functions that return ids: steps, searches, searches from a prefix, and scores.

    | name            | inputs          | outputs                                           |
    | --------------- | --------------- | ------------------------------------------------- |
    | encode          | SOURCE          | the tensors of the state                          |
    | step            | token and state | logits, attention, `next_NAME` for what changed   |
    | greedy          | SOURCE          | sequences, scores, lengths, attention             |
    | beam            | SOURCE          | the same, of several hypotheses, best first       |
    | serving_default | SOURCE          | the first of `beam`, in the shape of `greedy`     |
    | score           | SOURCE, targets | scores, token_scores, attention                   |
    | greedy_prefix   | SOURCE, prefix  | those of `greedy`, and token_scores               |
    | beam_prefix     | SOURCE, prefix  | those of `beam`, and token_scores                 |

    SOURCE is `tokens`, or `image` for a model that reads images. A prefix holds
    ids that each sequence begins with, padded with 0. Ids that the vocabulary
    does not have, negative ones too, are read as the unknown one, everywhere.

    Args:
        model: the model to be exported, see `Exportable`.
        search: the settings of decoding, by default those of the model's
            `compile(search=...)`, or `BeamSearch()`; `greedy` has the same
            `max_length`.
        batch: number of examples of the source; by default any.
        holds_empty: whether a model without attention weights has an output
            `attention` all the same, without elements.

    Returns:
        A dictionary of `Signature`.

    Raises:
        ValueError: for a model without `start` and `step`, a state that cannot
            be named, see `StateLayout`, and a `search` that is no beam search.

    Example:

    >>> from keras_attention.export.signatures import ids_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> signatures = ids_signatures(EncoderDecoder(30, 40, units=16))
    >>> list(signatures)[:6]
    ['encode', 'step', 'greedy', 'beam', 'serving_default', 'score']
    >>> list(signatures)[6:]
    ['greedy_prefix', 'beam_prefix']
    """
    check_exportable(model)
    search = beam_settings(search, model)
    source = source_of(model)
    specs = source.specs(batch)
    decoder = generation.as_decoder(model)
    layout, size = _layout_and_size(model, source, specs)

    def outputs_of(found: Any) -> Tensors:
        outputs = found._asdict()
        return {**outputs, "attention": source.shaped(outputs["attention"])}

    def encode(**given: tf.Tensor) -> Tensors:
        return layout.named(model.start(source.read_all(given)[0]))

    def step(**given: tf.Tensor) -> Tensors:
        state = same_batch("step", given)
        token = known_ids(state.pop("token"), size, decoder.special_ids)
        logits, after, weights = decoder.step(token, layout.nested(state))
        if weights is None:
            weights = tf.zeros((tf.shape(token)[0], 0))
        after = layout.named(after)
        # The constant parts (the memory) need not travel back.
        changed = {f"next_{name}": after[name] for name in layout.changing}
        return {"logits": logits, "attention": source.shaped(weights), **changed}

    def greedy(**given: tf.Tensor) -> Tensors:
        return outputs_of(_greedy(model, source.read_all(given)[0], search))

    @_traced_once(specs)
    def searched(given: Tensors) -> Any:
        return search(model, source.read_all(given)[0])

    def beam(**given: tf.Tensor) -> Tensors:
        return outputs_of(searched(given))

    def best(**given: tf.Tensor) -> Tensors:
        return outputs_of(_best(searched(given)))

    def score(**given: tf.Tensor) -> Tensors:
        given = same_batch("score", given)
        inputs, _ = source.read_all(given)
        targets = some_columns("targets", given["targets"], decoder.special_ids.pad)
        return outputs_of(generation.score(model, inputs, targets))

    inputs = dict(specs)
    prefixed = {**inputs, "prefix": tf.TensorSpec((batch, None), tf.int32, "prefix")}
    further = _from_prefix(
        model,
        source,
        search,
        lambda ids: known_ids(ids, size, decoder.special_ids),
        lambda extras, found: outputs_of(found),
    )
    token_spec = tf.TensorSpec((None,), tf.int32, "token")
    targets_spec = tf.TensorSpec((batch, None), tf.int32, "targets")
    functions = {
        "encode": (encode, inputs),
        "step": (step, {"token": token_spec, **layout.specs}),
        "greedy": (greedy, inputs),
        "beam": (beam, inputs),
        SERVED: (best, inputs),
        "score": (score, {**inputs, "targets": targets_spec}),
        **{name: (function, prefixed) for name, function in further.items()},
    }
    return {name: Signature(*parts, model, holds_empty) for name, parts in functions.items()}


def text_signatures(
    model: Exportable,
    search: SearchSettings | None = None,
    kind: str = "text",
    replace_unknown: bool | Mapping[str, str] = False,
) -> tuple[dict[str, Signature], list[Any]]:
    """The functions that return text, `greedy`, `beam` and the best, and their lookup tables.

    Input `text` `(B,)`, or `image_bytes` `(B,)`, the files of images. Outputs of
    `greedy`, and of `serving_default`, the best of the beam: `texts` and
    `scores` `(B,)`, `target_tokens` `(B, T)`, padded with empty strings, and
    `attention`: `(B, T, S)` with `source_tokens` `(B, S)`, padded likewise, or
    `(B, T, h, w)` over an image. Those of `beam` have N hypotheses, best first:
    `texts` and `scores` `(B, N)`, `target_tokens` `(B, N, T)`, `attention`
    `(B, N, T, S)` or `(B, N, T, h, w)`. `greedy_prefix` and `beam_prefix` also
    take `prefix` `(B,)`, the text that each answer begins with, and give
    `token_scores` of the shape of `target_tokens`.

    Args:
        model: as in `ids_signatures`, with a `Vocabulary` as
            `source_vocabulary` and another as `target_vocabulary`; for images
            with a `Vocabulary` as `vocabulary`.
        search: as in `ids_signatures`.
        kind: what goes in, `"text"` or `"image"`.
        replace_unknown: see `export_model`.

    Returns:
        A dictionary of `Signature`, and a list of what a SavedModel must keep
        besides the variables: lookup tables.

    Raises:
        ValueError: as `ids_signatures`, and for a model without vocabularies or
            one that does not read what the kind says.

    Example:

    >>> from keras_attention.export.signatures import text_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text.vocabulary import Vocabulary
    >>> letters = Vocabulary("abc")
    >>> signatures, tables = text_signatures(EncoderDecoder(letters, letters, units=16))
    >>> list(signatures), list(signatures["greedy"].inputs)
    (['greedy', 'beam', 'serving_default', 'greedy_prefix', 'beam_prefix'], ['text'])
    """
    check_exportable(model)
    search = beam_settings(search, model)
    source = source_of(model, kind)
    interface = interface_of(model)
    written = interface.writing_vocabulary()
    target = graph_vocabulary(written)
    specs = source.specs()
    replacer = None
    if replace_unknown is not False:
        replacer = replacer_of(replace_unknown, kind, interface.reads, written)

    def with_texts(extras: Tensors, found: generation.Hypotheses) -> Tensors:
        """Of one hypothesis per example, or of several: ids `(B, T)` or `(B, N, T)`."""
        shape = tf.shape(found.sequences)
        flat = tf.reshape(found.sequences, (-1, shape[-1]))
        tokens = tf.reshape(target.to_tokens(flat), shape)
        if replacer is not None:
            tokens = replacer(extras["source_tokens"], tokens, found.attention)
        texts = target.join(tf.reshape(tokens, (-1, shape[-1])))
        return {
            "texts": tf.reshape(texts, shape[:-1]),
            "scores": found.scores,
            **extras,
            "target_tokens": tokens,
            "attention": source.shaped(found.attention),
        }

    def greedy(**given: tf.Tensor) -> Tensors:
        inputs, extras = source.read_all(given)
        return with_texts(extras, _greedy(model, inputs, search))

    @_traced_once(specs)
    def searched(given: Tensors) -> tuple[Tensors, Any]:
        inputs, extras = source.read_all(given)
        return extras, search(model, inputs)

    def beam(**given: tf.Tensor) -> Tensors:
        extras, found = searched(given)
        return with_texts(extras, found)

    def best(**given: tf.Tensor) -> Tensors:
        extras, found = searched(given)
        return with_texts(extras, _best(found))

    inputs = dict(specs)
    prefixed = {**inputs, "prefix": tf.TensorSpec((None,), tf.string, "prefix")}
    tables = [*source.resources, *target.resources]
    if replacer is not None:
        tables += replacer.resources
    functions = {"greedy": greedy, "beam": beam, SERVED: best}
    further = _from_prefix(model, source, search, target.encode, with_texts)
    return {
        **{name: Signature(function, inputs, model) for name, function in functions.items()},
        **{name: Signature(function, prefixed, model) for name, function in further.items()},
    }, tables


def beam_settings(search: object, model: object = None) -> SearchSettings:
    """The search of an export; for None that of the model's `compile`, else `BeamSearch()`.

    Of a model that was compiled with `Greedy` it has the same `max_length`. Refuses functions,
    which have no settings, and `Sample`, whose results cannot be verified.
    """
    if search is None:
        search = model.search if isinstance(model, HasSearch) else None
        if isinstance(search, generation.Greedy):
            return generation.BeamSearch(max_length=search.max_length)
        if not _is_exported(search):
            return generation.BeamSearch()
    if not isinstance(search, SearchSettings) or not _is_exported(search):
        raise ValueError(
            "search: expected a keras_attention.generation.BeamSearch, another search with "
            f"settings that is not random, or None, received {search!r}."
        )
    return search


def _is_exported(search: object) -> bool:
    return isinstance(search, SearchSettings) and not isinstance(search, generation.Sample)


def raw_variables(model: HasVariables) -> list[tf.Variable]:
    """What a SavedModel tracks of a model: its raw variables, not the model itself.

    Keras' own tracking would save each variable twice, and TensorFlow Serving
    restores only one of the two.
    """
    return [v.value if isinstance(v, keras.Variable) else v for v in model.variables]


def _greedy(model: Exportable, inputs: tf.Tensor, search: SearchSettings) -> generation.Hypotheses:
    """Greedy decoding up to the length of the search, without an axis of hypotheses."""
    return _best(generation.Greedy(max_length=search.max_length)(model, inputs))


def _best(found: generation.Hypotheses) -> generation.Hypotheses:
    """The first hypothesis of each example, without the axis of hypotheses."""
    lengths = found.lengths[:, 0]
    # The other hypotheses may be longer; over an empty batch there is no maximum.
    longest = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
    return generation.Hypotheses(
        found.sequences[:, 0, :longest],
        found.scores[:, 0],
        lengths,
        found.attention[:, 0, :longest],
    )


def _from_prefix(
    model: Exportable,
    source: Source,
    search: SearchSettings,
    ids_of: Callable[[tf.Tensor], tf.Tensor],
    outputs_of: Callable[[Tensors, generation.Hypotheses], Tensors],
) -> dict[str, Callable[..., Tensors]]:
    """The functions that decode from a prefix on, and give the log-probability of each token.

    Args:
        model, source, search: of the artifact.
        ids_of: the ids `(B, P)` of the tensor `prefix`.
        outputs_of: the outputs by name, of the extra outputs of `source` and the hypotheses.
    """

    def decoded(
        search: generation.Search, given: Tensors
    ) -> tuple[Tensors, generation.Hypotheses, tf.Tensor]:
        given = same_batch("prefix", given)
        inputs, extras = source.read_all(given)
        found = search(model, inputs, prefix=ids_of(given["prefix"]))
        return extras, found, token_scores(model, inputs, found.sequences)

    def greedy_prefix(**given: tf.Tensor) -> Tensors:
        extras, found, by_token = decoded(generation.Greedy(max_length=search.max_length), given)
        best = _best(found)
        by_token = by_token[:, 0, : tf.shape(best.sequences)[1]]
        return {**outputs_of(extras, best), "token_scores": by_token}

    def beam_prefix(**given: tf.Tensor) -> Tensors:
        extras, found, by_token = decoded(search, given)
        return {**outputs_of(extras, found), "token_scores": by_token}

    return {"greedy_prefix": greedy_prefix, "beam_prefix": beam_prefix}


def _layout_and_size(
    model: Exportable, source: Source, specs: Specs
) -> tuple[StateLayout, int | None]:
    """The names of a model's state, and how many ids it writes if that is known."""
    layouts, sizes = [], []

    @tf.function(input_signature=[specs], autograph=False)
    def start(given: Tensors) -> Structure:
        inputs = source.read_all(given)[0]
        state = model.start(inputs)
        constant = generation.as_decoder(model).constant_parts
        layouts.append(StateLayout(state, constant))
        # What grows has no static size, even if that of the first state is known.
        stepper = Stepper(model, inputs)
        layouts[-1].open(stepper.growing())
        sizes.append(stepper.first()[0].shape[-1])
        return layouts[-1].named(state)

    with portable_kernels(model):
        start.get_concrete_function()
    return layouts[-1], sizes[-1]


def _traced_once(specs: Specs) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function a graph that several signatures share; a beam search is a large one."""
    return partial(tf.function, input_signature=[specs], autograph=False)
