"""Several attentions that are asked with one query, each over a memory of its own."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_attention")
class SeveralAttentions(keras.layers.Layer):
    """Asks several attentions with the same query and joins their contexts.

        context = [attention_1(query, value_1); attention_2(query, value_2); ...]

    It has the step protocol of `Attention`: memories, states and weights are
    tuples with one entry an attention. `AttentionRNN` makes one of a list.

    Args:
        attentions: the list of them.
        **kwargs: of `keras.layers.Layer`.

    Raises:
        ValueError: for an empty list, or something in it that is no attention;
            when called, for another number of values than of attentions.

    Example:

    >>> import keras, numpy as np
    >>> from keras_attention import AttentionRNN, BahdanauAttention, LuongAttention
    >>> attentions = [BahdanauAttention(8), LuongAttention()]
    >>> decoder = AttentionRNN(keras.layers.GRUCell(16), attentions)
    >>> text, image = np.ones((2, 5, 6)), np.ones((2, 3, 3, 4))
    >>> _, weights = decoder(np.ones((2, 7, 4)), [text, image], return_attention_scores=True)
    >>> [tuple(one.shape) for one in weights]
    [(2, 7, 5), (2, 7, 3, 3)]
    """

    def __init__(self, attentions, **kwargs):
        super().__init__(**kwargs)
        needed = ("memory", "initial_state", "step")
        if not attentions or not all(hasattr(one, name) for one in attentions for name in needed):
            raise ValueError(
                "attention: expected a keras_attention.Attention or a list of some, received "
                f"{attentions!r}."
            )
        self.attentions = list(attentions)
        self.supports_masking = True
        if not all(hasattr(one, "attend") for one in self.attentions):
            # One that knows only steps makes all go step by step.
            self.attend = None

    def build(self, query_shape, value_shape):
        for attention, shape in zip(self.attentions, self._each(value_shape, is_shape=True)):
            if not attention.built:
                attention.build(query_shape, shape)
                attention.built = True
        self.built = True

    def memory(self, value, key=None, mask=None):
        """The memories of a list of values, or of one value that all attend to."""
        values = self._each(value)
        masks = self._each(mask) if isinstance(mask, (list, tuple)) else [mask] * len(values)
        return tuple(
            attention.memory(one, mask=its_mask)
            for attention, one, its_mask in zip(self.attentions, values, masks)
        )

    def initial_state(self, memory):
        """The states, one an attention."""
        return tuple(a.initial_state(its) for a, its in zip(self.attentions, memory))

    def noise(self, memory, steps, training=True):
        """What each attention draws."""
        return tuple(
            attention.noise(its, steps, training) if hasattr(attention, "noise") else None
            for attention, its in zip(self.attentions, memory)
        )

    def step(self, query, memory, state=None, noise=None):
        """The joined contexts `(B, D)`, the weights and the next states."""
        return self._ask("step", query, memory, state, noise)

    def attend(self, query, memory, state=None, query_mask=None, noise=None):
        """The joined contexts `(B, Tq, D)`, the weights and the last states."""
        return self._ask("attend", query, memory, state, noise, query_mask=query_mask)

    def context_size(self, value_size):
        """The features of the joined contexts, of a list of the features of the values."""
        return sum(
            attention.context_size(size) if hasattr(attention, "context_size") else size
            for attention, size in zip(self.attentions, value_size)
        )

    def _ask(self, how, query, memory, state, noise, **options):
        nothing = (None,) * len(self.attentions)
        found = []
        for attention, its_memory, its_state, its_noise in zip(
            self.attentions, memory, state or nothing, noise or nothing
        ):
            drawn = {} if its_noise is None else {"noise": its_noise}
            found.append(getattr(attention, how)(query, its_memory, its_state, **options, **drawn))
        contexts, weights, states = zip(*found)
        return ops.concatenate(contexts, axis=-1), weights, states

    def _each(self, value, is_shape=False):
        several = isinstance(value, (list, tuple))
        if is_shape:
            several = isinstance(value[0], (list, tuple))
        if not several:
            return [value] * len(self.attentions)
        if len(value) != len(self.attentions):
            raise ValueError(
                f"value: expected one for each of {len(self.attentions)} attentions, or one for "
                f"all of them, received {len(value)}."
            )
        return list(value)

    def get_config(self):
        attentions = [keras.saving.serialize_keras_object(one) for one in self.attentions]
        return {**super().get_config(), "attentions": attentions}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["attentions"] = [
            keras.saving.deserialize_keras_object(one, custom_objects=custom_objects)
            for one in config["attentions"]
        ]
        return cls(**config)
