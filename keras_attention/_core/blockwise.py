"""Additive scores block by block: no tensor of batch x queries x keys x units is ever held.

`v . act(q + k)` needs one hidden vector a pair of query and key. Written down in
one expression, all of them exist at once, several times over in the gradient:
2.7 GiB for 32 sequences of 128 queries, 128 keys and 256 units. Here a block of
them exists at a time, small enough to stay in the cache; the gradient keeps
queries and keys alone and computes each block anew, which is the faster way
too, since memory is slower than a tanh.
"""

from keras import ops

from keras_attention._core.backend.gradients import vjp
from keras_attention._core.backend.loops import scan

# Hidden activations in a block, at the least, where there are as many: 4 MiB in float32.
# Larger blocks fall out of the cache. In smaller ones more time goes into starting
# operations, and XLA on a CPU turns to slow products of matrix and vector.
BLOCK = 2**20
# So many queries, as those of the beams of a search, are compared in one piece where it is not
# known how many rows or keys there are: a step is no place for a loop around blocks.
FEW = 16


def additive_scores(query, keys, v, activation):
    """`score[b, i, j] = sum_u v[u] * activation(query[b, i, u] + keys[b, j, u])`.

    Both the value and the gradient are computed block by block, where a block
    is some rows of the batch, or some queries of one row. At the least it is
    one query of one row, which is no larger than that row's keys. Exact: each
    score is the sum that the plain expression has; only the gradients of keys
    and v add up in another order. What is no larger than a block or two is
    the plain expression itself; one query, a step of a recurrence, is one block.

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

    def hidden_vector_by_v(query, keys, v):
        hidden = activation(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))
        # At rank 2, since XLA cannot differentiate the Tensordot of rank 4 inside a loop.
        scores = ops.matmul(ops.reshape(hidden, (-1, hidden.shape[-1])), v)
        return ops.reshape(scores, ops.shape(hidden)[:-1])

    # One query is a block, whose hidden vectors are no larger than the keys. Yet a
    # recurrence that asks once a step would keep those of all its steps.
    step = query.shape[1] == 1
    unknown = query.shape[0] is None or keys.shape[1] is None
    few = step or (unknown and query.shape[1] is not None and query.shape[1] <= FEW)
    if not step and (keys.shape[1] == 1 or _Blocks(query, keys).one):
        return hidden_vector_by_v(query, keys, v)

    @ops.custom_gradient
    def blockwise(query, keys, v):
        def gradient(*args, upstream=None):
            # TensorFlow and JAX pass the gradient alone, torch the arguments too.
            upstream = args[0] if upstream is None else upstream
            if step:
                return vjp(hidden_vector_by_v, (query, keys, v), upstream)
            return _backward(hidden_vector_by_v, query, keys, v, upstream)

        if few:
            return hidden_vector_by_v(query, keys, v), gradient
        return _forward(hidden_vector_by_v, query, keys, v), gradient

    return blockwise(query, keys, v)


def _forward(function, query, keys, v):
    blocks = _Blocks(query, keys)

    def row(_, x):
        queries, keys = x
        return (), _loop(lambda _, x: ((), (function(x[0], keys, v),)), (), (queries,), 1)[1]

    split = blocks.of_queries(query), blocks.of_keys(keys)
    _, (scores,) = _loop(row, (), split, 1)
    return blocks.joined_queries(scores)


def _backward(function, query, keys, v, upstream):
    # Sizes anew, not those of the forward pass: in the gradient of a loop these would be
    # values that the loop has kept, which XLA takes for no sizes at all.
    blocks = _Blocks(query, keys)

    def row(v_gradient, x):
        queries, keys, upstream = x

        def block(gradients, x):
            by_query, *others = vjp(function, (x[0], keys, v), x[1])
            return tuple(a + b for a, b in zip(gradients, others)), (by_query,)

        start = ops.zeros_like(keys), v_gradient
        (by_keys, v_gradient), (by_queries,) = _loop(block, start, (queries, upstream), 1)
        return v_gradient, (by_queries, by_keys)

    split = blocks.of_queries(query), blocks.of_keys(keys), blocks.of_queries(upstream)
    by_v, (by_queries, by_keys) = _loop(row, ops.zeros_like(v), split, 2)
    return blocks.joined_queries(by_queries), blocks.joined_keys(by_keys), by_v


def _loop(step, carry, xs, outputs):
    if xs[0].shape[0] == 1:
        carry, y = step(carry, tuple(x[0] for x in xs))
        return carry, tuple(ops.expand_dims(tensor, 0) for tensor in y)
    # One a core of a small machine. More would take each other's place in the cache.
    return scan(step, carry, xs, (xs[0].dtype,) * outputs, at_once=2)


class _Blocks:
    """How a batch of queries and keys falls into blocks of equal size, and back.

    The batch is cut into `n` times `c` rows and the queries into `m` times `p`;
    where that is more than there are, zeros are appended, and cut off again.
    Sizes are integers where they are known, else tensors.
    """

    def __init__(self, query, keys):
        self.batch, self.queries, units = ops.shape(query)
        one_query = ops.shape(keys)[1] * units
        self.m, self.p = _parts(self.queries, one_query)
        self.n, self.c = _parts(self.batch, self.p * one_query)

    @property
    def one(self):
        """Whether there is no more than one block, as far as is known."""
        return isinstance(self.n, int) and isinstance(self.m, int) and self.n == self.m == 1

    def of_queries(self, x):
        """`(B, Tq, D)` to `(n, m, c, p, D)`."""
        size = ops.shape(x)[2]
        x = _extended(x, self.n * self.c - self.batch, self.m * self.p - self.queries)
        x = ops.reshape(x, (self.n, self.c, self.m, self.p, size))
        return ops.transpose(x, (0, 2, 1, 3, 4))

    def of_keys(self, x):
        """`(B, Tk, D)` to `(n, c, Tk, D)`."""
        length, size = ops.shape(x)[1:]
        x = _extended(x, self.n * self.c - self.batch, 0)
        return ops.reshape(x, (self.n, self.c, length, size))

    def joined_queries(self, x):
        """`(n, m, c, p, D)` to `(B, Tq, D)`."""
        size = ops.shape(x)[-1]
        x = ops.transpose(x, (0, 2, 1, 3, 4))
        x = ops.reshape(x, (self.n * self.c, self.m * self.p, size))
        return x[: self.batch, : self.queries]

    def joined_keys(self, x):
        """`(n, c, Tk, D)` to `(B, Tk, D)`."""
        length, size = ops.shape(x)[-2:]
        return ops.reshape(x, (self.n * self.c, length, size))[: self.batch]


def _parts(count, size):
    """Into how many equal parts, of how many each, to cut `count` things of `size` each.

    The smallest parts that fill a block. No product of all sizes is taken, which
    could be too large for an int32.
    """
    least = _up(BLOCK, _at_least_one(size))
    each = _at_least_one(_up(count, _at_least_one(count // least)))
    return _at_least_one(_up(count, each)), each


def _up(a, b):
    """a / b, rounded up. Of positive numbers only: ONNX rounds towards zero."""
    return (a + b - 1) // b


def _at_least_one(size):
    return max(size, 1) if isinstance(size, int) else ops.maximum(size, 1)


def _extended(x, rows, queries):
    if isinstance(rows, int) and isinstance(queries, int) and not rows + queries:
        return x
    return ops.pad(x, ((0, rows), (0, queries), (0, 0)))
