"""Additive scores block by block, without a tensor of batch x queries x keys x units.

`v . act(q + k)` needs one hidden vector per pair of query and key. In one
expression all of them exist at once, several times over in the gradient:
2.7 GiB for 32 sequences of 128 queries, 128 keys and 256 units. Here one block
exists at a time, small enough to stay in the cache. The gradient keeps only
queries and keys and recomputes each block, which is also faster, since memory
is slower than a tanh.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keras import ops

from keras_attention._core.backend.gradients import vjp
from keras_attention._core.backend.loops import Scanned, Step, scan
from keras_attention._core.types import Structure, Tensor

# The least number of hidden activations in a block, if there are so many: 4 MiB in float32.
# Larger blocks do not fit the cache. Smaller ones cost time for starting operations, and XLA on
# a CPU uses slow products of matrix and vector for them.
BLOCK = 2**20
# Up to so many queries, such as the beams of a search, are one block if the batch or the number
# of keys is not known statically: a step should contain no loop over blocks.
FEW = 16

Score = Callable[[Tensor, Tensor, Tensor], Tensor]
Size = int | Tensor


def additive_scores(
    query: Tensor, keys: Tensor, v: Tensor, activation: Callable[[Tensor], Tensor]
) -> Tensor:
    """`score[b, i, j] = sum_u v[u] * activation(query[b, i, u] + keys[b, j, u])`.

    Both the value and the gradient are computed block by block, where a block
    is some examples of the batch, or some queries of one example. The smallest
    block is one query of one example, no larger than the keys of the example.
    Exact: each score is the sum in the plain expression; only the gradients of
    keys and v are summed in another order. A problem of one block is the plain
    expression; one query, as in a step of a recurrence, is one block.

    Args:
        query: `(B, Tq, U)`.
        keys: `(B, Tk, U)`, of the same dtype.
        v: `(U, 1)`, of the same dtype.
        activation: an elementwise function of a tensor.

    Returns:
        The scores `(B, Tq, Tk)`.

    Example:

    >>> from keras import ops
    >>> from keras_attention._core.blockwise import additive_scores
    >>> query, keys, v = ops.zeros((2, 3, 4)), ops.ones((2, 5, 4)), ops.ones((4, 1))
    >>> float(additive_scores(query, keys, v, ops.relu)[0, 0, 0])
    4.0
    """

    def hidden_vector_by_v(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
        hidden = activation(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))
        # At rank 2, since XLA cannot differentiate the Tensordot of rank 4 inside a loop.
        scores = ops.matmul(ops.reshape(hidden, (-1, hidden.shape[-1])), v)
        return ops.reshape(scores, ops.shape(hidden)[:-1])

    # The hidden vectors of one query are no larger than the keys. But the gradient of a
    # recurrence with one query per step would keep those of all steps.
    step = query.shape[1] == 1
    unknown = query.shape[0] is None or keys.shape[1] is None
    few = step or (unknown and query.shape[1] is not None and query.shape[1] <= FEW)
    if not step and (keys.shape[1] == 1 or _Blocks(query, keys).one):
        return hidden_vector_by_v(query, keys, v)

    @ops.custom_gradient
    def blockwise(query: Tensor, keys: Tensor, v: Tensor) -> Structure:
        def gradient(*args: Tensor, upstream: Tensor | None = None) -> Sequence[Tensor]:
            # TensorFlow and JAX pass only the gradient, torch the arguments too.
            upstream = args[0] if upstream is None else upstream
            if step:
                return vjp(hidden_vector_by_v, (query, keys, v), upstream)
            return _backward(hidden_vector_by_v, query, keys, v, upstream)

        if few:
            return hidden_vector_by_v(query, keys, v), gradient
        return _forward(hidden_vector_by_v, query, keys, v), gradient

    return blockwise(query, keys, v)


def _forward(function: Score, query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    blocks = _Blocks(query, keys)

    def examples(_: Structure, x: Structure) -> Scanned:
        queries, keys = x
        return (), _loop(lambda _, x: ((), (function(x[0], keys, v),)), (), (queries,), 1)[1]

    split = blocks.of_queries(query), blocks.of_keys(keys)
    _, (scores,) = _loop(examples, (), split, 1)
    return blocks.joined_queries(scores)


def _backward(
    function: Score, query: Tensor, keys: Tensor, v: Tensor, upstream: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    # The sizes are computed again, since in the gradient of a loop those of the forward pass
    # would be values that the loop has kept, and XLA does not accept them as sizes.
    blocks = _Blocks(query, keys)

    def examples(v_gradient: Tensor, x: Structure) -> Scanned:
        queries, keys, upstream = x

        def block(gradients: Structure, x: Structure) -> Scanned:
            by_query, *others = vjp(function, (x[0], keys, v), x[1])
            return tuple(a + b for a, b in zip(gradients, others)), (by_query,)

        start = ops.zeros_like(keys), v_gradient
        (by_keys, v_gradient), (by_queries,) = _loop(block, start, (queries, upstream), 1)
        return v_gradient, (by_queries, by_keys)

    split = blocks.of_queries(query), blocks.of_keys(keys), blocks.of_queries(upstream)
    by_v, (by_queries, by_keys) = _loop(examples, ops.zeros_like(v), split, 2)
    return blocks.joined_queries(by_queries), blocks.joined_keys(by_keys), by_v


def _loop(step: Step, carry: Structure, xs: tuple[Tensor, ...], outputs: int) -> Scanned:
    if xs[0].shape[0] == 1:
        carry, y = step(carry, tuple(x[0] for x in xs))
        return carry, tuple(ops.expand_dims(tensor, 0) for tensor in y)
    # One per core of a small machine. More would compete for the cache.
    return scan(step, carry, xs, (xs[0].dtype,) * outputs, at_once=2)


class _Blocks:
    """Splits a batch of queries and keys into blocks of equal size, and joins them.

    The batch is split into `n` times `c` examples and the queries into `m`
    times `p`; if that is more than there are, zeros are appended, and removed
    again. Sizes are integers if they are known statically, else tensors.
    """

    def __init__(self, query: Tensor, keys: Tensor) -> None:
        self.batch, self.queries, units = ops.shape(query)
        one_query = ops.shape(keys)[1] * units
        self.m, self.p = _parts(self.queries, one_query)
        self.n, self.c = _parts(self.batch, self.p * one_query)

    @property
    def one(self) -> bool:
        """Whether there is statically no more than one block."""
        return isinstance(self.n, int) and isinstance(self.m, int) and self.n == self.m == 1

    def of_queries(self, x: Tensor) -> Tensor:
        """`(B, Tq, D)` to `(n, m, c, p, D)`."""
        size = ops.shape(x)[2]
        x = _extended(x, self.n * self.c - self.batch, self.m * self.p - self.queries)
        x = ops.reshape(x, (self.n, self.c, self.m, self.p, size))
        return ops.transpose(x, (0, 2, 1, 3, 4))

    def of_keys(self, x: Tensor) -> Tensor:
        """`(B, Tk, D)` to `(n, c, Tk, D)`."""
        length, size = ops.shape(x)[1:]
        x = _extended(x, self.n * self.c - self.batch, 0)
        return ops.reshape(x, (self.n, self.c, length, size))

    def joined_queries(self, x: Tensor) -> Tensor:
        """`(n, m, c, p, D)` to `(B, Tq, D)`."""
        size = ops.shape(x)[-1]
        x = ops.transpose(x, (0, 2, 1, 3, 4))
        x = ops.reshape(x, (self.n * self.c, self.m * self.p, size))
        return x[: self.batch, : self.queries]

    def joined_keys(self, x: Tensor) -> Tensor:
        """`(n, c, Tk, D)` to `(B, Tk, D)`."""
        length, size = ops.shape(x)[-2:]
        return ops.reshape(x, (self.n * self.c, length, size))[: self.batch]


def _parts(count: Size, size: Size) -> tuple[Size, Size]:
    """How many equal parts `count` items of `size` are split into, and the items in each.

    They are the smallest parts that fill a block. There is no product of all sizes, which could
    be too large for an int32.
    """
    least = _up(BLOCK, _at_least_one(size))
    each = _at_least_one(_up(count, _at_least_one(count // least)))
    return _at_least_one(_up(count, each)), each


def _up(a: Size, b: Size) -> Size:
    """a / b, rounded up. Of positive numbers only: ONNX rounds towards zero."""
    return (a + b - 1) // b


def _at_least_one(size: Size) -> Size:
    return max(size, 1) if isinstance(size, int) else ops.maximum(size, 1)


def _extended(x: Tensor, examples: Size, queries: Size) -> Tensor:
    if isinstance(examples, int) and isinstance(queries, int) and not examples + queries:
        return x
    return ops.pad(x, ((0, examples), (0, queries), (0, 0)))
