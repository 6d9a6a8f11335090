"""A decoding state as tensors with names: what crosses from one request to the next."""

import re

import tensorflow as tf
from keras import tree

# Names that a signature uses for something else.
TAKEN = ("attention", "image", "logits", "token", "tokens")


class StateLayout:
    """How the nested state of a model falls into flat, named tensors, and back.

    The name of a tensor is the path to it: `{"memory": Memory(keys, ...)}`
    becomes `memory_keys`, the second state of a cell `decoder_cell_1`. None in
    a state is no tensor and has no name.

    Args:
        state: a state that `model.start` returned, eager or symbolic.

    Raises:
        ValueError: where a tensor has not the batch as its first dimension, or
            where two tensors would share a name.

    Example:

    >>> import tensorflow as tf
    >>> from keras_attention.export.state import StateLayout
    >>> layout = StateLayout({"cell": [tf.zeros((2, 4)), tf.zeros((2, 4))], "mask": None})
    >>> layout.names
    ['cell_0', 'cell_1']
    >>> named = layout.named({"cell": [tf.zeros((3, 4)), tf.ones((3, 4))], "mask": None})
    >>> layout.nested(named)["cell"][1].shape[0]
    3
    """

    def __init__(self, state):
        self._template = state
        leaves = tree.flatten_with_path(state)
        self._kept = [i for i, (_, leaf) in enumerate(leaves) if leaf is not None]
        self.names = [_name(state, leaves[i][0]) for i in self._kept]
        self.specs = {}
        for i, name in zip(self._kept, self.names):
            tensor = tf.convert_to_tensor(leaves[i][1])
            if tensor.shape.rank == 0:
                raise ValueError(
                    f"model: expected every tensor of the state to have the batch as its first "
                    f"dimension, received the scalar {name!r}. Repeat it, once a row."
                )
            if name in self.specs:
                raise ValueError(f"model: two tensors of its state are both called {name!r}.")
            self.specs[name] = tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype, name)

    def named(self, state):
        """A nested state as a dictionary of tensors."""
        leaves = tree.flatten(state)
        return {name: tf.convert_to_tensor(leaves[i]) for i, name in zip(self._kept, self.names)}

    def nested(self, tensors):
        """A dictionary of tensors as the nested state that the model knows."""
        leaves = list(tree.flatten(self._template))
        for i, name in zip(self._kept, self.names):
            leaves[i] = tensors[name]
        return tree.pack_sequence_as(self._template, leaves)


def _name(structure, path):
    parts = []
    for key in path:
        fields = getattr(structure, "_fields", None)
        parts.append(str(fields[key] if fields and isinstance(key, int) else key))
        structure = structure[key]
    # TensorFlow takes the names as those of Python arguments.
    name = re.sub(r"\W", "_", "_".join(parts) or "state")
    return f"state_{name}" if name in TAKEN or not name[0].isalpha() else name
