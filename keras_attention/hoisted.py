"""Keras' own cells with the part of the sequence taken out of the loop.

A cell multiplies `[x_t; fed_t]` by its kernel in every step, where `fed_t` is what
the step before gives. `x_t` is known for all steps, so its product is one large
one before the loop; what is left is a single product with `[fed_t; h]` a step.
The sums are those of the cell in another order.
"""

import keras
from keras import ops, tree

from keras_attention.backend import product_with


def hoisted(cell, sequence, training):
    """`cell` over `sequence` `(B, T, D)`, or None where it is not known how to take it apart.

    That is a cell of Keras' own, no subclass of one, that drops nothing now and
    computes in the dtype of the sequence.
    """
    known = _HOISTED.get(type(cell))
    if known is None or cell.activity_regularizer is not None:
        return None
    if training and (cell.dropout or cell.recurrent_dropout):
        return None
    if cell.compute_dtype != keras.backend.standardize_dtype(sequence.dtype):
        return None
    return known(cell, sequence)


class _Hoisted:
    """A cell and what it makes of a sequence.

    Attributes:
        inputs: `(B, T, gates)`, what `step` takes one step of.
    """

    def __init__(self, cell, sequence):
        self.cell = cell
        size, rows = sequence.shape[-1], ops.shape(sequence)[:-1]
        kernel, self.recurrent = (self._weight(w) for w in (cell.kernel, cell.recurrent_kernel))
        self.bias = None if cell.bias is None else self._weight(cell.bias)
        projected = ops.matmul(ops.reshape(sequence, (-1, size)), kernel[:size])
        projected = self._prepare(projected, kernel[size:])
        self.inputs = ops.reshape(projected, (*rows, projected.shape[-1]))

    def _weight(self, variable):
        return ops.cast(variable, self.cell.compute_dtype)

    def _prepare(self, projected, of_fed):
        """Adds the bias, and keeps the one product that is left."""
        self._product = product_with(ops.concatenate([of_fed, self.recurrent], axis=0))
        return projected if self.bias is None else projected + self.bias

    def step(self, inputs, fed, state):
        """One step of `inputs` and a list `fed` of `(B, ..)`: the output and the next state."""
        flat = tree.flatten(state)
        output, after = self._advance(inputs, fed, flat)
        return output, tree.pack_sequence_as(state, after)

    def _advance(self, inputs, fed, state):
        sums = inputs + self._product(ops.concatenate([*fed, state[0]], axis=-1))
        return self._gates(sums, state)


class _HoistedSimpleRNN(_Hoisted):
    def _gates(self, sums, state):
        output = self.cell.activation(sums)
        return output, [output]


class _HoistedLSTM(_Hoisted):
    def _gates(self, sums, state):
        cell = self.cell
        i, f, candidate, o = ops.split(sums, 4, axis=-1)
        carry = cell.recurrent_activation(f) * state[1]
        carry = carry + cell.recurrent_activation(i) * cell.activation(candidate)
        output = cell.recurrent_activation(o) * cell.activation(carry)
        return output, [output, carry]


class _HoistedGRU(_Hoisted):
    """The candidate adds its two products after a gate, so they stay two."""

    def _prepare(self, projected, of_fed):
        after = self.cell.reset_after
        self._fed_product = product_with(of_fed) if of_fed.shape[0] else None
        # With reset before, the candidate's part is multiplied with r * h instead of h.
        split = self.recurrent.shape[-1] if after else 2 * self.cell.units
        self._product = product_with(self.recurrent[:, :split])
        self._candidate_product = None if after else product_with(self.recurrent[:, split:])
        if self.bias is None:
            return projected
        return projected + (self.bias[0] if after else self.bias)

    def _advance(self, inputs, fed, state):
        cell, h = self.cell, state[0]
        if fed:
            inputs = inputs + self._fed_product(ops.concatenate(fed, axis=-1))
        products = self._product(h)
        if cell.reset_after and self.bias is not None:
            products = products + self.bias[1]
        units = cell.units
        gates = inputs[:, : 2 * units] + products[:, : 2 * units]
        z, r = ops.split(cell.recurrent_activation(gates), 2, axis=-1)
        if cell.reset_after:
            by_state = r * products[:, 2 * units :]
        else:
            by_state = self._candidate_product(r * h)
        output = z * h + (1 - z) * cell.activation(inputs[:, 2 * units :] + by_state)
        return output, [output]


_HOISTED = {
    keras.layers.SimpleRNNCell: _HoistedSimpleRNN,
    keras.layers.LSTMCell: _HoistedLSTM,
    keras.layers.GRUCell: _HoistedGRU,
}
