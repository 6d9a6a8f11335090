"""Steps of the decoders for images: with beams that share a memory, and exported."""

import keras
import numpy as np
import pytest
from keras import layers, ops, tree

from keras_attention import AttentionRNN, normalizers, vision
from keras_attention._core.quiet import quiet
from keras_attention._core.structure import map_tensors

tf = pytest.importorskip("tensorflow")


def gated(attend, **options):
    attention = vision.GatedAttention("additive", **options)
    return AttentionRNN(layers.LSTMCell(4), attention, attend=attend)


def sentinel(**options):
    return AttentionRNN(
        vision.SentinelCell(4),
        vision.SentinelAttention("additive", **options),
        input_feeding=False,
        attention_fn=vision.hidden_plus_context,
    )


DECODERS = {
    "gated-before": lambda: gated("before"),
    "gated-after": lambda: gated("after", gate="vector"),
    "gated-hard": lambda: gated("before", normalizer=normalizers.HardSample("score_function")),
    "gated-coverage": lambda: AttentionRNN(
        layers.GRUCell(4), vision.GatedAttention("coverage"), attend="before"
    ),
    "sentinel": sentinel,
    "sentinel-sparse": lambda: sentinel(normalizer="sparsemax"),
    "top_down": lambda: vision.TopDownRNN(
        layers.LSTMCell(4), vision.GatedAttention("additive"), layers.GRUCell(5)
    ),
}


def built(name):
    keras.utils.set_random_seed(3)
    decoder = DECODERS[name]()
    decoder.build((None, None, 3), (None, 2, 3, 4))
    for variable in decoder.trainable_variables:
        variable.assign(2.0 * variable)
    return decoder


@pytest.mark.parametrize("name", DECODERS)
def test_beams_with_a_shared_memory_equal_examples_with_their_own(name, rng):
    decoder, beams = built(name), 3
    features, mask = rng.normal(size=(2, 2, 3, 4)), rng.uniform(size=(2, 2, 3)) > 0.3
    memory = decoder.attention.memory(features, mask=mask)
    repeated = map_tensors(lambda x: ops.repeat(x, beams, axis=0), memory)
    inputs = rng.normal(size=(2, 6, 3)).astype("float32")
    shared = expected = decoder.initial_state(repeated)
    for x in inputs:
        *found, shared = decoder.step(x, memory, shared, beams=beams)
        *wanted, expected = decoder.step(x, repeated, expected)
        for one, other in zip(tree.flatten((found, shared)), tree.flatten((wanted, expected))):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def two_steps(decoder):
    """Two steps of a decoder as a graph with unknown batch size."""

    @tf.function(
        input_signature=[tf.TensorSpec((None, 2, 3, 4), name="features"),
                         tf.TensorSpec((None, 2, 3), name="words")],
        autograph=False,
    )  # fmt: skip
    def run(features, words):
        memory = decoder.attention.memory(features, mask=features[..., 0] > -1)
        first, maps, state = decoder.step(words[:, 0], memory, decoder.initial_state(memory))
        second, more, _ = decoder.step(words[:, 1], memory, state)
        outputs, maps = ops.stack([first, second], axis=1), ops.stack([maps, more], axis=1)
        return {"outputs": outputs, "maps": maps}

    return run


@pytest.mark.parametrize("name", ["gated-before", "sentinel"])
def test_saved_model_and_onnx_give_the_same_numbers(name, tmp_path, rng):
    import onnxruntime
    import tf2onnx

    decoder = built(name)
    features = rng.normal(size=(2, 2, 3, 4)).astype("float32")
    words = rng.normal(size=(2, 2, 3)).astype("float32")
    outputs, maps = decoder(
        words, features, value_mask=features[..., 0] > -1, return_attention_scores=True
    )
    expected = {"outputs": np.asarray(outputs), "maps": np.reshape(maps, (2, 2, 6))}
    run = two_steps(decoder)

    module = tf.Module()
    module.run, module.variables_of = run, [v.value for v in decoder.variables]
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": run})
    loaded = tf.saved_model.load(str(tmp_path))
    served = loaded.signatures["serving_default"](
        features=tf.constant(features), words=tf.constant(words)
    )
    with quiet():
        proto, _ = tf2onnx.convert.from_function(run, input_signature=run.input_signature, opset=18)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    asked = dict(zip([i.name for i in session.get_inputs()], [features, words]))
    ran = dict(zip(names, session.run(names, asked)))
    for name, numbers in expected.items():
        np.testing.assert_allclose(served[name], numbers, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(ran[name], numbers, rtol=1e-4, atol=1e-5)
