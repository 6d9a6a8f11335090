"""Additive attention over all queries at once, forward and backward, float32.

Every case does the same work on projected queries q (B, Tq, U) and keys k (B, Tk, U):
s = sum_u v_u tanh(q_u + k_u), w = softmax(s), context = w @ k, and from a given gradient of the
context those of q, k and v. tfa's mechanism takes one query at a time, so it runs in a loop.
"""

from harness import Case, Comparison

SHAPES = ((32, 40, 40, 256), (32, 128, 128, 256), (16, 80, 800, 256))


def comparisons(smoke):
    if smoke:
        return [Comparison("2x3x5x4", [c for c in _cases((2, 3, 5, 4)) if "XLA" not in c.name])]
    return [Comparison("x".join(map(str, shape)), _cases(shape)) for shape in SHAPES]


def _cases(shape):
    plain, xla = {"shape": shape, "xla": False}, {"shape": shape, "xla": True}
    own = "keras_attention, XLA"
    return [
        Case("keras_attention", "project", ours, plain),
        Case("keras AdditiveAttention", "project", keras_layer, plain),
        Case("torch", "torch", torch_expression, {"shape": shape}),
        Case("tfa BahdanauAttention", "tfa", tfa_mechanism, plain),
        Case(own, "project", ours, xla),
        Case("keras AdditiveAttention, XLA", "project", keras_layer, xla, own),
        Case("tfa BahdanauAttention, XLA", "tfa", tfa_mechanism, xla, own),
    ]


def summary(measured):
    section = {}
    for shape, cases in measured.items():
        ratios = section[shape] = {}
        for peer, name in (
            ("keras", "keras AdditiveAttention"),
            ("torch", "torch"),
            ("tfa", "tfa BahdanauAttention"),
        ):
            for suffix, case in (("", name), ("_xla", f"{name}, XLA")):
                for quantity in ("time", "memory"):
                    ratios[f"{quantity}_ratio_{peer}{suffix}"] = cases.get(case, {}).get(
                        f"{quantity}_ratio"
                    )
        # PyTorch's expression runs eagerly; ours may be compiled.
        if "torch" in cases and "keras_attention, XLA" in cases:
            compiled = cases["keras_attention, XLA"]["ms"]
            ratios["time_ratio_torch_xla"] = round(compiled / cases["torch"]["ms"], 3)
    return section


def claims(section):
    shape = "32x128x128x256"
    ratios = section[shape]
    return [
        (f"{shape}: at most half the time of Keras' layer", ratios["time_ratio_keras"] <= 0.5),
        (f"{shape}: at most a tenth of its memory", ratios["memory_ratio_keras"] <= 0.1),
    ]


def inputs(shape):
    import numpy as np

    batch, queries, keys, units = shape
    rng = np.random.default_rng(0)

    def normal(*size):
        return rng.normal(size=size).astype("float32")

    # v is small, or the softmax would be one-hot.
    return (
        normal(batch, queries, units),
        normal(batch, keys, units),
        normal(units) / np.float32(units**0.5),
        normal(batch, queries, units),
    )


def ours(shape, xla):
    from keras import ops

    from keras_attention.normalizers import Softmax
    from keras_attention.scores import Additive

    score, softmax = Additive(shape[-1]), Softmax()
    score.build((None, None, shape[-1]), (None, None, shape[-1]))

    def attend(q, k):
        return ops.matmul(softmax(score.compare(q, k)), k)

    return _tensorflow(attend, score.v.value, shape, xla)


def keras_layer(shape, xla):
    import keras

    layer = keras.layers.AdditiveAttention()
    layer.build([(None, None, shape[-1])] * 2)
    return _tensorflow(lambda q, k: layer([q, k]), layer.scale.value, shape, xla)


def _tensorflow(attend, weight, shape, xla):
    import tensorflow as tf

    q, k, v, g = map(tf.constant, inputs(shape))
    weight.assign(tf.reshape(v, weight.shape))

    @tf.function(jit_compile=xla)
    def step(q, k, g):
        with tf.GradientTape() as tape:
            tape.watch((q, k))
            context = attend(q, k)
        return context, tape.gradient(context, (q, k, weight), g)

    # Threads, kernels, compiler and graph exist before memory is measured.
    step(q[:2, :3], k[:2, :5], g[:2, :3])
    step.get_concrete_function(q, k, g)

    def run():
        context, gradients = step(q, k, g)
        return context.numpy(), [gradient.numpy() for gradient in gradients]

    return run


def tfa_mechanism(shape, xla):
    import tensorflow as tf
    import tensorflow_addons as tfa

    keys, units = shape[2:]
    mechanism = tfa.seq2seq.BahdanauAttention(units)
    # Queries and keys are projected already, as in all other cases.
    mechanism.query_layer = mechanism.memory_layer = None
    mechanism.build([(None, units), (None, keys)])

    def attend(q, k):
        queries = q.shape[1]
        mechanism.setup_memory(k)
        asked = tf.TensorArray("float32", queries).unstack(tf.transpose(q, (1, 0, 2)))
        found = tf.TensorArray("float32", queries)
        state = tf.zeros(k.shape[:2])

        def one(t, state, found):
            weights, state = mechanism([asked.read(t), state])
            context = tf.matmul(weights[:, None], mechanism.values)[:, 0]
            return t + 1, state, found.write(t, context)

        *_, found = tf.while_loop(
            lambda t, *_: t < queries, one, (0, state, found), maximum_iterations=queries
        )
        return tf.transpose(found.stack(), (1, 0, 2))

    return _tensorflow(attend, mechanism.attention_v, shape, xla)


def torch_expression(shape):
    import torch
    from harness import THREADS

    torch.set_num_threads(THREADS)

    def step(q, k, v, g):
        scores = torch.tanh(q[:, :, None] + k[:, None]) @ v
        context = torch.softmax(scores, -1) @ k
        return context, torch.autograd.grad(context, (q, k, v), g)

    def run():
        context, gradients = step(q, k, v, g)
        return context.detach().numpy(), [gradient.numpy() for gradient in gradients]

    q, k, v, g = map(torch.from_numpy, inputs(shape))
    for tensor in (q, k, v):
        tensor.requires_grad_()
    step(q[:2, :3], k[:2, :5], v, g[:2, :3])
    return run
