"""The functions of an artifact: named tensors in, named tensors out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_attention import generation
from keras_attention._core.types import Structure
from keras_attention.export.interface import (
    Exportable,
    HasVariables,
    check_exportable,
    interface_of,
)
from keras_attention.export.portable import portable_kernels
from keras_attention.export.sources import Source, same_batch, some_columns, source_of
from keras_attention.export.state import StateLayout
from keras_attention.text.graph import graph_vocabulary

# The signature that answers if a client names none: the best hypothesis of the beam search.
SERVED = "serving_default"

Tensors = dict[str, tf.Tensor]


class Signature(NamedTuple):
    """One function of an artifact.

    Attributes:
        function: takes tensors by name, returns a dictionary of tensors.
        inputs: a dictionary of `tf.TensorSpec`.
        model: the model that the function runs.

    Example:

    >>> from keras_attention.export.signatures import Signature
    >>> Signature._fields
    ('function', 'inputs', 'model')
    """

    function: Callable[..., Tensors]
    inputs: dict[str, tf.TensorSpec]
    model: HasVariables

    def __call__(self, **tensors: tf.Tensor) -> Tensors:
        """The outputs by name, each a tensor of its own."""
        with portable_kernels(self.model):
            outputs = self.function(**tensors)
        # An output that is an input, or occurs twice, would lose its name in ONNX.
        return {name: tf.identity(tensor) for name, tensor in outputs.items()}


def ids_signatures(
    model: Exportable, search: generation.BeamSearch | None = None, batch: int | None = None
) -> dict[str, Signature]:
    """The functions that return ids: `encode`, `step`, `greedy`, `beam`, `score`, the best.

    | name            | inputs          | outputs                                           |
    | --------------- | --------------- | ------------------------------------------------- |
    | encode          | SOURCE          | the tensors of the state                          |
    | step            | token and state | logits, attention, `next_NAME` for what changed   |
    | greedy          | SOURCE          | sequences, scores, lengths, attention             |
    | beam            | SOURCE          | the same, of several hypotheses, best first       |
    | serving_default | SOURCE          | the first of `beam`, in the shape of `greedy`     |
    | score           | SOURCE, targets | scores, token_scores, attention                   |

    SOURCE is `tokens`, or `image` for a model that reads images.

    Args:
        model: the model to be exported, see `Exportable`.
        search: the settings of decoding, by default `BeamSearch()`; `greedy`
            has the same `max_length`.
        batch: number of examples of the source; by default any.

    Returns:
        A dictionary of `Signature`.

    Raises:
        ValueError: for a model without `start` and `step`, a state that cannot
            be named, see `StateLayout`, and a `search` that is no beam search.

    Example:

    >>> from keras_attention.export.signatures import ids_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> signatures = ids_signatures(EncoderDecoder(30, 40, units=16))
    >>> list(signatures)
    ['encode', 'step', 'greedy', 'beam', 'serving_default', 'score']
    """
    check_exportable(model)
    search = beam_settings(search)
    source = source_of(model)
    spec = source.spec(batch)
    decoder = generation.as_decoder(model)
    layout = _state_layout(model, source, spec)

    def outputs_of(found: Any) -> Tensors:
        outputs = found._asdict()
        return {**outputs, "attention": source.shaped(outputs["attention"])}

    def encode(**given: tf.Tensor) -> Tensors:
        return layout.named(model.start(source.read(given[source.name])[0]))

    def step(**given: tf.Tensor) -> Tensors:
        state = same_batch("step", given)
        token = state.pop("token")
        logits, after, weights = decoder.step(token, layout.nested(state))
        if weights is None:
            weights = tf.zeros((tf.shape(token)[0], 0))
        after = layout.named(after)
        # The constant parts (the memory) need not travel back.
        changed = {f"next_{name}": after[name] for name in layout.changing}
        return {"logits": logits, "attention": source.shaped(weights), **changed}

    def greedy(**given: tf.Tensor) -> Tensors:
        return outputs_of(_greedy(model, source.read(given[source.name])[0], search))

    @_traced_once(spec)
    def searched(given: tf.Tensor) -> Any:
        return search(model, source.read(given)[0])

    def beam(**given: tf.Tensor) -> Tensors:
        return outputs_of(searched(given[source.name]))

    def best(**given: tf.Tensor) -> Tensors:
        return outputs_of(_best(searched(given[source.name])))

    def score(**given: tf.Tensor) -> Tensors:
        given = same_batch("score", given)
        inputs, _ = source.read(given[source.name])
        targets = some_columns("targets", given["targets"], decoder.special_ids.pad)
        return outputs_of(generation.score(model, inputs, targets))

    inputs = {source.name: spec}
    token_spec = tf.TensorSpec((None,), tf.int32, "token")
    targets_spec = tf.TensorSpec((batch, None), tf.int32, "targets")
    return {
        "encode": Signature(encode, inputs, model),
        "step": Signature(step, {"token": token_spec, **layout.specs}, model),
        "greedy": Signature(greedy, inputs, model),
        "beam": Signature(beam, inputs, model),
        SERVED: Signature(best, inputs, model),
        "score": Signature(score, {**inputs, "targets": targets_spec}, model),
    }


def text_signatures(
    model: Exportable, search: generation.BeamSearch | None = None, kind: str = "text"
) -> tuple[dict[str, Signature], list[Any]]:
    """The functions that return text, `greedy`, `beam` and the best, and their lookup tables.

    Input `text` `(B,)`, or `image_bytes` `(B,)`, the files of images. Outputs of
    `greedy`, and of `serving_default`, the best of the beam: `texts` and
    `scores` `(B,)`, `target_tokens` `(B, T)`, padded with empty strings, and
    `attention`: `(B, T, S)` with `source_tokens` `(B, S)`, padded likewise, or
    `(B, T, h, w)` over an image. Those of `beam` have N hypotheses, best first:
    `texts` and `scores` `(B, N)`, `target_tokens` `(B, N, T)`, `attention`
    `(B, N, T, S)` or `(B, N, T, h, w)`.

    Args:
        model: as in `ids_signatures`, with a `Vocabulary` as
            `source_vocabulary` and another as `target_vocabulary`; for images
            with a `Vocabulary` as `vocabulary`.
        search: as in `ids_signatures`.
        kind: what goes in, `"text"` or `"image"`.

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
    (['greedy', 'beam', 'serving_default'], ['text'])
    """
    check_exportable(model)
    search = beam_settings(search)
    source = source_of(model, kind)
    target = graph_vocabulary(interface_of(model).writing_vocabulary())
    spec = source.spec()

    def with_texts(
        told: Tensors, sequences: tf.Tensor, scores: tf.Tensor, attention: tf.Tensor
    ) -> Tensors:
        target_tokens = target.to_tokens(sequences)
        return {
            "texts": target.join(target_tokens),
            "scores": scores,
            **told,
            "target_tokens": target_tokens,
            "attention": source.shaped(attention),
        }

    def greedy(**given: tf.Tensor) -> Tensors:
        inputs, told = source.read(given[source.name])
        found = _greedy(model, inputs, search)
        return with_texts(told, found.sequences, found.scores, found.attention)

    @_traced_once(spec)
    def searched(given: tf.Tensor) -> tuple[Tensors, Any]:
        inputs, told = source.read(given)
        return told, search(model, inputs)

    def beam(**given: tf.Tensor) -> Tensors:
        told, found = searched(given[source.name])
        batch, count, length = tf.unstack(tf.shape(found.sequences))
        flat = tf.reshape(found.sequences, (batch * count, length))
        outputs = with_texts(told, flat, found.scores, found.attention)
        outputs["texts"] = tf.reshape(outputs["texts"], (batch, count))
        outputs["target_tokens"] = tf.reshape(outputs["target_tokens"], (batch, count, length))
        return outputs

    def best(**given: tf.Tensor) -> Tensors:
        told, found = searched(given[source.name])
        found = _best(found)
        return with_texts(told, found.sequences, found.scores, found.attention)

    functions = {"greedy": greedy, "beam": beam, SERVED: best}
    tables = [*source.resources, *target.resources]
    return {n: Signature(f, {source.name: spec}, model) for n, f in functions.items()}, tables


def beam_settings(search: object) -> generation.BeamSearch:
    """The search of an export, `BeamSearch()` for None; refuses anything else."""
    if search is None:
        return generation.BeamSearch()
    if not isinstance(search, generation.BeamSearch):
        raise ValueError(
            "search: expected a keras_attention.generation.BeamSearch or None, received "
            f"{search!r}."
        )
    return search


def raw_variables(model: HasVariables) -> list[tf.Variable]:
    """What a SavedModel tracks of a model: its raw variables, not the model itself.

    Keras' own tracking would save each variable twice, and TensorFlow Serving
    restores only one of the two.
    """
    return [v.value if isinstance(v, keras.Variable) else v for v in model.variables]


def _greedy(
    model: Exportable, inputs: tf.Tensor, search: generation.BeamSearch
) -> generation.Hypotheses:
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


def _state_layout(model: Exportable, source: Source, spec: tf.TensorSpec) -> StateLayout:
    layouts = []

    @tf.function(input_signature=[spec], autograph=False)
    def start(given: tf.Tensor) -> Structure:
        state = model.start(source.read(given)[0])
        constant = generation.as_decoder(model).constant_parts
        layouts.append(StateLayout(state, constant))
        return layouts[-1].named(state)

    with portable_kernels(model):
        start.get_concrete_function()
    return layouts[-1]


def _traced_once(spec: tf.TensorSpec) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a function a graph that several signatures share; a beam search is a large one."""
    return partial(tf.function, input_signature=[spec], autograph=False)
