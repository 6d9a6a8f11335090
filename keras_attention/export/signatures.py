"""What an artifact computes: named tensors in, named tensors out, over one step protocol."""

from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_attention import generation
from keras_attention.checks import check_positive
from keras_attention.export.portable import portable_kernels
from keras_attention.export.state import StateLayout
from keras_attention.text import graph_vocabulary

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
    """The functions of a model over ids: `encode`, `step`, `greedy`, `beam`, `score` and the best.

    | name            | inputs          | outputs                                           |
    | --------------- | --------------- | ------------------------------------------------- |
    | encode          | tokens          | the tensors of the state                          |
    | step            | token and state | logits, attention, `next_NAME` for what changed   |
    | greedy          | tokens          | sequences, scores, lengths, attention             |
    | beam            | tokens          | the same, of several hypotheses a row, best first |
    | serving_default | tokens          | the first of `beam`, in the shape of `greedy`     |
    | score           | tokens, targets | scores, token_scores, attention                   |

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        max_length: how many tokens decoding gives at most.
        search: a `keras_attention.generation.BeamSearch`, by default
            `BeamSearch(max_length=max_length)`.
        batch: how many rows the tokens have; by default any number.

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
    tokens_spec = tf.TensorSpec((batch, None), tf.int32, "tokens")
    layout = _state_layout(model, tokens_spec)

    def encode(tokens):
        return layout.named(model.start(_some_columns("tokens", tokens)))

    def step(token, **state):
        logits, after, weights = model.step(token, layout.nested(state))
        after = layout.named(after)
        # What the step handed on as it came (the memory) need not travel back.
        changed = {f"next_{n}": t for n, t in after.items() if t is not state[n]}
        return {"logits": logits, "attention": weights, **changed}

    def greedy(tokens):
        tokens = _some_columns("tokens", tokens)
        return generation.greedy(model, tokens, max_length)._asdict()

    @_traced_once(tokens_spec)
    def searched(tokens):
        return search(model, _some_columns("tokens", tokens))

    def beam(tokens):
        return searched(tokens)._asdict()

    def best(tokens):
        found = searched(tokens)
        lengths = found.lengths[:, 0]
        # The other hypotheses may be longer; over no rows there is no maximum.
        width = tf.reduce_max(tf.pad(lengths, [[0, 1]]))
        return {
            "sequences": found.sequences[:, 0, :width],
            "scores": found.scores[:, 0],
            "lengths": lengths,
            "attention": found.attention[:, 0, :width],
        }

    def score(tokens, targets):
        tokens = _some_columns("tokens", tokens)
        return generation.score(model, tokens, _some_columns("targets", targets))._asdict()

    token_spec = tf.TensorSpec((None,), tf.int32, "token")
    targets_spec = tf.TensorSpec((batch, None), tf.int32, "targets")
    return {
        "encode": Signature(encode, {"tokens": tokens_spec}, model),
        "step": Signature(step, {"token": token_spec, **layout.specs}, model),
        "greedy": Signature(greedy, {"tokens": tokens_spec}, model),
        "beam": Signature(beam, {"tokens": tokens_spec}, model),
        SERVED: Signature(best, {"tokens": tokens_spec}, model),
        "score": Signature(score, {"tokens": tokens_spec, "targets": targets_spec}, model),
    }


def text_signatures(model, max_length=64, search=None):
    """The functions of a model over text: `greedy`, `beam` and the best; and what they look up in.

    Input `text` `(B,)`. Outputs of `greedy`, and of `serving_default`, the best
    of the beam: `texts` and `scores` `(B,)`, `source_tokens` `(B, S)` and
    `target_tokens` `(B, T)`, both padded with empty strings, and `attention`
    `(B, T, S)`. Those of `beam` have N hypotheses a row, best first: `texts`
    and `scores` `(B, N)`, `target_tokens` `(B, N, T)`, `attention` `(B, N, T, S)`.

    Args:
        model: as in `ids_signatures`, with a `Vocabulary` as
            `source_vocabulary` and another as `target_vocabulary`.
        max_length, search: as in `ids_signatures`.

    Returns:
        A dictionary of `Signature`, and a list of what a SavedModel must keep
        besides the variables: lookup tables.

    Raises:
        ValueError: as `ids_signatures`, and for a model without vocabularies.

    Example:

    >>> from keras_attention.export.signatures import text_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text import Vocabulary
    >>> letters = Vocabulary("abc")
    >>> signatures, tables = text_signatures(EncoderDecoder(letters, letters, units=16))
    >>> list(signatures), list(signatures["greedy"].inputs)
    (['greedy', 'beam', 'serving_default'], ['text'])
    """
    check_decodes(model)
    check_positive("max_length", max_length)
    search = beam_settings(search, max_length)
    source, target = map(graph_vocabulary, generation.text_vocabularies(model))
    text_spec = tf.TensorSpec((None,), tf.string, "text")

    def spelt(tokens, sequences, scores, attention):
        target_tokens = target.to_tokens(sequences)
        return {
            "texts": target.join(target_tokens),
            "scores": scores,
            "source_tokens": tokens,
            "target_tokens": target_tokens,
            "attention": attention,
        }

    def greedy(text):
        tokens = source.tokens(text)
        found = generation.greedy(model, source.ids(tokens), max_length)
        return spelt(tokens, found.sequences, found.scores, found.attention)

    @_traced_once(text_spec)
    def searched(text):
        tokens = source.tokens(text)
        return tokens, search(model, source.ids(tokens))

    def beam(text):
        tokens, found = searched(text)
        batch, count, width = tf.unstack(tf.shape(found.sequences))
        rows = tf.reshape(found.sequences, (batch * count, width))
        outputs = spelt(tokens, rows, found.scores, found.attention)
        outputs["texts"] = tf.reshape(outputs["texts"], (batch, count))
        outputs["target_tokens"] = tf.reshape(outputs["target_tokens"], (batch, count, width))
        return outputs

    def best(text):
        tokens, found = searched(text)
        width = tf.reduce_max(tf.pad(found.lengths[:, 0], [[0, 1]]))
        sequences, attention = found.sequences[:, 0, :width], found.attention[:, 0, :width]
        return spelt(tokens, sequences, found.scores[:, 0], attention)

    functions = {"greedy": greedy, "beam": beam, SERVED: best}
    tables = [*source.resources, *target.resources]
    return {n: Signature(f, {"text": text_spec}, model) for n, f in functions.items()}, tables


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


def _state_layout(model, tokens_spec):
    layouts = []

    @tf.function(input_signature=[tokens_spec], autograph=False)
    def start(tokens):
        state = model.start(tokens)
        layouts.append(StateLayout(state))
        return layouts[-1].named(state)

    with portable_kernels(model):
        start.get_concrete_function()
    return layouts[-1]


def _traced_once(spec):
    """A function as a graph that several signatures share; a beam search is a large one."""
    return partial(tf.function, input_signature=[spec], autograph=False)


def _some_columns(name, ids):
    """Refuses ids without columns; a recurrent layer over no positions says less.

    ONNX has no assertions: there they become one column of padding instead.
    """
    columns = tf.shape(ids)[1]
    message = f"{name}: expected at least one column of ids, received none; pad with 0"
    check = tf.debugging.assert_positive(columns, message)
    with tf.control_dependencies([] if check is None else [check]):
        return tf.pad(ids, [[0, 0], [0, tf.maximum(0, 1 - columns)]])
