"""Loads weights that were trained with `tfa.seq2seq` into the layers of this library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_attention._core import cells
from keras_attention._core.types import Tensor
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.multi_source import MultiSourceAttention

# A name as it was given, and its array.
_Named: TypeAlias = tuple[str, Any]


def load_tfa_weights(layer: Attention | AttentionRNN, weights: Mapping[str, Tensor]) -> None:
    """Sets the weights of a layer to those of its counterpart in TensorFlow Addons.

    An `Attention` takes the weights of a tfa attention mechanism, an
    `AttentionRNN` those of an `AttentionWrapper`: of its cell, mechanism and
    attention layer. All names and shapes are checked before any weight is set.

    A weight is identified by the end of its name in a TensorFlow checkpoint:

        memory_layer/kernel         projects the keys
        query_layer/kernel          projects the queries, in Bahdanau's mechanisms
        attention_v, attention_g, attention_b, attention_score_bias
        cell/kernel, cell/recurrent_kernel, cell/bias
        cell/cells/0/kernel, ...    of the first cell in a stack
        attention_layer/kernel

    Several mechanisms are `attention_mechanisms/0/...` and so on, and their
    attention layers `attention_layers/0/kernel`. These become one layer here,
    with zeros where a layer of tfa does not read the context of another one.

    A prefix (`model/decoder/`) and the endings of checkpoints are ignored. Do
    not use the names in `layer.weights` of tfa: its query and memory layers have
    the same name there.

    Args:
        layer: a built `Attention` or `AttentionRNN`.
        weights: arrays by name.

    Raises:
        ValueError: for another layer, one that is not built, names that are
            missing, unknown, or given twice, and shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention import LuongAttention
    >>> from keras_attention.tfa import load_tfa_weights
    >>> attention = LuongAttention(scale=True)
    >>> attention.build((None, None, 4), (None, None, 3))  # of query and value
    >>> load_tfa_weights(attention, {
    ...     "attention_mechanism/memory_layer/kernel/.ATTRIBUTES/VARIABLE_VALUE": np.ones((3, 4)),
    ...     "attention_mechanism/attention_g/.ATTRIBUTES/VARIABLE_VALUE": 2.0,
    ... })
    >>> float(attention.score.g)
    2.0
    """
    variables = _variables(layer)
    count = _count_of_attentions(layer)
    given = _by_end(weights, count > 1)
    if isinstance(layer, AttentionRNN) and count > 1 and layer.attention_layer is not None:
        _join_attention_layers(given, count, cells.output_size(layer.cell))
    _check_names(variables, given)
    arrays = {name: _fitted(name, variables[name], given[name]) for name in variables}
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _check_names(variables: Mapping[str, Tensor], given: Mapping[str, _Named]) -> None:
    wrong = [f"{name!r} is missing" for name in variables if name not in given]
    wrong += [f"{given[name][0]!r} is not known" for name in given if name not in variables]
    if wrong:
        raise ValueError(
            f"weights: expected names that end in {', '.join(variables)}, received others: "
            f"{'; '.join(wrong)}."
        )


def _fitted(name: str, variable: Tensor, given: _Named) -> np.ndarray:
    received, array = given
    shape = np.shape(array)
    if name.endswith("attention_v") and len(shape) == 1:
        array = np.reshape(array, (-1, 1))
    if np.shape(array) != tuple(variable.shape):
        hint = ""
        if name.startswith("cell"):
            hint = (
                " The cell must have the same units and inputs; a GRU's bias has two rows with "
                "reset_after=True, which is the default, and one row otherwise."
            )
        raise ValueError(
            f"weights: expected {name!r} of shape {tuple(variable.shape)}, received "
            f"{received!r} of shape {shape}.{hint}"
        )
    return np.asarray(array)


def _count_of_attentions(layer: Attention | AttentionRNN) -> int:
    attention = layer.attention if isinstance(layer, AttentionRNN) else layer
    return len(attention.attentions) if isinstance(attention, MultiSourceAttention) else 1


def _join_attention_layers(given: dict[str, _Named], count: int, output_size: int) -> None:
    """Joins the kernels of `count` layers of `[output; one context]` to one of all contexts."""
    names = [f"attention_layers/{i}/kernel" for i in range(count)]
    if any(name not in given for name in names):
        return
    kernels = [np.asarray(given[name][1]) for name in names]
    from_output = np.concatenate([kernel[:output_size] for kernel in kernels], axis=1)
    from_contexts = np.zeros(
        (sum(len(kernel) - output_size for kernel in kernels), from_output.shape[1]),
        from_output.dtype,
    )
    top = left = 0
    for kernel in kernels:
        block = kernel[output_size:]
        height, width = block.shape
        from_contexts[top : top + height, left : left + width] = block
        top, left = top + height, left + width
    joined = np.concatenate([from_output, from_contexts])
    given["attention_layer/kernel"] = (" and ".join(names), joined)
    for name in names:
        del given[name]


def _variables(layer: Attention | AttentionRNN) -> dict[str, Tensor]:
    """The variables of `layer`, by the names of their counterparts in tfa."""
    if not isinstance(layer, (Attention, AttentionRNN)):
        raise ValueError(
            "layer: expected a keras_attention.Attention or AttentionRNN, received "
            f"{type(layer).__name__}."
        )
    if not layer.built:
        raise ValueError(
            f"layer: expected a {type(layer).__name__} that is built, received one that is not. "
            "Call it once, or call its build with the shapes of its two inputs."
        )
    if isinstance(layer, Attention):
        found = _of_attention(layer)
    else:
        found = _of_cell(layer.cell, "cell")
        if isinstance(layer.attention, MultiSourceAttention):
            for i, attention in enumerate(layer.attention.attentions):
                for name, variable in _of_attention(attention).items():
                    found[f"attention_mechanisms/{i}/{name}"] = variable
        else:
            found.update(_of_attention(layer.attention))
        if layer.attention_layer is not None:
            found.update(_of_layer(layer.attention_layer, "attention_layer"))
    named = {id(variable) for variable in found.values()}
    alone = [variable.path for variable in layer.weights if id(variable) not in named]
    if alone:
        raise ValueError(
            "layer: expected one that has a counterpart in tfa.seq2seq, received a "
            f"{type(layer).__name__} with weights that tfa does not have: {', '.join(alone)}."
        )
    return found


# The ends of our paths -> tfa's names.
_NAMES_IN_TFA = {
    "key_projection/kernel": "memory_layer/kernel",
    "query_projection/kernel": "query_layer/kernel",
    "v": "attention_v",
    "g": "attention_g",
    # tfa adds its bias to the sum of both projections; here it belongs to that of the keys.
    "key_projection/bias": "attention_b",
    "score_bias": "attention_score_bias",
}


def _of_attention(attention: Attention) -> dict[str, Tensor]:
    found = {}
    for variable in (*attention.score.weights, *attention.normalizer.weights):
        for end, name in _NAMES_IN_TFA.items():
            if f"/{variable.path}".endswith(f"/{end}"):
                found[name] = variable
    return found


def _of_cell(cell: keras.layers.Layer, prefix: str) -> dict[str, Tensor]:
    if not isinstance(cell, keras.layers.StackedRNNCells):
        return _of_layer(cell, prefix)
    parts = (_of_cell(part, f"{prefix}/cells/{i}") for i, part in enumerate(cell.cells))
    return {name: variable for part in parts for name, variable in part.items()}


def _of_layer(layer: keras.layers.Layer, prefix: str) -> dict[str, Tensor]:
    found = {f"{prefix}/{variable.name}": variable for variable in layer.weights}
    if len(found) != len(layer.weights):
        raise ValueError(
            f"layer: expected a {prefix} whose weights differ in name, received a "
            f"{type(layer).__name__} with {', '.join(v.path for v in layer.weights)}."
        )
    return found


_OF_MECHANISM = "memory_layer/kernel|query_layer/kernel|attention_(?:v|g|b|score_bias)"
# The end of a name in a checkpoint, or of a name in `weights` of a cell.
_ENDS = re.compile(
    rf"(?:^|/)(?:(?:_?attention_mechanisms/(?P<mechanism>\d+)/)?(?P<of_mechanism>{_OF_MECHANISM})"
    r"|_?attention_layers?/(?:(?P<layer>\d+)/)?(?P<of_layer>\w+)"
    r"|(?:_?cell|(?:lstm|gru|simple_rnn)_cell(?:_\d+)?)/(?P<of_cell>(?:cells/\d+/)*\w+))$"
)


def _by_end(weights: Mapping[str, Tensor], several: bool) -> dict[str, _Named]:
    """`{end of a name: (name, array)}`; a name without a known end is kept whole."""
    found: dict[str, _Named] = {}
    for name, array in weights.items():
        if name == "_CHECKPOINTABLE_OBJECT_GRAPH":
            continue
        end = _end(name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").removesuffix(":0"), several)
        if end in found:
            raise ValueError(
                f"weights: expected one name that ends in {end}, received {found[end][0]!r} and "
                f"{name!r}. Pass the weights of one layer alone, such as those with one prefix."
            )
        found[end] = (name, array)
    return found


def _end(name: str, several: bool) -> str:
    part = _ENDS.search(name)
    if part is None:
        return name
    if part["of_cell"]:
        return f"cell/{part['of_cell']}"
    number = part["mechanism"] or part["layer"] or "0"
    if several:
        kind = "mechanisms" if part["of_mechanism"] else "layers"
        return f"attention_{kind}/{number}/{part['of_mechanism'] or part['of_layer']}"
    if number != "0":
        return name
    return part["of_mechanism"] or f"attention_layer/{part['of_layer']}"
