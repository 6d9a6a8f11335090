"""A decoding state as tensors with names: what a client sends from one step to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence

import tensorflow as tf
from keras import tree

from keras_attention._core.types import Structure

# Names that a signature uses for something else.
TAKEN = ("attention", "image", "logits", "token", "tokens")


class StateLayout:
    """Turns the nested state of a model into flat tensors with names, and back.

    The name of a tensor is the path to it: `{"memory": Memory(keys, ...)}`
    becomes `memory_keys`, the second state of a cell `decoder_cell_1`. None in
    a state is no tensor and has no name.

    Args:
        state: a state that `model.start` returned, eager or symbolic.
        constant_parts: top-level names of the state that no step changes, see
            `keras_attention.generation.Decoder`.

    Attributes:
        names: of the tensors, in the order of the state.
        changing: the names of those that a step may change.
        specs: the `tf.TensorSpec` of each name.

    Raises:
        ValueError: if the first dimension of a tensor is not the batch, or two
            tensors would have the same name.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.export.state import StateLayout
    >>> state = {"cell": [tf.zeros((2, 4)), tf.zeros((2, 4))], "mask": None}
    >>> layout = StateLayout(state)
    >>> layout.names
    ['cell_0', 'cell_1']
    >>> named = layout.named({"cell": [tf.zeros((3, 4)), tf.ones((3, 4))], "mask": None})
    >>> layout.nested(named)["cell"][1].shape[0]
    3
    """

    def __init__(self, state: Structure, constant_parts: Sequence[str] = ()) -> None:
        self._template = state
        leaves = tree.flatten_with_path(state)
        self._kept = [i for i, (_, leaf) in enumerate(leaves) if leaf is not None]
        paths = [leaves[i][0] for i in self._kept]
        self.names = [_name(state, path) for path in paths]
        constant = set(constant_parts) if isinstance(state, dict) else set()
        self.changing = [
            name for name, path in zip(self.names, paths) if not path or path[0] not in constant
        ]
        self.specs: dict[str, tf.TensorSpec] = {}
        for i, name in zip(self._kept, self.names):
            tensor = tf.convert_to_tensor(leaves[i][1])
            if tensor.shape.rank == 0:
                raise ValueError(
                    f"model: expected every tensor of the state to have the batch as its first "
                    f"dimension, received the scalar {name!r}. Repeat it for each example."
                )
            if name in self.specs:
                raise ValueError(f"model: two tensors of its state are both called {name!r}.")
            self.specs[name] = tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name)

    def open(self, changing: Sequence[tf.Tensor]) -> None:
        """Takes the static sizes of the parts that steps change from `changing`, in order."""
        for name, tensor in zip(self.changing, changing):
            spec = self.specs[name]
            self.specs[name] = tf.TensorSpec((None, *tensor.shape[1:]), spec.dtype, name)

    def named(self, state: Structure) -> dict[str, tf.Tensor]:
        """A nested state as a dictionary of tensors."""
        leaves = tree.flatten(state)
        return {name: tf.convert_to_tensor(leaves[i]) for i, name in zip(self._kept, self.names)}

    def nested(self, tensors: dict[str, tf.Tensor]) -> Structure:
        """A dictionary of tensors as the nested state of the model."""
        leaves = list(tree.flatten(self._template))
        for i, name in zip(self._kept, self.names):
            leaves[i] = tensors[name]
        return tree.pack_sequence_as(self._template, leaves)


def _name(structure: Structure, path: tuple[str | int, ...]) -> str:
    parts = []
    for key in path:
        # A named tuple names its parts by its fields.
        named = isinstance(structure, tuple) and type(structure) is not tuple
        parts.append(str(type(structure)._fields[key] if named else key))
        structure = structure[key]
    # TensorFlow uses the names as those of Python arguments.
    name = re.sub(r"\W", "_", "_".join(parts) or "state")
    return f"state_{name}" if name in TAKEN or not name[0].isalpha() else name
