"""Makes a decoder of what a user has: an object with steps, or any Keras model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import keras

from keras_attention._core.types import Structure
from keras_attention.generation.any_model.decoder_of import decoder_of
from keras_attention.generation.any_model.graph import is_functional
from keras_attention.generation.decoder import CompletedDecoder, Decoder, DecoderLike
from keras_attention.text.special_ids import SpecialIds


def as_decoder(
    model: DecoderLike | keras.Model | Callable[..., Structure],
    source: str | Sequence[str] | None = None,
    target: str | None = None,
    special_ids: SpecialIds | None = None,
    probabilities: bool | None = None,
) -> Decoder:
    """The full `Decoder` of a model.

    An object with `start` and `step` that declares only some of the rest is
    completed:

    - `special_ids` are 0 padding, 1 start, 2 end, 3 unknown;
    - `"memory"` is constant, if its state is a dictionary with that key;
      otherwise every part of the state may change;
    - `step(tokens, state)` is called without `beams`, on a state whose constant
      parts are repeated for every beam;
    - without `source_mask`, the ids among the inputs that are not padding are
      real.

    A functional model from sources and target ids to logits `(B, T, V)` is cut
    where the target enters: what depends on the sources alone is computed once,
    and what depends on the target one position at a time, layer by layer. At
    first use its log-probabilities on a random batch are compared with the
    model's forward pass. Where they differ and the model is causal, its whole
    prefix is run at every step, and a warning names the layer. So is any other
    causal model whose `target` is declared.

    Args:
        model: a `Decoder`; an object with `start(inputs)` and `step(tokens,
            state)`; a functional Keras model; or, where `target` is declared,
            any Keras model or function that takes a dictionary of its inputs,
            or a list of its sources and its target, and gives logits.
        source: names of the sources of a Keras model. By default all inputs
            except the target.
        target: name of its target. By default the input with a usual name, such
            as `"target"` or `"decoder_inputs"`, or the input of ids that
            determines the length of the logits.
        special_ids: of its target, by default 0 padding, 1 start, 2 end,
            3 unknown.
        probabilities: whether it gives probabilities in place of logits. By
            default this is detected.

    Raises:
        ValueError: where `start` or `step` is missing; for a model without a
            target or with two, whose last size is unknown, or that is not
            causal, naming the layer; for arguments beside a model that has
            `start` and `step`.

    Example:

    >>> import numpy as np
    >>> from keras import Input, Model, layers
    >>> from keras_attention.generation import Greedy, as_decoder
    >>> source, target = (Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    >>> memory = layers.Embedding(20, 8)(source)
    >>> states = layers.GRU(8, return_sequences=True)(layers.Embedding(30, 8)(target))
    >>> context = layers.Attention()([states, memory])
    >>> model = Model([source, target], layers.Dense(30)(context))
    >>> as_decoder(model).constant_parts
    ('memory',)
    >>> Greedy(max_length=4)(model, np.array([[5, 6, 7]])).sequences.shape[:2] == (1, 1)
    True
    """
    given = (source, target, special_ids, probabilities)
    declared = any(argument is not None for argument in given)
    if not isinstance(model, type):
        if isinstance(model, DecoderLike):
            if declared:
                raise ValueError(
                    "source, target, special_ids, probabilities: expected none of them beside a "
                    f"model with start and step, received them with {type(model).__name__}."
                )
            return model if isinstance(model, Decoder) else CompletedDecoder(model)
        if is_functional(model) or (target is not None and callable(model)):
            return decoder_of(model, *given)
    kind = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
    raise ValueError(
        "model: expected something that decodes, with start(inputs) and step(tokens, state), such "
        "as keras_attention.models.EncoderDecoder, or a functional Keras model from sources and "
        f"target to logits, or another model with target= declared, received {kind}."
    )
