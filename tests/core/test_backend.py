import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_attention import AttentionRNN, BahdanauAttention
from keras_attention._core.backend.loops import scan
from tests.conformance.variants import LeakyCell
from tests.support import backends
from tests.support.backends import numbers

# 3 steps of 2 rows. None stands for a mask that is not there.
XS = {"x": np.arange(12, dtype="float32").reshape(3, 2, 2), "mask": None}
WEIGHT = np.array([[0.5, -1.0], [0.25, 0.125]], "float32")


def decay(carry, x):
    """A running sum and a count, the count as integers."""
    total = 0.5 * carry["total"] + x["x"]
    assert carry["nothing"] is None
    assert x["mask"] is None
    after = {"total": total, "count": (carry["count"][0] + 1,), "nothing": None}
    return after, (2 * total, carry["count"][0])


def start():
    total, count = np.zeros((2, 2), "float32"), np.zeros((2,), "int32")
    tensors = {"total": ops.convert_to_tensor(total), "count": (ops.convert_to_tensor(count),)}
    return {**tensors, "nothing": None}


def expected():
    total, totals = np.zeros((2, 2)), []
    for x in XS["x"]:
        total = 0.5 * total + x
        totals.append(total)
    return totals


def run(inputs):
    last, (doubled, counts) = scan(decay, start(), inputs | {"mask": None}, ("float16", "int32"))
    return last, doubled, counts


@pytest.mark.parametrize("in_graph", [False, True])
def test_scan_carries_and_stacks_and_leaves_none_alone(in_graph):
    tensors = {"x": XS["x"]}
    if in_graph:
        last, doubled, counts = backends.compiled(run)(tensors)
    else:
        last, doubled, counts = run({"x": ops.convert_to_tensor(XS["x"])})
    assert sorted(last) == ["count", "nothing", "total"]
    assert last["nothing"] is None
    assert keras.backend.standardize_dtype(doubled.dtype) == "float16"
    assert keras.backend.standardize_dtype(last["count"][0].dtype) == "int32"
    totals = expected()
    found = numbers([last["total"], doubled, counts, last["count"][0]])
    np.testing.assert_allclose(found[0], totals[-1])
    np.testing.assert_allclose(found[1], 2 * np.stack(totals))
    np.testing.assert_array_equal(found[2], [[0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(found[3], [3, 3])


def test_scan_has_the_gradient_of_the_unrolled_steps():
    variable = keras.Variable(WEIGHT)

    def scanned(x, h):
        def step(h, x):
            h = ops.tanh(ops.matmul(h, variable) + x)
            return h, (ops.square(h),)

        last, (squares,) = scan(step, h, x, ("float32",))
        return ops.sum(squares) + ops.sum(last), last

    def unrolled(x, h):
        total = 0.0
        for t in range(3):
            h = ops.tanh(ops.matmul(h, variable) + x[t])
            total = total + ops.sum(ops.square(h))
        return total + ops.sum(h), h

    sources = [XS["x"] / 10, np.ones((2, 2), "float32")]
    _, found = backends.differentiate(scanned, sources, [variable])
    _, wanted = backends.differentiate(unrolled, sources, [variable])
    for one, other in zip(numbers(found), numbers(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        assert np.abs(other).max() > 1e-3


CELLS = {
    # Keras primes its masks before the loop; a user's cell may draw within it.
    "keras": lambda: layers.LSTMCell(4, dropout=0.5, recurrent_dropout=0.5, seed=3),
    "user": lambda: LeakyCell(4, dropout=0.5),
}


@pytest.mark.parametrize("make", CELLS.values(), ids=CELLS)
def test_dropout_in_a_loop_draws_anew_and_leaks_nothing(make, rng):
    keras.utils.set_random_seed(1)
    attention = BahdanauAttention(5, dropout=0.3, seed=1)
    layer = AttentionRNN(make(), attention, attend="after", attention_layer=5)
    sequence, value = keras.Input((3, 4)), keras.Input((5, 6))
    model = keras.Model([sequence, value], layer(sequence, value))
    model.compile("sgd", "mse", jit_compile=False)
    data = [rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 6))]

    seeds = [v for v in layer.non_trainable_variables if "seed" in v.path]
    before = numbers(seeds)
    model.fit(data, np.zeros((2, 3, 5)), epochs=2, verbose=0)
    after = numbers(seeds)
    assert len(seeds) == 2
    # Keras on torch draws from torch's own generator.
    if backends.BACKEND != "torch":
        assert all((one != other).any() for one, other in zip(before, after))
    # Nothing of a trace was left behind in the cell: it still runs, and draws anew.
    first, second = (numbers([layer(*data, training=True)])[0] for _ in range(2))
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 1e-3


def test_a_cell_with_dropout_draws_for_every_step_of_a_loop():
    cell = LeakyCell(64, dropout=0.5)
    layer = AttentionRNN(cell, BahdanauAttention(5), attend="after", input_feeding=False)
    layer.build((None, None, 64), (None, None, 6))
    cell.kernel.assign(np.eye(64))
    weights = [
        [variable.value for variable in variables]
        for variables in (layer.trainable_variables, layer.non_trainable_variables)
    ]
    value = np.zeros((1, 2, 6), "float32")

    def compute(tensors):
        if backends.BACKEND != "jax":
            return layer(tensors["sequence"], value, training=True)
        # Under a trace of JAX the state of the seed is an argument and a result.
        found, _ = layer.stateless_call(*weights, tensors["sequence"], value, training=True)
        return found

    in_graph = compute if backends.BACKEND == "torch" else backends.compiled(compute)
    (found,) = numbers([in_graph({"sequence": np.ones((1, 3, 64), "float32")})])
    outputs = found[0, :, :64]
    # h_t = h_{t-1} / 2 + kept_t tanh(2) / 2: what was kept can be read off.
    kept = outputs - 0.5 * np.pad(outputs, [(1, 0), (0, 0)])[:-1] > 0.1
    assert 0.2 < kept.mean() < 0.8
    assert (kept[0] != kept[1]).any()
    assert (kept[1] != kept[2]).any()
