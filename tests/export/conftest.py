"""Small models of two kinds, and what is exported of them: once a session, because it costs."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import tensorflow as tf

from keras_attention.export import decoding, export_model
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.random_inputs import random_ids
from keras_attention.export.signatures import ids_signatures
from keras_attention.generation import BeamSearch
from keras_attention.text.subwords import Subwords
from tests.support.exporting import LETTERS, SCRIPTS, SEARCH, SOUNDS, captioner, padded_ids, speller

CONSUMER = Path(__file__).with_name("consumer.cc")


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Makes an artifact once for all processes that tests run in; gives its path and report."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= "artifacts"

    def make(name, write, below="default"):
        path, note = folder / name / below, folder / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not note.exists():
                note.write_text(json.dumps(write(path)), "utf-8")
        return path, json.loads(note.read_text("utf-8"))

    return make


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
def ids_artifact(live, kind, shared):
    write = partial(export_model, live, search=SEARCH)
    path, report = shared(f"ids-{kind}", write, kind)
    return SimpleNamespace(path=path, report=report, loaded=tf.saved_model.load(str(path / "1")))


@pytest.fixture(scope="session")
def onnx_artifact(live, kind, shared):
    # Two of the random batches are enough to tell the sizes apart.
    examples = random_ids(LETTERS)[::2]
    write = partial(export_model, live, format="onnx", search=SEARCH, examples=examples)
    path, report = shared(f"onnx-{kind}", write, kind)
    return SimpleNamespace(path=path, report=report)


@pytest.fixture(scope="session")
def text_artifact(shared):
    model = speller()
    write = partial(export_model, model, kind="text", version=3, search=SEARCH)
    path, report = shared("text", write)
    loaded = tf.saved_model.load(str(path / "3"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def image_artifact(shared):
    model = captioner()
    write = partial(export_model, model, kind="image", search=SEARCH)
    path, report = shared("image", write, "caption")
    loaded = tf.saved_model.load(str(path / "1"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def pixels_artifact(shared):
    model = captioner()
    with pytest.MonkeyPatch.context() as patch:
        # The search is the one of the artifact for files.
        _keep(patch, "encode", "step", "greedy", "score")
        path, report = shared("pixels", partial(export_model, model, search=SEARCH), "caption")
    loaded = tf.saved_model.load(str(path / "1"))
    return SimpleNamespace(path=path, report=report, model=model, loaded=loaded)


@pytest.fixture(scope="session")
def image_onnx_artifact(shared):
    model = captioner()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxWriter, "graphs", {"encoder": "encode", "beam": "beam"})
        write = partial(export_model, model, search=SEARCH, format="onnx")
        path, report = shared("onnx-image", write, "caption")
    return SimpleNamespace(path=path, report=report, model=model)


@pytest.fixture(scope="session")
def litert_artifact(shared):
    pytest.importorskip("ai_edge_litert")
    model = speller()
    # Fewer examples than the random ones: each is decoded twice by the live model.
    singles = [padded_ids()[:1], padded_ids()[1:2, :2], padded_ids()[2:3, :1]]
    write = partial(export_model, model, format="litert", search=SEARCH, examples=singles)
    path, report = shared("litert", write)
    return SimpleNamespace(path=path, report=report, model=model)


@pytest.fixture(scope="session")
def subwords_artifact(shared):
    pytest.importorskip("tensorflow_text")
    model = speller(letters=Subwords(["▁un", "##seen", "▁wo", "##rd", "!"]), sounds=SOUNDS)
    texts = [["unseen word!", "", "word  ☃ unseen"], ["▁<end> wo!"]]
    search = BeamSearch(max_length=3)
    write = partial(export_model, model, kind="text", search=search, examples=texts)
    path, report = shared("subwords", write)
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

    patch.setattr(decoding, "ids_signatures", few)


@pytest.fixture
def without_decoding(only_signatures):
    """Two small signatures are enough to be refused."""
    only_signatures("encode", "step")


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the main of an export script: its exit code, what it printed, its errors."""
    # run_onnx.py adds the second one by itself, but only when it is first imported.
    monkeypatch.syspath_prepend(str(SCRIPTS / "serving"))
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
