"""Small models to export, and what several tests of exports need."""

import os
import subprocess
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from keras_attention import BahdanauAttention
from keras_attention.export.manifest import read_manifest, write_manifest
from keras_attention.export.random_inputs import random_images
from keras_attention.generation import BeamSearch
from keras_attention.models import Captioner, EncoderDecoder, ImageEncoder
from keras_attention.text import Vocabulary

MAX_LENGTH = 8
SEARCH = BeamSearch(max_length=MAX_LENGTH)
SCRIPTS = Path(__file__).parents[2] / "export"
LETTERS = Vocabulary("abcdefgh", lowercase=True)
SOUNDS = Vocabulary(["AA", "B", "K", "D", "É"], separator=" ")
WORDS = Vocabulary(["a", "red", "apple", ",", "above", "nine", "crèmes"], separator=" ")
# All sizes differ, so that none can be confused with another.
IMAGE_SIZE, MAP_SHAPE = (12, 20), (3, 5)

# The reader needs neither TensorFlow nor Keras nor this package.
ALONE = """
import sys, runpy
for name in ("tensorflow", "keras", "keras_attention", "onnx", "tf2onnx"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

# A server's configuration; the folder of the model goes in.
CONFIG = """
model_config_list { config {
  name: "translate" base_path: "/models/%s" model_platform: "tensorflow"
} }
"""


def speller(kind="default", letters=LETTERS, sounds=SOUNDS):
    """An untrained model whose outputs differ in tokens and lengths."""
    keras.utils.set_random_seed(7)
    settings = {"units": 8, "embedding_dim": 6}
    if kind == "bahdanau":
        settings |= {"encoder": "transformer", "cell": "gru", "attend": "before"}
        settings |= {"attention": BahdanauAttention(8), "num_decoder_layers": 2}
    model = EncoderDecoder(letters, sounds, **settings)
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


def captioner():
    """An untrained model with different captions for different images."""
    keras.utils.set_random_seed(7)
    encoder = ImageEncoder(filters=(4, 6), blocks=0)
    model = Captioner(WORDS, IMAGE_SIZE, encoder, embedding_dim=6, units=8)
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


def images():
    """Images that are not among the recorded examples."""
    return np.concatenate(random_images(IMAGE_SIZE, seed=3))


class Foreign:
    """A decoder that is no Keras model: bare TensorFlow variables, an unusual state."""

    constant_parts = ("tokens", "values", "unused")

    def __init__(self, size=9, units=4):
        generator = tf.random.Generator.from_seed(5)
        self.table = tf.Variable(generator.normal((size, units)))
        self.out = tf.Variable(generator.normal((units, size)))
        self.variables = [self.table, self.out]

    def start(self, inputs):
        values = tf.gather(self.table, inputs)
        return {
            "tokens": inputs,
            "attention": tf.zeros_like(inputs, tf.float32),
            "steps": [tf.zeros_like(inputs[:, 0]), None],
            "values": values,
            "unused": tf.ones_like(inputs),
        }

    def step(self, tokens, state, beams=1):
        source, values = state["tokens"], state["values"]
        if beams > 1:
            source, values = tf.repeat(source, beams, 0), tf.repeat(values, beams, 0)
        query = tf.gather(self.table, tokens)
        scores = tf.einsum("bd,bsd->bs", query, values) - state["attention"]
        weights = tf.nn.softmax(tf.where(source == 0, -1e9, scores))
        context = tf.einsum("bs,bsd->bd", weights, values)
        count, nothing = state["steps"]
        logits = tf.matmul(context + query, self.out)
        after = {**state, "attention": state["attention"] + weights, "steps": [count + 1, nothing]}
        return logits, after, weights


def padded_ids():
    """Ids that no example was recorded with: padding inside, a row of padding, unknowns."""
    return np.array(
        [[4, 9, 5, 7, 3, 11], [8, 8, 0, 0, 0, 0], [0] * 6, [10, 0, 0, 0, 0, 0]], "int32"
    )


def listing(folder):
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def list_again(folder):
    """Makes the manifest fit what was changed, so that verification goes on to the answers."""
    write_manifest(folder, read_manifest(folder))


def step_by_step(encode, step, tokens, changing):
    """Greedy decoding by a client, one request per token."""
    state = encode(tokens=tokens)
    token, chosen = np.ones(len(tokens), "int32"), []
    for _ in range(MAX_LENGTH):
        answer = step(token=token, **state)
        changed = {n[len("next_") :]: a for n, a in answer.items() if n.startswith("next_")}
        assert set(changed) == changing
        state |= changed
        logits = answer["logits"].copy()
        logits[:, :2] = -np.inf
        token = np.argmax(logits, axis=-1).astype("int32")
        chosen.append(token)
    return np.stack(chosen, axis=1)


def until_end(sequences):
    """Ids with zeros after the first end, as wide as the longest row."""
    ended = np.cumsum(sequences == 2, axis=1) - (sequences == 2) > 0
    sequences = np.where(ended, 0, sequences)
    return sequences[:, : (sequences != 0).sum(1).max()]


def call(artifact, signature, **inputs):
    tensors = {name: tf.constant(array) for name, array in inputs.items()}
    return {n: t.numpy() for n, t in artifact.loaded.signatures[signature](**tensors).items()}


def call_onnx(folder, graph, **inputs):
    session = onnxruntime.InferenceSession(folder / f"{graph}.onnx")
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def sizes(tensors):
    return {
        t.name: [d.dim_param or d.dim_value for d in t.type.tensor_type.shape.dim] for t in tensors
    }


def word_of(value):
    if isinstance(value, (str, bytes)):
        return "x" + (value.encode() if isinstance(value, str) else value).hex()
    return repr(float(value))


def write_words(examples, path):
    """Recorded examples as `consumer.cc` reads them."""
    with open(path, "w", encoding="ascii") as file:
        for signature, cases in examples.items():
            for inputs, outputs in cases:
                print("case", signature, file=file)
                for side, arrays in (("in", inputs), ("out", outputs)):
                    for name, array in arrays.items():
                        kind = "string" if array.dtype.kind in "SU" else array.dtype.name
                        shown = map(word_of, array.ravel().tolist())
                        print(side, name, kind, array.ndim, *array.shape, *shown, file=file)


def consume(program, folder, words, *libraries):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [program, folder, words, *libraries]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout.splitlines()
