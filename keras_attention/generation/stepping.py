"""How a search runs a model's steps, and which tensors of its state a loop has to carry."""

import inspect

from keras import ops, tree

from keras_attention._core.backend.gathers import gather_rows
from keras_attention._core.backend.loops import open_sizes
from keras_attention._core.checks import check_ids
from keras_attention.text.vocabulary import PAD, START

# The log-probability of what must not happen. Finite, so that no sum of two is NaN.
NEVER = -1e30


class Stepper:
    """Runs `model.step` for a search, which need not know what the state looks like.

    The first step shows which tensors of the state change. Only those travel
    in the loop and are gathered by beam; the others (the memory) stay outside.

    Args:
        model: anything with `start` and `step`, see `keras_attention.generation`.
        inputs: what `model.start` takes.
    """

    def __init__(self, model, inputs):
        for name in ("start", "step"):
            if not callable(getattr(model, name, None)):
                raise ValueError(
                    "model: expected something that decodes, with start(inputs) and "
                    "step(tokens, state), such as keras_attention.models.EncoderDecoder, received "
                    f"{type(model).__name__} without {name}."
                )
        self.model, self.inputs = model, inputs
        self._state = model.start(inputs)
        leaves = tree.flatten(self._state)
        self._leaves = [None if leaf is None else ops.convert_to_tensor(leaf) for leaf in leaves]
        self.batch = ops.shape(next(leaf for leaf in self._leaves if leaf is not None))[0]
        self._changing, self._options = None, {}

    def first(self):
        """The step from the start token: logits, the changed tensors of the state, and weights."""
        tokens = ops.full((self.batch,), START, dtype="int32")
        logits, state, weights = self._step(tokens, self._leaves)
        pairs = list(zip(self._leaves, tree.flatten(state)))
        self._changing = [i for i, (before, after) in enumerate(pairs) if before is not after]
        changed = self._changed(state)
        for place, i in enumerate(self._changing):
            before, after = (tuple(tensor.shape) for tensor in pairs[i])
            grows = [None not in (a, b) and a != b for a, b in zip(before, after)]
            if any(grows):
                # A cache, longer with every step.
                sizes = [None if grown else size for grown, size in zip(grows, after)]
                changed[place] = open_sizes(changed[place], sizes)
        return logits, changed, weights

    def next(self, tokens, changed):
        """A step from the changed tensors of the state: logits, the same anew, and weights."""
        leaves = list(self._leaves)
        for i, tensor in zip(self._changing, changed):
            leaves[i] = tensor
        logits, state, weights = self._step(tokens, leaves, **self._options)
        return logits, self._changed(state), weights

    def spread(self, rows, beams):
        """From now on there are `beams` rows for each one: `rows` says which it was.

        A model whose `step` takes `beams` attends with all beams of a row at
        once, over one memory; for others what does not change is repeated, once.
        """
        if beams == 1:
            return
        if "beams" in inspect.signature(self.model.step).parameters:
            self._options = {"beams": beams}
            return
        for i, leaf in enumerate(self._leaves):
            if leaf is not None and i not in self._changing:
                self._leaves[i] = gather_rows(leaf, rows)

    def _step(self, tokens, leaves, **options):
        state = tree.pack_sequence_as(self._state, leaves)
        logits, state, weights = self.model.step(tokens, state, **options)
        if weights is None:
            weights = ops.zeros((ops.shape(tokens)[0], 0))
        return ops.cast(logits, "float32"), state, ops.cast(weights, "float32")

    def _changed(self, state):
        # A state keeps its dtype from step to step, or a loop would refuse it.
        after = tree.flatten(state)
        return [ops.cast(after[i], self._leaves[i].dtype) for i in self._changing]

    def source_mask(self):
        """Which positions of the memory are real `(B, S)`, or None where all are.

        That is what `model.source_mask(inputs)` says, or else which of the ids
        that went in are no padding.
        """
        if hasattr(self.model, "source_mask"):
            return self.model.source_mask(self.inputs)
        given = self.inputs
        if isinstance(given, dict):
            given = given.get("source")
        if given is None or (tree.is_nested(given) and not hasattr(given, "shape")):
            return None
        given = ops.convert_to_tensor(given)
        if len(given.shape) != 2 or "int" not in str(given.dtype):
            return None
        return ops.not_equal(given, PAD)


def prefix_columns(prefix, max_length):
    """A prefix `(B, P)` as `max_length` columns, 0 where nothing is forced; None stays None."""
    if prefix is None:
        return None
    prefix = ops.convert_to_tensor(prefix)
    check_ids("prefix", prefix)
    columns = ops.pad(ops.cast(prefix, "int32"), ((0, 0), (0, max_length)))[:, :max_length]
    # Now that their number is known, whatever the prefix had.
    return ops.reshape(columns, (-1, max_length))
