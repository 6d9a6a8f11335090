"""AttentionRNN without input feeding: all queries attend at once, against one query per step.

LSTM of 256, additive attention of 256 units, attentional layer of 256; 64 examples, inputs of 128,
target and source of the same length; the outputs and the gradients of all weights.
"""

from harness import Case, Comparison

BATCH, INPUTS, UNITS = 64, 128, 256
ONCE, STEPS = "keras_attention, all at once", "keras_attention, step by step"


def comparisons(smoke):
    lengths = (3,) if smoke else (20, 80)
    return [Comparison(f"length {length}", _cases(length)) for length in lengths]


def _cases(length):
    def case(name, steps, xla, against=None):
        settings = {"length": length, "steps": steps, "xla": xla}
        return Case(name, "project", recurrence, settings, against)

    return [
        case(ONCE, False, False),
        case(STEPS, True, False),
        case(f"{ONCE}, XLA", False, True),
        case(f"{STEPS}, XLA", True, True, f"{ONCE}, XLA"),
    ]


def summary(measured):
    return {
        label: {
            f"{quantity}_ratio_steps{suffix}": cases[name].get(f"{quantity}_ratio")
            for suffix, name in (("", STEPS), ("_xla", f"{STEPS}, XLA"))
            for quantity in ("time", "memory")
        }
        for label, cases in measured.items()
    }


def claims(section):
    return [
        (f"{label}: attending all at once is no slower than in steps", row["time_ratio_steps"] <= 1)
        for label, row in section.items()
    ]


def recurrence(length, steps, xla):
    import keras
    import numpy as np
    import tensorflow as tf

    from keras_attention import AttentionRNN, BahdanauAttention

    class StepByStep(AttentionRNN):
        def _feeds_back(self):
            return True

    keras.utils.set_random_seed(0)
    layer = (StepByStep if steps else AttentionRNN)(
        keras.layers.LSTMCell(UNITS),
        BahdanauAttention(UNITS),
        input_feeding=False,
        attention_layer=UNITS,
    )
    layer.build((BATCH, length, INPUTS), (BATCH, length, UNITS))
    rng = np.random.default_rng(0)
    sizes = (BATCH, length, INPUTS), (BATCH, length, UNITS), (BATCH, length, UNITS)
    sequence, value, upstream = (
        tf.constant(rng.normal(size=size).astype("float32")) for size in sizes
    )
    weights = [weight.value for weight in layer.trainable_weights]

    @tf.function(jit_compile=xla)
    def step(sequence, value, upstream):
        with tf.GradientTape() as tape:
            outputs = layer(sequence, value, training=True)
        return outputs, tape.gradient(outputs, weights, upstream)

    step.get_concrete_function(sequence, value, upstream)

    def run():
        outputs, gradients = step(sequence, value, upstream)
        return outputs.numpy(), [gradient.numpy() for gradient in gradients]

    return run
