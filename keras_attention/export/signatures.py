"""What an artifact computes: named tensors in, named tensors out, over one step protocol."""

from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_attention import generation
from keras_attention._core.checks import check_positive
from keras_attention.export.portable import portable_kernels
from keras_attention.export.sources import some_columns, source_of, written_vocabulary
from keras_attention.export.state import StateLayout
from keras_attention.text.graph import graph_vocabulary
from keras_attention.text.vocabulary import Vocabulary

# The signature that answers where a client names none: the best that the beam search found.
SERVED = "serving_default"


class Signature(NamedTuple):
    """One function that an artifact offers.

    Attributes:
        function: takes tensors by name, returns a dictionary of tensors.
        inputs: a dictionary of `tf.TensorSpec`.
        model: whose layers the function runs.

    Example:

    >>> from keras_attention.export.signatures import Signature
    >>> Signature._fields
    ('function', 'inputs', 'model')
    """

    function: Any
    inputs: dict
    model: Any

    def __call__(self, **tensors):
        """The outputs by name, each a tensor of its own."""
        with portable_kernels(self.model):
            outputs = self.function(**tensors)
        # An output that is an input, or is there twice, would lose its name in ONNX.
        return {name: tf.identity(tensor) for name, tensor in outputs.items()}


def ids_signatures(model, max_length=64, search=None, batch=None):
    """The functions that answer with ids: `encode`, `step`, `greedy`, `beam`, `score`, the best.

    | name            | inputs          | outputs                                           |
    | --------------- | --------------- | ------------------------------------------------- |
    | encode          | SOURCE          | the tensors of the state                          |
    | step            | token and state | logits, attention, `next_NAME` for what changed   |
    | greedy          | SOURCE          | sequences, scores, lengths, attention             |
    | beam            | SOURCE          | the same, of several hypotheses a row, best first |
    | serving_default | SOURCE          | the first of `beam`, in the shape of `greedy`     |
    | score           | SOURCE, targets | scores, token_scores, attention                   |

    SOURCE is `tokens`, or `image` for a model that reads images.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        max_length: how many tokens decoding gives at most.
        search: a `keras_attention.generation.BeamSearch`, by default
            `BeamSearch(max_length=max_length)`.
        batch: how many rows the source has; by default any number.

    Returns:
        A dictionary of `Signature`.

    Raises:
        ValueError: where the model has no `start` and `step`, its state
            cannot be named, see `StateLayout`, or `search` is no beam search.

    Example:

    >>> from keras_attention.export.signatures import ids_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> signatures = ids_signatures(EncoderDecoder(30, 40, units=16))
    >>> list(signatures)
    ['encode', 'step', 'greedy', 'beam', 'serving_default', 'score']
    """
    check_decodes(model)
    check_positive("max_length", max_length)
    search = beam_settings(search, max_length)
    source = source_of(model)
    spec = source.spec(batch)
    layout = _state_layout(model, source, spec)

    def told(found):
        outputs = found._asdict()
        return {**outputs, "attention": source.shaped(outputs["attention"])}

    def encode(**given):
        return layout.named(model.start(source.read(given[source.name])[0]))

    def step(token, **state):
        logits, after, weights = model.step(token, layout.nested(state))
        after = layout.named(after)
        # What the step handed on as it came (the memory) need not travel back.
        changed = {f"next_{n}": t for n, t in after.items() if t is not state[n]}
        return {"logits": logits, "attention": source.shaped(weights), **changed}

    def greedy(**given):
        return told(generation.greedy(model, source.read(given[source.name])[0], max_length))

    @_traced_once(spec)
    def searched(given):
        return search(model, source.read(given)[0])

    def beam(**given):
        return told(searched(given[source.name]))

    def best(**given):
        return told(_best(searched(given[source.name])))

    def score(targets, **given):
        inputs, _ = source.read(given[source.name])
        return told(generation.score(model, inputs, some_columns("targets", targets)))

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


def text_signatures(model, max_length=64, search=None, kind="text"):
    """The functions that answer with text: `greedy`, `beam` and the best; what they look up in.

    Input `text` `(B,)`, or `image_bytes` `(B,)`, the files of images. Outputs of
    `greedy`, and of `serving_default`, the best of the beam: `texts` and
    `scores` `(B,)`, `target_tokens` `(B, T)`, padded with empty strings, and
    `attention`: `(B, T, S)` with `source_tokens` `(B, S)`, padded likewise, or
    `(B, T, h, w)` over an image. Those of `beam` have N hypotheses a row, best
    first: `texts` and `scores` `(B, N)`, `target_tokens` `(B, N, T)`,
    `attention` `(B, N, T, S)` or `(B, N, T, h, w)`.

    Args:
        model: as in `ids_signatures`, with a `Vocabulary` as
            `source_vocabulary` and another as `target_vocabulary`; for images
            with a `Vocabulary` as `vocabulary`.
        max_length, search: as in `ids_signatures`.
        kind: what goes in, `"text"` or `"image"`.

    Returns:
        A dictionary of `Signature`, and a list of what a SavedModel must keep
        besides the variables: lookup tables.

    Raises:
        ValueError: as `ids_signatures`, for a model without vocabularies, and
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
    check_decodes(model)
    check_positive("max_length", max_length)
    search = beam_settings(search, max_length)
    source = source_of(model, kind)
    target = graph_vocabulary(_target_vocabulary(model))
    spec = source.spec()

    def spelt(told, sequences, scores, attention):
        target_tokens = target.to_tokens(sequences)
        return {
            "texts": target.join(target_tokens),
            "scores": scores,
            **told,
            "target_tokens": target_tokens,
            "attention": source.shaped(attention),
        }

    def greedy(**given):
        inputs, told = source.read(given[source.name])
        found = generation.greedy(model, inputs, max_length)
        return spelt(told, found.sequences, found.scores, found.attention)

    @_traced_once(spec)
    def searched(given):
        inputs, told = source.read(given)
        return told, search(model, inputs)

    def beam(**given):
        told, found = searched(given[source.name])
        batch, count, width = tf.unstack(tf.shape(found.sequences))
        rows = tf.reshape(found.sequences, (batch * count, width))
        outputs = spelt(told, rows, found.scores, found.attention)
        outputs["texts"] = tf.reshape(outputs["texts"], (batch, count))
        outputs["target_tokens"] = tf.reshape(outputs["target_tokens"], (batch, count, width))
        return outputs

    def best(**given):
        told, found = searched(given[source.name])
        found = _best(found)
        return spelt(told, found.sequences, found.scores, found.attention)

    functions = {"greedy": greedy, "beam": beam, SERVED: best}
    tables = [*source.resources, *target.resources]
    return {n: Signature(f, {source.name: spec}, model) for n, f in functions.items()}, tables


def beam_settings(search, max_length):
    """The beam search of an export, or its default; refuses anything else."""
    if search is None:
        return generation.BeamSearch(max_length=max_length)
    if not isinstance(search, generation.BeamSearch):
        raise ValueError(
            "search: expected a keras_attention.generation.BeamSearch or None, received "
            f"{search!r}."
        )
    return search


def check_decodes(model):
    """Refuses what does not take part in the step protocol, or runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "model: export traces it with TensorFlow; expected the Keras backend 'tensorflow', "
            f"received {keras.backend.backend()!r}."
        )
    missing = [name for name in ("start", "step", "variables") if not hasattr(model, name)]
    if missing:
        raise ValueError(
            "model: expected something that decodes, with start(inputs), step(tokens, state) and "
            "variables, such as keras_attention.models.EncoderDecoder, received "
            f"{type(model).__name__} without {', '.join(missing)}."
        )


def raw_variables(model):
    """What a SavedModel tracks of a model: its raw variables, never the model.

    Keras' own tracking would save each variable twice, and TensorFlow Serving
    restore only one of the two.
    """
    return [v.value if isinstance(v, keras.Variable) else v for v in model.variables]


def _target_vocabulary(model):
    vocabulary = written_vocabulary(model)
    if not isinstance(vocabulary, Vocabulary):
        raise ValueError(
            "model: expected one with a Vocabulary of what it writes, to turn ids into text, "
            f"received {type(model).__name__} with {vocabulary!r}. Export kind='ids' instead."
        )
    return vocabulary


def _best(found):
    """The first of several hypotheses, as greedy decoding would give it."""
    lengths = found.lengths[:, 0]
    # The other hypotheses may be longer; over no rows there is no maximum.
    width = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
    return generation.Decoded(
        found.sequences[:, 0, :width],
        found.scores[:, 0],
        lengths,
        found.attention[:, 0, :width],
    )


def _state_layout(model, source, spec):
    layouts = []

    @tf.function(input_signature=[spec], autograph=False)
    def start(given):
        state = model.start(source.read(given)[0])
        layouts.append(StateLayout(state))
        return layouts[-1].named(state)

    with portable_kernels(model):
        start.get_concrete_function()
    return layouts[-1]


def _traced_once(spec):
    """A function as a graph that several signatures share; a beam search is a large one."""
    return partial(tf.function, input_signature=[spec], autograph=False)
