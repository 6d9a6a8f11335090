"""What an artifact computes: named tensors in, named tensors out, over one step protocol."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_attention import generation
from keras_attention.checks import check_positive
from keras_attention.export.portable import portable_kernels
from keras_attention.export.state import StateLayout
from keras_attention.text import GraphVocabulary


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


def ids_signatures(model, max_length=64):
    """The functions of a model over ids: `encode`, `step`, `greedy` and `score`.

    | name   | inputs            | outputs                                                  |
    | ------ | ----------------- | -------------------------------------------------------- |
    | encode | tokens            | the tensors of the state                                 |
    | step   | token, the state  | logits, attention, and as `next_NAME` what changed of it |
    | greedy | tokens            | sequences, scores, lengths, attention                    |
    | score  | tokens, targets   | scores, token_scores, attention                          |

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        max_length: how many tokens greedy decoding gives at most.

    Returns:
        A dictionary of `Signature`.

    Raises:
        ValueError: where the model has no `start` and `step`, or its state
            cannot be named, see `StateLayout`.

    Example:

    >>> from keras_attention.export.signatures import ids_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> signatures = ids_signatures(EncoderDecoder(30, 40, units=16))
    >>> list(signatures), list(signatures["score"].inputs)
    (['encode', 'step', 'greedy', 'score'], ['tokens', 'targets'])
    """
    check_decodes(model)
    check_positive("max_length", max_length)
    tokens_spec = tf.TensorSpec((None, None), tf.int32, "tokens")
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

    def score(tokens, targets):
        tokens = _some_columns("tokens", tokens)
        return generation.score(model, tokens, _some_columns("targets", targets))._asdict()

    token_spec = tf.TensorSpec((None,), tf.int32, "token")
    targets_spec = tf.TensorSpec((None, None), tf.int32, "targets")
    return {
        "encode": Signature(encode, {"tokens": tokens_spec}, model),
        "step": Signature(step, {"token": token_spec, **layout.specs}, model),
        "greedy": Signature(greedy, {"tokens": tokens_spec}, model),
        "score": Signature(score, {"tokens": tokens_spec, "targets": targets_spec}, model),
    }


def text_signatures(model, max_length=64):
    """The functions of a model over text, and the lookup tables they need: `greedy`.

    Input `text` `(B,)`; outputs `texts` and `scores` `(B,)`, `source_tokens`
    `(B, S)` and `target_tokens` `(B, T)`, both padded with empty strings, and
    `attention` `(B, T, S)`.

    Args:
        model: as in `ids_signatures`, with a `Vocabulary` as
            `source_vocabulary` and another as `target_vocabulary`.
        max_length: how many tokens decoding gives at most.

    Returns:
        A dictionary of `Signature`, and a list of lookup tables.

    Raises:
        ValueError: as `ids_signatures`, and for a model without vocabularies.

    Example:

    >>> from keras_attention.export.signatures import text_signatures
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text import Vocabulary
    >>> letters = Vocabulary("abc")
    >>> signatures, tables = text_signatures(EncoderDecoder(letters, letters, units=16))
    >>> list(signatures["greedy"].inputs)
    ['text']
    """
    check_decodes(model)
    check_positive("max_length", max_length)
    source, target = map(GraphVocabulary, generation.text_vocabularies(model))

    def greedy(text):
        tokens = source.tokens(text)
        found = generation.greedy(model, source.ids(tokens), max_length)
        target_tokens = target.to_tokens(found.sequences)
        return {
            "texts": target.join(target_tokens),
            "scores": found.scores,
            "source_tokens": tokens,
            "target_tokens": target_tokens,
            "attention": found.attention,
        }

    text_spec = tf.TensorSpec((None,), tf.string, "text")
    return {"greedy": Signature(greedy, {"text": text_spec}, model)}, [source.table, target.table]


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


def _some_columns(name, ids):
    message = f"{name}: expected at least one column of ids, received none; pad with 0"
    check = tf.debugging.assert_positive(tf.shape(ids)[1], message)
    # A recurrent layer over no positions fails by itself, and says less.
    with tf.control_dependencies([] if check is None else [check]):
        return tf.identity(ids)
