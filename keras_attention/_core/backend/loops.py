"""The loops under every recurrence and search."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import ModuleType

import keras
from keras import ops, tree

from keras_attention._core.types import Shape, Structure, Tensor

Step = Callable[[Structure, Structure], tuple[Structure, Sequence[Tensor]]]
Scanned = tuple[Structure, tuple[Tensor, ...]]


# Steps of a loop of known length that are written out where there are no arrays.
_UNROLLED = 32


def scan(
    step: Step, carry: Structure, xs: Structure, dtypes: Sequence[str], at_once: int = 10
) -> Scanned:
    """Runs `step` along the first axis of `xs` and stacks its outputs.

    On TensorFlow `keras.ops.scan` needs outputs of the shapes of the carry, and
    does not convert to ONNX. This loop has neither limit.

    Args:
        step: `step(carry, x) -> (carry, y)`; `x` holds one slice of every
            tensor of `xs`, `y` is a tuple of tensors.
        carry: a structure of tensors; `step` returns one like it. None in it,
            and in `xs`, stays None.
        xs: a structure of tensors, time first, none of them of length zero.
        dtypes: a tuple with the dtype of each tensor of `y`.
        at_once: how many steps TensorFlow may run in parallel, if none needs
            the carry of another; each holds its own memory.

    Returns:
        The last carry, and a tuple of stacked `y`, time first.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not tf.executing_eagerly():
            length = _tensors(xs)[0].shape[0]
            if _without_arrays.get() and length is not None and length <= _UNROLLED:
                return _eager_scan(step, carry, xs, dtypes)
            return _graph_scan(tf, step, carry, xs, dtypes, at_once)
    if keras.backend.backend() == "jax":
        import jax

        # Compiling a loop for one eager call takes longer than running it.
        if any(isinstance(x, jax.core.Tracer) for x in _tensors((carry, xs))):
            return _traced_scan(jax, step, carry, xs, dtypes)
    return _eager_scan(step, carry, xs, dtypes)


def _eager_scan(step: Step, carry: Structure, xs: Structure, dtypes: Sequence[str]) -> Scanned:
    outputs: list[list[Tensor]] = [[] for _ in dtypes]
    sequences = _tensors(xs)
    for t in range(sequences[0].shape[0]):
        carry, y = step(carry, _pack_tensors(xs, [x[t] for x in sequences]))
        for output, value, dtype in zip(outputs, y, dtypes):
            output.append(ops.cast(value, dtype))
    return carry, tuple(ops.stack(output) for output in outputs)


def _graph_scan(
    tf: ModuleType,
    step: Step,
    carry: Structure,
    xs: Structure,
    dtypes: Sequence[str],
    at_once: int,
) -> Scanned:
    sequences = _tensors(xs)
    length = sequences[0].shape[0]
    if length is None:
        length = tf.shape(sequences[0])[0]
    inputs = [tf.TensorArray(x.dtype, length).unstack(x) for x in sequences]
    outputs = [tf.TensorArray(dtype, length) for dtype in dtypes]

    def body(
        t: Tensor, flat: list[Tensor], outputs: list[Structure]
    ) -> tuple[Tensor, list[Tensor], list[Structure]]:
        x = []
        for array, whole in zip(inputs, sequences):
            value = array.read(t)
            value.set_shape(whole.shape[1:])
            x.append(value)
        new, y = step(_pack_tensors(carry, flat), _pack_tensors(xs, x))
        kept = []
        for before, after in zip(flat, _tensors(new)):
            after = tf.cast(after, before.dtype)
            # The state of a user's cell may lose a static size that the first state has.
            after.set_shape(before.shape)
            kept.append(after)
        written = [
            array.write(t, tf.cast(value, dtype)) for array, value, dtype in zip(outputs, y, dtypes)
        ]
        return t + 1, kept, written

    start = [tf.convert_to_tensor(tensor) for tensor in _tensors(carry)]
    _, last, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (tf.constant(0), start, outputs),
        maximum_iterations=length,
        parallel_iterations=at_once,
    )
    return _pack_tensors(carry, last), tuple(array.stack() for array in outputs)


def _traced_scan(
    jax: ModuleType, step: Step, carry: Structure, xs: Structure, dtypes: Sequence[str]
) -> Scanned:
    start = [ops.convert_to_tensor(tensor) for tensor in _tensors(carry)]
    sequences = [ops.convert_to_tensor(tensor) for tensor in _tensors(xs)]

    def body(flat: list[Tensor], x: Structure) -> tuple[list[Tensor], list[Tensor]]:
        new, y = step(_pack_tensors(carry, flat), _pack_tensors(xs, x))
        kept = [ops.cast(after, before.dtype) for after, before in zip(_tensors(new), flat)]
        return kept, [ops.cast(value, dtype) for value, dtype in zip(y, dtypes)]

    # Variables that the step assigns, such as the seed of a dropout in a user's cell, are part
    # of the carry: a tracer assigned to a variable is not valid outside the loop.
    with _Assignments() as found:
        slices = [jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for x in sequences]
        jax.eval_shape(body, start, slices)
    variables = found.variables

    def body_with_variables(flat_and_values: Structure, x: Structure) -> Structure:
        flat, values = flat_and_values
        with _Assignments(zip(variables, values)) as assigned:
            flat, y = body(flat, x)
        return (flat, [assigned.get_current_value(variable) for variable in variables]), y

    values = [ops.cast(variable.value, variable.dtype) for variable in variables]
    (last, values), outputs = jax.lax.scan(body_with_variables, (start, values), sequences)
    for variable, value in zip(variables, values):
        variable.assign(value)
    return _pack_tensors(carry, last), tuple(outputs)


class _Assignments(keras.StatelessScope):
    """Records assignments instead of making them; values of the enclosing scope stay visible."""

    def __init__(self, state_mapping: Iterable[tuple[keras.Variable, Tensor]] = ()) -> None:
        super().__init__(list(state_mapping), initialize_variables=False)
        self.variables: list[keras.Variable] = []

    def add_update(self, update: tuple[keras.Variable, Tensor]) -> None:
        variable, _ = update
        if not any(variable is known for known in self.variables):
            self.variables.append(variable)
        super().add_update(update)

    def get_current_value(self, variable: keras.Variable) -> Tensor | None:
        value = super().get_current_value(variable)
        if value is None and self.original_scope is not None:
            value = self.original_scope.get_current_value(variable)
        return value


def scan_while(
    unfinished: Callable[[Tensor, Structure], Tensor],
    step: Callable[[Tensor, Structure], tuple[Structure, Tensor]],
    carry: Structure,
    length: int,
    shape: tuple[int | Tensor, ...],
    dtype: str = "float32",
) -> tuple[Tensor, Structure, Tensor]:
    """Runs `step` while `unfinished`, `length` times at most, and stacks its outputs.

    Args:
        unfinished: `unfinished(t, carry)` is True if step t is to be run.
        step: `step(t, carry) -> (carry, y)`, y a tensor.
        carry: a structure of tensors; `step` returns one like it. None in it
            stays None. A size may change from step to step: on TensorFlow if
            the carry's own shape leaves it open, on JAX outside of `jax.jit`.
        length: a positive integer.
        shape: of every y, for the backends that need it.
        dtype: of y.

    Returns:
        The number of steps that were run; the last carry; and all y, time
        first. There are at least as many as steps; the rest is arbitrary.
    """
    start = [ops.convert_to_tensor(tensor) for tensor in _tensors(carry)]
    t = ops.convert_to_tensor(0, dtype="int32")

    def both(t: Tensor, flat: list[Tensor]) -> tuple[list[Tensor], Tensor]:
        new, y = step(t, _pack_tensors(carry, flat))
        kept = [ops.cast(after, before.dtype) for before, after in zip(flat, _tensors(new))]
        return kept, ops.cast(y, dtype)

    def goes_on(t: Tensor, flat: list[Tensor], _: Tensor) -> Tensor:
        return ops.logical_and(t < length, unfinished(t, _pack_tensors(carry, flat)))

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        def write(t: Tensor, flat: list[Tensor], written: Structure) -> Structure:
            flat, y = both(t, flat)
            return t + 1, flat, written.write(t, y)

        if _without_arrays.get():

            def put(t: Tensor, flat: list[Tensor], written: Tensor) -> Structure:
                flat, y = both(t, flat)
                now = tf.equal(tf.range(length), t)
                now = tf.reshape(now, (length,) + (1,) * len(shape))
                return t + 1, flat, tf.where(now, tf.expand_dims(y, 0), written)

            written = tf.zeros((length, *shape), dtype)
            t, last, written = tf.while_loop(goes_on, put, (t, start, written))
            return t, _pack_tensors(carry, last), written

        # Eagerly, elements that were never written need a known shape to be stacked.
        known = tuple(map(int, shape)) if tf.executing_eagerly() else (None,) * len(shape)
        written = tf.TensorArray(dtype, length, element_shape=known)
        t, last, written = tf.while_loop(goes_on, write, (t, start, written))
        if tf.executing_eagerly():
            return t, _pack_tensors(carry, last), written.stack()
        # Nothing was written if all ended with the first token: the shape is known now.
        stacked = tf.raw_ops.TensorListStack(
            input_handle=written.flow, element_shape=tf.stack(shape), element_dtype=dtype
        )
        stacked.set_shape((length, *known))
        return t, _pack_tensors(carry, last), stacked

    def update(t: Tensor, flat: list[Tensor], written: Tensor) -> Structure:
        flat, y = both(t, flat)
        at = (t,) + (0,) * len(shape)
        return t + 1, flat, ops.slice_update(written, at, ops.expand_dims(y, 0))

    written = ops.zeros((length, *shape), dtype=dtype)
    if keras.backend.backend() == "jax" and _grows(lambda flat: both(t, flat)[0], start):
        # A cache, longer with every step. JAX's own loop has one shape for all steps.
        last = start
        while bool(goes_on(t, last, written)):
            t, last, written = update(t, last, written)
        return t, _pack_tensors(carry, last), written
    t, last, written = ops.while_loop(goes_on, update, (t, start, written))
    return t, _pack_tensors(carry, last), written


def _grows(step: Callable[[list[Tensor]], list[Tensor]], flat: list[Tensor]) -> bool:
    """Whether a step on JAX changes the shape of a tensor; nothing is computed."""
    import jax

    with keras.StatelessScope():
        after = jax.eval_shape(step, flat)
    changes = any(x.shape != y.shape for x, y in zip(flat, after))
    if changes and any(isinstance(x, jax.core.Tracer) for x in flat):
        raise ValueError(
            "decoder: expected a state of the same shapes at every step, since JAX compiles this "
            "search, received a state that grows. Run the search outside of jax.jit."
        )
    return changes


_without_arrays: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "without_arrays", default=False
)


@contextlib.contextmanager
def without_arrays() -> Iterator[None]:
    """Makes loops do without arrays of tensors on TensorFlow, of which LiteRT has few kinds.

    `scan_while` writes into a tensor, and `scan` unrolls a short loop of known length.
    """
    token = _without_arrays.set(True)
    try:
        yield
    finally:
        _without_arrays.reset(token)


def open_sizes(x: Tensor, shape: Shape) -> Tensor:
    """`x` with the static shape `shape` in a graph, where None is any size.

    TensorFlow lets a tensor grow in a loop only if its size is not known statically.
    """
    if keras.backend.backend() != "tensorflow":
        return x
    import tensorflow as tf

    if x.shape[0] is not None:
        return tf.raw_ops.PlaceholderWithDefault(input=x, shape=shape)
    # ONNX has no such operation. Zero, which is not known before the number of examples is.
    examples = tf.shape(x)[0]
    zero = examples // (examples + 1)
    return x[
        tuple(
            slice(None) if size is not None or now is None else slice(now + zero)
            for now, size in zip(x.shape, shape)
        )
    ]


def _tensors(structure: Structure) -> list[Tensor]:
    # None stands for a missing mask; no loop carries it.
    return [leaf for leaf in tree.flatten(structure) if leaf is not None]


def _pack_tensors(structure: Structure, tensors: Iterable[Tensor]) -> Structure:
    rest = iter(tensors)
    flat = [None if leaf is None else next(rest) for leaf in tree.flatten(structure)]
    return tree.pack_sequence_as(structure, flat)
