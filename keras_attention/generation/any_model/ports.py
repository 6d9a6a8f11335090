"""Which input of a model is the target, and which output the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
from keras import tree

from keras_attention._core.structure import spec_of
from keras_attention._core.types import Shape, Tensor
from keras_attention.generation.any_model.graph import is_functional, names_of, table_sizes
from keras_attention.text.special_ids import SpecialIds

# What people call the input of a decoder.
TARGET_NAMES = frozenset(
    f"{stem}{ending}"
    for stem in ("target", "tgt", "trg", "decoder", "dec", "caption", "output")
    for ending in ("", "s", "_ids", "_tokens", "_token_ids", "_input", "_inputs", "_input_ids")
) | {"input_decoder", "inputs_decoder", "decoder_in", "target_in", "targets_in", "target_sequence"}
# Sizes of sources and target that tell them apart in the shapes of the outputs.
SOURCE_LENGTH, TARGET_LENGTH, IMAGE_SIZE = 5, 7, 64


class Ports(NamedTuple):
    """The inputs and outputs of a model that decoding uses.

    Attributes:
        sources: names of the inputs that are known before decoding: the keys,
            if the model takes a dictionary, else the names of `keras.Input`.
        target: name of the input of target ids, `(B, T)`.
        logits: index of the logits `(B, T, V)` among the flattened outputs.
        weights: index of attention weights `(B, T, S)`, or None. They may also
            be maps `(B, T, H, W)`, or of several heads, `(B, heads, T, S)`.
        probabilities: whether the model gives probabilities in place of logits.
        special_ids: of the target.
    """

    sources: tuple[str, ...]
    target: str
    logits: int = 0
    weights: int | None = None
    probabilities: bool = False
    special_ids: SpecialIds = SpecialIds()


def find_ports(
    model: keras.Model,
    source: str | Sequence[str] | None = None,
    target: str | None = None,
    special_ids: SpecialIds | None = None,
    probabilities: bool | None = None,
) -> Ports:
    """The ports of a model.

    The target is the input that is declared; or that has a usual name, such as
    `"target"` or `"decoder_inputs"`; or the input of ids that determines the
    length of the logits. The logits are the output `"logits"` of a dictionary,
    or the output `(B, T, V)` of the largest known V.

    Args:
        model: a functional model. Of another model nothing is known: its
            sources default to `("source",)`, its target to `"target"`, and its
            logits are its first output.
        source: names of the sources. By default all inputs except the target.
        target: name of the target.
        special_ids: of the target, by default `SpecialIds()`.
        probabilities: whether the outputs are probabilities. By default they
            are, if the layer that computes them ends in a softmax.

    Raises:
        ValueError: where there is no target, or there are several; where an
            input is not known by that name; where no output can be logits;
            where the special ids are outside the vocabulary.
    """
    special_ids = SpecialIds() if special_ids is None else SpecialIds(*special_ids)
    declared = None if source is None else (source,) if isinstance(source, str) else tuple(source)
    if not is_functional(model):
        ports = Ports(declared or ("source",), target or "target", special_ids=special_ids)
        return ports._replace(probabilities=bool(probabilities))
    inputs = names_of(model)
    target = _target(model, inputs, declared, target)
    sources = _sources(inputs, declared, target)
    logits, weights = _outputs(model, target)
    size = tree.flatten(model.output)[logits].shape[-1]
    check_special_ids(special_ids, size)
    if probabilities is None:
        probabilities = ends_in_softmax(tree.flatten(model.output)[logits])
    return Ports(sources, target, logits, weights, bool(probabilities), special_ids)


def check_special_ids(special_ids: SpecialIds, size: int) -> None:
    """Refuses special ids that a vocabulary of `size` tokens does not have."""
    outside = {n: i for n, i in special_ids._asdict().items() if i is not None and i >= size}
    if outside:
        raise ValueError(
            f"special_ids: expected ids below {size}, the size of the vocabulary, received "
            f"{', '.join(f'{name}={i}' for name, i in outside.items())}."
        )


def check_vocabulary_size(model: keras.Model, ports: Ports, size: int) -> None:
    """Refuses a target vocabulary of fewer tokens than the logits have."""
    if not is_functional(model):
        return
    logits = tree.flatten(model.output)[ports.logits].shape[-1]
    if size < logits:
        raise ValueError(
            f"target_vocabulary: expected at least {logits} tokens, as many as the model has "
            f"logits, received {size}."
        )


def example_shape(shape: Shape, length: int, batch: int = 2) -> tuple[int, ...]:
    """A shape of an input with sizes in place of None; images get a size that pooling survives."""
    unknown = IMAGE_SIZE if len(shape) >= 4 else length
    return (batch, *(unknown if n is None else n for n in shape[1:]))


def is_ids(model: keras.Model, tensor: Tensor) -> bool:
    """Whether an input `(B, T)` holds ids; also one that is declared float, as `Input` does."""
    if len(tensor.shape) != 2:
        return False
    return "int" in str(tensor.dtype) or bool(table_sizes(model, tensor))


def _target(
    model: keras.Model,
    inputs: dict[str, Tensor],
    sources: tuple[str, ...] | None,
    target: str | None,
) -> str:
    names = list(inputs)
    if target is not None:
        _check_name("target", target, names)
        if not is_ids(model, inputs[target]):
            raise ValueError(
                f"target: expected an input of integer ids (batch, length), received {target!r} "
                f"of shape {tuple(inputs[target].shape)} and dtype {inputs[target].dtype}."
            )
        return target
    if len(names) < 2:
        raise ValueError(
            f"model: expected a source and a target among its inputs, received {names[0]!r} alone."
        )
    for name in sources or ():
        _check_name("source", name, names)
    free = {n: t for n, t in inputs.items() if n not in (sources or ()) and is_ids(model, t)}
    found = [name for name in free if name.lower() in TARGET_NAMES]
    if len(found) != 1 and len(free) > 1:
        found = _that_set_length(model, found or list(free), inputs)
    elif not found:
        found = _that_set_length(model, list(free), inputs)
    if not found:
        raise ValueError(
            "model: expected a target, an input of integer ids (batch, length) with one position "
            f"of the logits for each, received inputs {', '.join(map(repr, names))}; declare it "
            "by target=."
        )
    if len(found) > 1:
        raise ValueError(
            f"model: expected one target among its inputs, received {len(found)}, "
            f"{' and '.join(map(repr, found))}; declare it by target=."
        )
    return found[0]


def _sources(
    inputs: dict[str, Tensor], declared: tuple[str, ...] | None, target: str
) -> tuple[str, ...]:
    rest = tuple(name for name in inputs if name != target)
    if not rest:
        raise ValueError(f"model: expected a source beside the target, received {target!r} alone.")
    if declared is None:
        return rest
    for name in declared:
        _check_name("source", name, list(inputs))
    if set(declared) != set(rest):
        raise ValueError(
            f"source: expected all inputs except the target, {', '.join(map(repr, rest))}, "
            f"received {', '.join(map(repr, declared))}."
        )
    return declared


def _check_name(argument: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ValueError(
            f"{argument}: expected a name of an input, one of {', '.join(map(repr, names))}, "
            f"received {name!r}."
        )


def _shapes(model: keras.Model, target: str, length: int) -> list[Shape]:
    """The shapes of the flattened outputs for a target of `length`."""
    tensors = [
        keras.KerasTensor(
            example_shape(x.shape, length if name == target else SOURCE_LENGTH), x.dtype
        )
        for name, x in names_of(model).items()
    ]
    given = tree.pack_sequence_as(model.input, tensors)
    if isinstance(model.input, dict):
        given = dict(zip(names_of(model), tensors))
    try:
        found = model.compute_output_spec(given)
    except Exception:
        # It calls the layers outside of their dtype policies; a call of the model does not.
        found = spec_of(model, given)
    return [tuple(x.shape) for x in tree.flatten(found)]


def _that_set_length(
    model: keras.Model, names: Sequence[str], inputs: dict[str, Tensor]
) -> list[str]:
    sets = {name: _sets_length(model, name, inputs) for name in names}
    # None: its length cannot differ from that of another input, which may be a second target.
    return [n for n in names if sets[n]] or [n for n in names if sets[n] is None]


def _sets_length(model: keras.Model, name: str, inputs: dict[str, Tensor]) -> bool | None:
    """Whether the length of an input is that of an output `(B, T, V)`; None where that fails."""
    ranked = [i for i, x in enumerate(tree.flatten(model.output)) if len(x.shape) == 3]
    known = inputs[name].shape[1]
    if known is not None:
        return any(tree.flatten(model.output)[i].shape[1] == known for i in ranked)
    try:
        some, more = (_shapes(model, name, TARGET_LENGTH + extra) for extra in (0, 4))
    except Exception:
        return None
    return any(some[i][1] == TARGET_LENGTH and more[i][1] == TARGET_LENGTH + 4 for i in ranked)


def _outputs(model: keras.Model, target: str) -> tuple[int, int | None]:
    """The indices of the logits and of the weights among the flattened outputs."""
    flat = tree.flatten(model.output)
    names = [str(path[-1]) if path else "" for path, _ in tree.flatten_with_path(model.output)]
    length = names_of(model)[target].shape[1] or TARGET_LENGTH
    try:
        shapes = _shapes(model, target, TARGET_LENGTH)
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"model: expected sources of another length than the target {target!r} to be possible, "
            f"received a model that refuses them: {reason}"
        ) from error
    ranked = [
        i
        for i, x in enumerate(flat)
        if len(x.shape) == 3 and "float" in str(x.dtype) and shapes[i][1] == length
    ]
    sized = [i for i in ranked if flat[i].shape[-1] is not None]
    if not sized:
        received = ", ".join(str(tuple(x.shape)) for x in flat)
        raise ValueError(
            "model: expected an output of logits (batch, length, vocabulary) with a known last "
            f"size, received outputs of shape {received}."
        )
    named = [i for i in sized if names[i] in ("logits", "probabilities")]
    logits = max(named or sized, key=lambda i: (flat[i].shape[-1], -i))
    weights = [i for i in ranked if i != logits and flat[i].shape[-1] is None]
    weights += [i for i in sized if i != logits and _are_weights(names[i])]
    weights += [i for i, x in enumerate(flat) if len(x.shape) == 4 and length in shapes[i][1:3]]
    return logits, weights[0] if weights else None


def _are_weights(name: str) -> bool:
    return any(word in name.lower() for word in ("attention", "weights", "alignment", "scores"))


def ends_in_softmax(tensor: Tensor) -> bool:
    """Whether the operation that gives a symbolic tensor ends in a softmax."""
    operation = tensor._keras_history.operation
    if is_functional(operation):
        return ends_in_softmax(tree.flatten(operation.output)[tensor._keras_history.tensor_index])
    if isinstance(operation, keras.layers.Softmax):
        return True
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    if isinstance(
        operation, (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Activation)
    ):
        return operation.activation is keras.activations.softmax
    return type(operation).__name__ == "Softmax"
