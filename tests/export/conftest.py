"""Small models of two kinds, and what is exported of them: once a session, because it costs."""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention import BahdanauAttention
from keras_attention.export import onnx as onnx_exporter
from keras_attention.export import save_litert, save_onnx, save_saved_model
from keras_attention.export import saved_model as saved_model_exporter
from keras_attention.export.drawing import draw_images
from keras_attention.export.signatures import ids_signatures
from keras_attention.models import Captioner, EncoderDecoder, ImageEncoder
from keras_attention.text import Vocabulary
from keras_attention.text.subwords import Subwords

MAX_LENGTH = 8
CONSUMER = Path(__file__).with_name("consumer.cc")
SCRIPTS = Path(__file__).parents[2] / "export"
LETTERS = Vocabulary("abcdefgh", lowercase=True)
SOUNDS = Vocabulary(["AA", "B", "K", "D", "É"], separator=" ")
WORDS = Vocabulary(["a", "red", "apple", ",", "above", "nine", "crèmes"], separator=" ")
# Neither side may be taken for the other, nor a map's for the number of words.
IMAGE_SIZE, MAP_SHAPE = (12, 20), (3, 5)


def speller(kind="default", letters=LETTERS, sounds=SOUNDS):
    """An untrained model whose answers vary in what they say and how long they are."""
    keras.utils.set_random_seed(7)
    settings = {"units": 8, "embedding_dim": 6}
    if kind == "bahdanau":
        settings |= {"encoder": "transformer", "cell": "gru", "attend": "before"}
        settings |= {"attention": BahdanauAttention(8), "decoder_layers": 2}
    model = EncoderDecoder(letters, sounds, **settings)
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


def captioner():
    """An untrained model that says different things of different images."""
    keras.utils.set_random_seed(7)
    encoder = ImageEncoder(filters=(4, 6), blocks=0)
    model = Captioner(WORDS, IMAGE_SIZE, encoder, embedding_dim=6, units=8)
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


def images():
    """Images that no exporter has recorded."""
    return np.concatenate(draw_images(IMAGE_SIZE, seed=3))


class Foreign:
    """No Keras model: the step protocol over bare TensorFlow variables, with an odd state."""

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

    def step(self, tokens, state):
        query = tf.gather(self.table, tokens)
        scores = tf.einsum("bd,bsd->bs", query, state["values"]) - state["attention"]
        weights = tf.nn.softmax(tf.where(state["tokens"] == 0, -1e9, scores))
        context = tf.einsum("bs,bsd->bd", weights, state["values"])
        count, nothing = state["steps"]
        logits = tf.matmul(context + query, self.out)
        after = {**state, "attention": state["attention"] + weights, "steps": [count + 1, nothing]}
        return logits, after, weights


def padded_ids():
    """Ids that no exporter has recorded: padding inside the batch, a whole row of it, unknowns."""
    return np.array(
        [[4, 9, 5, 7, 3, 11], [8, 8, 0, 0, 0, 0], [0] * 6, [10, 0, 0, 0, 0, 0]], "int32"
    )


def listing(folder):
    """Everything below a folder."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))


def step_by_step(encode, step, tokens, changing):
    """Greedy decoding by a client, one request a token."""
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


@pytest.fixture(
    scope="session", params=["default", pytest.param("bahdanau", marks=pytest.mark.slow)]
)
def kind(request):
    return request.param


@pytest.fixture
def changing(kind):
    """The names in the state that a step changes."""
    if kind == "bahdanau":
        return {"decoder_cell_0_0", "decoder_cell_1_0"}
    return {"decoder_cell_0", "decoder_cell_1", "decoder_attentional"}


@pytest.fixture(scope="session")
def live(kind):
    return speller(kind)


@pytest.fixture(scope="session")
def ids_artifact(live, kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("ids") / kind
    report = save_saved_model(live, path, max_length=MAX_LENGTH)
    return SimpleNamespace(path=path, report=report, loaded=tf.saved_model.load(str(path / "1")))


@pytest.fixture(scope="session")
def onnx_artifact(live, kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / kind
    return SimpleNamespace(path=path, report=save_onnx(live, path, max_length=MAX_LENGTH))


@pytest.fixture(scope="session")
def text_artifact(tmp_path_factory):
    model = speller()
    path = tmp_path_factory.mktemp("text") / "default"
    report = save_saved_model(model, path, kind="text", version=3, max_length=MAX_LENGTH)
    loaded = tf.saved_model.load(str(path / "3"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def image_artifact(tmp_path_factory):
    model = captioner()
    path = tmp_path_factory.mktemp("image") / "caption"
    report = save_saved_model(model, path, kind="image", max_length=MAX_LENGTH)
    loaded = tf.saved_model.load(str(path / "1"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def pixels_artifact(tmp_path_factory):
    model = captioner()
    path = tmp_path_factory.mktemp("pixels") / "caption"
    with pytest.MonkeyPatch.context() as patch:
        # The search is the one of the artifact for files.
        _keep(patch, "encode", "step", "greedy", "score")
        report = save_saved_model(model, path, max_length=MAX_LENGTH)
    loaded = tf.saved_model.load(str(path / "1"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def image_onnx_artifact(tmp_path_factory):
    model = captioner()
    path = tmp_path_factory.mktemp("onnx") / "caption"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_exporter, "GRAPHS", {"encoder": "encode", "beam": "beam"})
        report = save_onnx(model, path, max_length=MAX_LENGTH)
    return SimpleNamespace(path=path, report=report, model=model)


@pytest.fixture(scope="session")
def litert_artifact(tmp_path_factory):
    pytest.importorskip("ai_edge_litert")
    model = speller()
    path = tmp_path_factory.mktemp("litert") / "default"
    report = save_litert(model, path, max_length=MAX_LENGTH)
    return SimpleNamespace(path=path, report=report, model=model)


@pytest.fixture(scope="session")
def subwords_artifact(tmp_path_factory):
    pytest.importorskip("tensorflow_text")
    model = speller(letters=Subwords(["▁un", "##seen", "▁wo", "##rd", "!"]), sounds=SOUNDS)
    path = tmp_path_factory.mktemp("subwords") / "default"
    texts = [["unseen word!", "", "word  ☃ unseen"], ["▁<end> wo!"]]
    report = save_saved_model(model, path, kind="text", max_length=3, examples=texts)
    loaded = tf.saved_model.load(str(path / "1"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def consumer(request):
    """The compiled program; kept between runs, because it takes a while."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("there is no C++ compiler (g++ or clang++)")
    library = Path(tf.sysconfig.get_lib(), "libtensorflow_cc.so.2")
    if not library.is_file():
        pytest.skip(f"this TensorFlow comes without {library.name}")
    # The session lives in a library of which the program names no symbol.
    command = [compiler, *tf.sysconfig.get_compile_flags(), "-O0", "-w", str(CONSUMER)]
    command += ["-Wl,--no-as-needed", f"-L{library.parent}", f"-Wl,-rpath,{library.parent}"]
    command += [f"-l:{library.name}", "-l:libtensorflow_framework.so.2", "-ldl"]
    key = CONSUMER.read_bytes() + " ".join([tf.__version__, *command]).encode()
    folder = Path(request.config.cache.mkdir("consumer"))
    program = folder / hashlib.sha256(key).hexdigest()[:16]
    if not program.exists():
        # Another test process may be compiling it as well.
        fresh = f"{program}.{os.getpid()}"
        done = subprocess.run([*command, "-o", fresh], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        os.replace(fresh, program)
    return program


@pytest.fixture
def only_signatures(monkeypatch):
    """Leaves the other signatures out of a SavedModel over ids, because they take their time."""
    return partial(_keep, monkeypatch)


def _keep(patch, *names):
    def few(*arguments):
        signatures = ids_signatures(*arguments)
        return {name: signatures[name] for name in names}

    patch.setattr(saved_model_exporter, "ids_signatures", few)


@pytest.fixture
def without_decoding(only_signatures):
    """Two small signatures are enough to be refused."""
    only_signatures("encode", "step")


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the main of an export script: its exit code, what it printed, its errors."""
    monkeypatch.syspath_prepend(str(SCRIPTS))

    def run(name, *arguments):
        monkeypatch.setattr(sys, "argv", [os.path.join(SCRIPTS, f"{name}.py")])
        module = __import__(name)
        code = 0
        try:
            module.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run
