"""Weights that were trained with `tfa.seq2seq`, carried over into the layers of this library."""

import re

import keras
import numpy as np

from keras_attention._core import cells
from keras_attention.layers.attention import Attention
from keras_attention.layers.attention_rnn import AttentionRNN
from keras_attention.layers.multi_source import MultiSourceAttention


def load_tfa_weights(layer, weights):
    """Sets the weights of a layer to those of its counterpart in TensorFlow Addons.

    An `Attention` takes those of a tfa attention mechanism, an `AttentionRNN`
    those of an `AttentionWrapper`: of its cell, its mechanism and its attention
    layer. All names and shapes are checked before the first weight is set.

    A weight is known by the end of its name in a TensorFlow checkpoint:

        memory_layer/kernel         keys are projected by it
        query_layer/kernel          queries are, in Bahdanau's mechanisms
        attention_v, attention_g, attention_b, attention_score_bias
        cell/kernel, cell/recurrent_kernel, cell/bias
        cell/cells/0/kernel, ...    of the first cell in a stack
        attention_layer/kernel

    Several mechanisms are `attention_mechanisms/0/...` and so on, and their
    attention layers `attention_layers/0/kernel`; these become one layer here,
    with zeros where tfa's layers do not see each other's context.

    What stands before (`model/decoder/`) and checkpoints' own endings are
    passed over. Do not take the names in `layer.weights` of tfa: its query and
    memory layers share one there.

    Args:
        layer: a built `Attention` or `AttentionRNN`.
        weights: a dictionary, from names to arrays.

    Raises:
        ValueError: for another layer, one that is not built, names that are
            missing, not known, or there twice, and shapes that do not fit.

    Example:

    >>> import numpy as np
    >>> from keras_attention import LuongAttention
    >>> from keras_attention.tfa.weights import load_tfa_weights
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
    several = _several(layer)
    given = _by_end(weights, several > 1)
    if several > 1 and "attention_layer/kernel" in variables:
        _join_attention_layers(given, several, cells.output_size(layer.cell))
    _check_names(variables, given)
    arrays = {name: _fitted(layer, name, variables[name], given[name]) for name in variables}
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _check_names(variables, given):
    wrong = [f"{name!r} is missing" for name in variables if name not in given]
    wrong += [f"{given[name][0]!r} is not known" for name in given if name not in variables]
    if wrong:
        raise ValueError(
            f"weights: expected names that end in {', '.join(variables)}, received others: "
            f"{'; '.join(wrong)}."
        )


def _fitted(layer, name, variable, given):
    received, array = given
    shape = np.shape(array)
    if name.endswith("attention_v") and len(shape) == 1:
        array = np.reshape(array, (-1, 1))
    if np.shape(array) != tuple(variable.shape):
        hint = ""
        if name.startswith("cell"):
            hint = (
                " The cell must have the same units and see the same inputs; a GRU's bias has two "
                "rows with reset_after=True, which is the default, and else one."
            )
        raise ValueError(
            f"weights: expected {name!r} of shape {tuple(variable.shape)}, received "
            f"{received!r} of shape {shape}.{hint}"
        )
    return np.asarray(array)


def _several(layer):
    attention = layer.attention if isinstance(layer, AttentionRNN) else layer
    return len(attention.attentions) if isinstance(attention, MultiSourceAttention) else 1


def _join_attention_layers(given, count, output_size):
    """tfa joins what `count` layers make of `[output; their context]`; here one layer sees all."""
    names = [f"attention_layers/{i}/kernel" for i in range(count)]
    if any(name not in given for name in names):
        return
    kernels = [np.asarray(given[name][1]) for name in names]
    from_output = np.concatenate([kernel[:output_size] for kernel in kernels], axis=1)
    from_contexts = np.zeros(
        (sum(len(kernel) - output_size for kernel in kernels), from_output.shape[1]),
        from_output.dtype,
    )
    row = column = 0
    for kernel in kernels:
        block = kernel[output_size:]
        rows, columns = block.shape
        from_contexts[row : row + rows, column : column + columns] = block
        row, column = row + rows, column + columns
    joined = np.concatenate([from_output, from_contexts])
    given["attention_layer/kernel"] = (" and ".join(names), joined)
    for name in names:
        del given[name]


def _variables(layer):
    """The variables of `layer` by the names that tfa gives to their counterparts."""
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


def _of_attention(attention):
    score = attention.score
    key, query = (getattr(score, f"{side}_projection", None) for side in ("key", "query"))
    found = {
        "memory_layer/kernel": getattr(key, "kernel", None),
        "query_layer/kernel": getattr(query, "kernel", None),
        "attention_v": getattr(score, "v", None),
        "attention_g": getattr(score, "g", None),
        # tfa adds its bias to the sum of both projections; ours is within that of the keys.
        "attention_b": getattr(key, "bias", None),
        "attention_score_bias": getattr(attention.normalizer, "score_bias", None),
    }
    return {name: variable for name, variable in found.items() if variable is not None}


def _of_cell(cell, prefix):
    if not isinstance(cell, keras.layers.StackedRNNCells):
        return _of_layer(cell, prefix)
    cells = (_of_cell(part, f"{prefix}/cells/{i}") for i, part in enumerate(cell.cells))
    return {name: variable for part in cells for name, variable in part.items()}


def _of_layer(layer, prefix):
    found = {f"{prefix}/{variable.name}": variable for variable in layer.weights}
    if len(found) != len(layer.weights):
        raise ValueError(
            f"layer: expected a {prefix} whose weights differ in name, received a "
            f"{type(layer).__name__} with {', '.join(v.path for v in layer.weights)}."
        )
    return found


_OF_MECHANISM = "memory_layer/kernel|query_layer/kernel|attention_(?:v|g|b|score_bias)"
# What stands at the end of a name in a checkpoint, or of one in `weights` of a cell.
_ENDS = re.compile(
    rf"(?:^|/)(?:(?:_?attention_mechanisms/(?P<mechanism>\d+)/)?(?P<of_mechanism>{_OF_MECHANISM})"
    r"|_?attention_layers?/(?:(?P<layer>\d+)/)?(?P<of_layer>\w+)"
    r"|(?:_?cell|(?:lstm|gru|simple_rnn)_cell(?:_\d+)?)/(?P<of_cell>(?:cells/\d+/)*\w+))$"
)


def _by_end(weights, several):
    """`{end of a name: (name, array)}`; a name that has no known end stays as it is."""
    found = {}
    for name, array in weights.items():
        if name == "_CHECKPOINTABLE_OBJECT_GRAPH":
            continue
        end = _end(name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE").removesuffix(":0"), several)
        if end in found:
            raise ValueError(
                f"weights: expected one name that ends in {end}, received {found[end][0]!r} and "
                f"{name!r}. Pass the weights of one layer, such as those below one prefix."
            )
        found[end] = (name, array)
    return found


def _end(name, several):
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
