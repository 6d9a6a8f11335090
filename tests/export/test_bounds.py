"""What an artifact receives is bounded, and read as Python reads it."""

import functools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf

from keras_attention.export import ExportError, decoding, export_model
from keras_attention.export.call.fronts import TextFront
from keras_attention.export.litert import LiteRTWriter
from keras_attention.export.onnx import onnx_graph
from keras_attention.export.random_inputs import random_texts
from keras_attention.export.same_text import check_same_text
from keras_attention.export.signatures import ids_signatures, text_signatures
from keras_attention.export.sources import source_of
from keras_attention.generation import BeamSearch, Greedy, generate, score
from keras_attention.models import EncoderDecoder, Transformer
from keras_attention.text import GraphVocabulary, Vocabulary
from tests.support.exporting import LETTERS, SOUNDS, speller


@pytest.fixture(scope="module")
def few():
    """Two signatures of text are enough, and the others take their time."""

    def only(*arguments):
        signatures, tables = text_signatures(*arguments)
        return {name: signatures[name] for name in ("greedy", "serving_default")}, tables

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "text_signatures", only)
        yield


# ---- texts that are long

# Answers 32 long texts with at most so many bytes of memory more than TensorFlow has by itself.
ASKING = """
import resource, sys, time
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
ask = loaded.signatures["serving_default"]
ask(text=tf.constant(["bad"]))
used = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")]
limit = used[0] * 1024 + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for count, length in ((1, 20_000), (32, 20_000), (32, 400_000)):
    begin = time.process_time()
    found = ask(text=tf.constant(["abcdefgh" * (length // 8)] * count))
    shape = found["source_tokens"].shape.as_list()
    assert shape == [count, int(sys.argv[3])], shape
    print(count, length, round(time.process_time() - begin, 2), flush=True)
"""


@pytest.fixture(scope="module")
def short(few, tmp_path_factory):
    """A Transformer whose vocabulary reads 64 tokens, as an artifact for text."""
    letters = Vocabulary("abcdefgh", lowercase=True, longest=64)
    model = Transformer(
        letters, SOUNDS, units=16, num_heads=2, num_encoder_layers=1, num_decoder_layers=1
    )
    path = tmp_path_factory.mktemp("short") / "transformer"
    examples = [["a", ""], ["bad" * 30]]
    export_model(model, path, kind="text", search=BeamSearch(2, max_length=3), examples=examples)
    return model, path


@pytest.mark.slow
def test_long_texts_need_little_memory_and_time(short):
    """One text of 20,000 characters was 800 million attention weights a head, and the end."""
    _, path = short
    command = [sys.executable, "-c", ASKING, path / "1", str(2**30), "64"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    seconds = [float(line.split()[-1]) for line in done.stdout.splitlines()]
    assert len(seconds) == 3 and max(seconds) < 20


@pytest.mark.slow
def test_a_long_text_is_answered_as_by_python(short):
    model, path = short
    loaded = tf.saved_model.load(str(path / "1"))
    texts = ["abcdefgh" * 8, "abcdefgh" * 9, "hgfe" * 5000]
    found = loaded.signatures["greedy"](text=tf.constant(texts))
    expected = generate(model, texts, Greedy(max_length=3))
    assert [text.decode() for text in found["texts"].numpy()] == [one.text for one in expected]
    assert [len(one.source_tokens) for one in expected] == [64] * 3
    np.testing.assert_allclose(found["scores"], [one.score for one in expected], atol=1e-4)
    np.testing.assert_allclose(found["scores"][0], found["scores"][1], atol=1e-5)


class Endless:
    """A vocabulary of one's own that does not cut a text, in Python or in a graph."""

    def __init__(self):
        inner = Vocabulary("abcdefgh", longest=10**6)
        self.tokens, self.special_ids, self.split = inner.tokens, inner.special_ids, inner.split
        self.to_ids, self.encode, self.in_graph = inner.to_ids, inner.encode, inner.in_graph
        self.to_tokens, self.join, self.decode = inner.to_tokens, inner.join, inner.decode
        self.write_tokenizer, self.get_config = inner.write_tokenizer, inner.get_config

    def __len__(self):
        return len(self.tokens)


def test_a_vocabulary_of_ones_own_is_bounded_in_python_and_in_the_artifact():
    model = EncoderDecoder(Endless(), SOUNDS, units=4, embedding_dim=4)
    texts = ["ab" * 400]
    ids, extras = source_of(model, "text").read_all({"text": tf.constant(texts)})
    assert ids.shape == extras["source_tokens"].shape == (1, 512)
    (expected,) = generate(model, texts, Greedy(max_length=2))
    assert len(expected.source_tokens) == 512


def test_a_vocabulary_that_reads_less_than_a_model_of_a_fixed_length_is_refused():
    specs = {"ids": tf.TensorSpec((None, 600), tf.int32)}
    letters = Vocabulary("ab")
    message = r"source_vocabulary: expected one with longest=600 or more, .* received longest=512"
    with pytest.raises(ValueError, match=message):
        TextFront(specs, ["ids"], letters)
    letters.longest = 600
    front = TextFront(specs, ["ids"], letters)
    read, _ = front.read({"text": tf.constant(["ab" * 350, "a"])})
    assert tf.math.count_nonzero(read["ids"], axis=1).numpy().tolist() == [600, 1]


# ---- texts that programs read differently


def test_the_examples_of_an_export_hold_what_is_read_differently():
    texts = [
        text if isinstance(text, bytes) else text.encode()
        for batch in random_texts(LETTERS)
        for text in batch.tolist()
    ]
    for part in (
        b"\0",
        b"\x1b",
        "\u202e".encode(),
        "\U0001f680".encode(),
        b"\xff",
        "\u0301".encode(),
    ):
        assert any(part in text for text in texts), part


ODD = [
    b"bad\0head",
    b"\0",
    b"B\0A\0",
    b"a\x01\x1b[2Jb\x7f",
    "\u202ea\u2066b\u2069\u200f".encode(),
    "\U0001d51ea\U0001f468\u200d\U0001f680b".encode(),
    b"a\xff\xfeb\xe2\x82",
    b"\xed\xa0\x80\xf0\x9f",
]


@pytest.mark.slow
def test_odd_texts_are_read_as_python_reads_them(short):
    model, path = short
    found = tf.saved_model.load(str(path / "1")).signatures["greedy"](text=tf.constant(ODD))
    texts = [text.decode("utf-8", "replace") for text in ODD]
    expected = generate(model, texts, Greedy(max_length=3))
    assert [text.decode() for text in found["texts"].numpy()] == [one.text for one in expected]
    for one, tokens in zip(expected, found["source_tokens"].numpy()):
        assert [token.decode() for token in tokens if token] == one.source_tokens
    np.testing.assert_allclose(found["scores"], [one.score for one in expected], atol=1e-4)


class EndsAtNul(GraphVocabulary):
    """As an operation of TensorFlow that takes a string for one of C."""

    def split(self, texts):
        return super().split(tf.strings.regex_replace(texts, r"(?s)\x00.*", ""))


def test_an_export_refuses_a_graph_that_reads_a_text_otherwise(few, tmp_path, monkeypatch):
    model = speller()
    letters = model.source_vocabulary
    monkeypatch.setattr(letters, "in_graph", lambda: EndsAtNul(letters.tokens, lowercase=True))
    with pytest.raises(ExportError, match=r"Vocabulary, reads the text .*\\x00.* in TensorFlow as"):
        export_model(model, tmp_path / "new", kind="text", search=BeamSearch(1, max_length=2))
    assert list(tmp_path.iterdir()) == []


def test_texts_are_compared_up_to_a_nul_at_their_end():
    words = Vocabulary(["a", "b"], separator=" ")
    texts = np.array([b"a\0 b", b"b \0 ", b""])
    tokens = words.in_graph().tokens(tf.constant(texts)).numpy()
    check_same_text(words, texts, tokens)
    with pytest.raises(ExportError, match=r"reads the text 'b' in TensorFlow as the ids \[4\]"):
        check_same_text(words, np.array(["b"]), np.array([["a"]]))


# ---- ids outside of the vocabulary, and batches that differ

OUTSIDE = np.array([[4, -1, 5], [12, 2**31 - 1, 0], [-(2**31), 7, 99]], "int32")
INSIDE = np.array([[4, 3, 5], [3, 3, 0], [3, 7, 3]], "int32")
BEAM = BeamSearch(2, max_length=4)


@pytest.fixture(scope="module")
def model():
    return speller()


@pytest.fixture(scope="module")
def ask(model):
    """Calls a signature over ids, traced as for a SavedModel."""
    signatures = ids_signatures(model, BEAM)

    @functools.cache
    def traced(name):
        function = tf.function(signatures[name], autograph=False)
        return function.get_concrete_function(**signatures[name].inputs)

    return lambda name, **inputs: traced(name)(**{n: tf.constant(x) for n, x in inputs.items()})


@pytest.fixture(scope="module")
def onnx_graphs(model):
    signatures = ids_signatures(model, BEAM)
    return {
        name: onnxruntime.InferenceSession(onnx_graph(name, signatures[name]).SerializeToString())
        for name in ("encode", "step", "greedy")
    }


def run_onnx(session, **inputs):
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["encode", "greedy", "beam", "score", "greedy_prefix"])
def test_source_ids_outside_of_the_vocabulary_are_unknown(ask, name):
    """Negative ids were the last one of the vocabulary, others an error or zeros."""
    further = {}
    if name == "score":
        further = {"targets": np.array([[4, 2], [5, 2], [2, 0]], "int32")}
    if name == "greedy_prefix":
        further = {"prefix": np.array([[4], [0], [5]], "int32")}
    same(ask(name, tokens=OUTSIDE, **further), ask(name, tokens=INSIDE, **further))


def test_ids_that_are_written_outside_of_the_vocabulary_are_unknown(ask):
    size = len(SOUNDS)
    state = ask("encode", tokens=INSIDE)
    found, expected = (
        ask("step", token=np.array(token, "int32"), **state) for token in ([-1, size, 4], [3, 3, 4])
    )
    same(found, expected)
    outside, inside = [[-1, size], [4, 2], [999, 0]], [[3, 3], [4, 2], [3, 0]]
    for name, given in (("score", "targets"), ("greedy_prefix", "prefix")):
        found, expected = (
            ask(name, tokens=INSIDE, **{given: np.array(ids, "int32")}) for ids in (outside, inside)
        )
        same(found, expected)


def test_in_python_as_in_an_artifact(model, ask):
    expected = Greedy(max_length=4)(model, INSIDE)
    same(Greedy(max_length=4)(model, OUTSIDE)._asdict(), expected._asdict())
    np.testing.assert_array_equal(
        ask("greedy", tokens=OUTSIDE)["sequences"], expected.sequences[:, 0]
    )
    read, same_read = (generate(model, ids.tolist(), BEAM) for ids in (OUTSIDE, INSIDE))
    assert [one.text for one in read] == [one.text for one in same_read]
    assert [one.source_tokens for one in read] == [one.source_tokens for one in same_read]
    assert read[0].source_tokens == ["a", "<unk>", "b"]
    targets = np.array([[-7, 2], [len(SOUNDS), 2], [4, 2]])
    found, expected = (
        score(model, INSIDE, ids) for ids in (targets, np.where(targets == 4, 4, [3, 2]))
    )
    same(found._asdict(), expected._asdict())


@pytest.mark.slow
def test_in_onnx_as_in_an_artifact(onnx_graphs):
    for name in ("encode", "greedy"):
        found, expected = (run_onnx(onnx_graphs[name], tokens=ids) for ids in (OUTSIDE, INSIDE))
        same(found, expected)
    state = run_onnx(onnx_graphs["encode"], tokens=INSIDE)
    found, expected = (
        run_onnx(onnx_graphs["step"], token=np.array(token, "int32"), **state)
        for token in ([-1, len(SOUNDS), 4], [3, 3, 4])
    )
    same(found, expected)


@pytest.mark.slow
def test_in_onnx_a_step_of_batches_of_different_sizes_fails(onnx_graphs):
    """A batch of 1 was broadcast against one of 3, and answered for the wrong source."""
    state = run_onnx(onnx_graphs["encode"], tokens=INSIDE)
    token = np.array([1, 1, 1], "int32")
    assert run_onnx(onnx_graphs["step"], token=token, **state)["logits"].shape[0] == 3
    ones = {name: array[:1] for name, array in state.items()}
    cases = [{"token": token, **ones}, {"token": token[:1], **state}]
    cases += [{"token": token, **state, name: ones[name]} for name in state]
    for inputs in cases:
        with pytest.raises(Exception, match=r"(?i)reshape"):
            run_onnx(onnx_graphs["step"], **inputs)


def test_in_litert_as_in_an_artifact(model):
    pytest.importorskip("ai_edge_litert")
    from ai_edge_litert.interpreter import Interpreter

    writer = LiteRTWriter()
    with writer.tracing():
        signatures = ids_signatures(model, BEAM, 1, False)
        job = SimpleNamespace(model=model, signatures=signatures)
        contents = {name: writer.convert(name, job) for name in ("encode", "step", "greedy")}
    runners = {
        name: Interpreter(model_content=content).get_signature_runner()
        for name, content in contents.items()
    }
    for outside, inside in zip(OUTSIDE, INSIDE):
        for name in ("encode", "greedy"):
            found, expected = (runners[name](tokens=ids[None]) for ids in (outside, inside))
            same(found, expected)
    state = runners["encode"](tokens=INSIDE[:1])
    for token in (-1, len(SOUNDS)):
        found, expected = (
            runners["step"](token=np.array([i], "int32"), **state) for i in (token, 3)
        )
        same(found, expected)
    with pytest.raises(RuntimeError, match="reshape"):
        runners["step"](token=np.array([1, 1], "int32"), **state)
