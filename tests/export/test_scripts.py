"""The scripts, as a person meets them."""

import json
import subprocess
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from keras_attention import generation
from keras_attention.export.golden import GoldenExample, write_golden_examples
from keras_attention.export.vocabularies import write_vocabularies
from keras_attention.models import EncoderDecoder
from keras_attention.text import Vocabulary
from keras_attention.text.subwords import Subwords
from tests.support.exporting import ALONE, MAX_LENGTH, SCRIPTS, SOUNDS, listing, speller
from tests.support.terminals import HOSTILE, is_harmless

PIECES = Subwords(["▁un", "##seen", "▁wo", "##rd", "!"])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "speller.keras"
    speller().save(path)
    return path


@pytest.mark.slow
def test_to_onnx(saved, tmp_path, script, monkeypatch):
    monkeypatch.setattr("keras_attention.export.onnx.OnnxWriter.graphs", {"beam": "beam"})
    options = ("--max-length", "3", "--num-beams", "2", "--length-penalty", "0.6")
    code, out, err = script("to_onnx", saved, tmp_path / "new", *options)
    assert code == 0, err
    assert "Verified beam\n" in out
    # Progress, and nothing else.
    assert err.splitlines()[-1] == "export 7/7: verifying in a fresh process"
    assert all(line.startswith("export ") for line in err.splitlines())
    ids = np.array([[5, 4]], "int32")
    session = onnxruntime.InferenceSession(tmp_path / "new" / "beam.onnx")
    sequences, scores = session.run(["sequences", "scores"], {"tokens": ids})
    search = generation.BeamSearch(num_beams=2, max_length=3, length_penalty=0.6)
    expected = search(speller(), ids)
    np.testing.assert_array_equal(sequences, expected.sequences)
    np.testing.assert_allclose(scores, expected.scores, atol=1e-4)


@pytest.mark.slow
def test_run_onnx(onnx_artifact, live):
    texts = ("Bad", "abc☃", "")
    command = [sys.executable, "-c", ALONE, SCRIPTS / "run_onnx.py", onnx_artifact.path, *texts]
    ids = np.array([[5, 4, 7, 0], [4, 5, 6, 3], [0, 0, 0, 0]], "int32")
    found = generation.BeamSearch(max_length=MAX_LENGTH)(live, ids).sequences
    expected = [[SOUNDS.decode(sequence) for sequence in row] for row in np.asarray(found)]
    assert expected[0][0] != expected[0][1]
    for options, count in ((["--graph=greedy"], 1), (["--n-best=2"], 2)):
        done = subprocess.run([*command, *options], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        for text, sounds in zip(texts, expected):
            for one in sounds[:count] if count > 1 else ():
                assert f"{text}  ->  {one}   (score -" in done.stdout
        assert done.stdout.count("  ->  ") == count * len(texts)
        assert "b a d\n" in done.stdout


def test_run_onnx_with_subwords(tmp_path, script, monkeypatch):
    pytest.importorskip("tokenizers")
    # As if it had been exported: what reads and writes is shown without a model.
    model = speller(letters=PIECES, sounds=PIECES)
    write_vocabularies(model, MAX_LENGTH, tmp_path)
    (tmp_path / "beam.onnx").touch()
    asked = []

    class Session:
        def __init__(self, *arguments, **options):
            pass

        def run(self, names, inputs):
            asked.append(inputs["tokens"].tolist())
            sequences = np.array([[[6, 7, 8, 2], [4, 2, 0, 0]]])
            lengths, scores = np.array([[4, 0]]), np.array([[-1.0, -1e30]])
            return sequences, scores, lengths, np.ones((1, 2, 4, 3)) / 3

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    code, out, err = script("run_onnx", tmp_path, "unseen  Foo", "--n-best", "2")
    assert (code, err) == (0, "")
    assert asked == [[[4, 5, 3]]]
    assert out.splitlines()[0] == "unseen  Foo  ->  word!   (score -1.00)"
    assert out.count("->") == 1


def test_run_onnx_shows_no_commands_of_a_vocabulary(tmp_path, script, monkeypatch):
    token = "\x1b[31mred\x1b]0;title\x07\x9b2J\u202egnp"
    write_vocabularies(speller(sounds=Vocabulary([token, "b"], " ")), MAX_LENGTH, tmp_path)
    (tmp_path / "beam.onnx").touch()

    class Session:
        def __init__(self, *arguments, **options):
            pass

        def run(self, names, inputs):
            return np.array([[[4, 5]]]), np.array([[-1.0]]), np.array([[2]]), np.ones((1, 1, 2, 2))

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    code, out, err = script("run_onnx", tmp_path, "ab")
    assert (code, err) == (0, "") and "ab  ->  ␛[31mred" in out and "␛[31mred␛]0;title" in out
    assert is_harmless(out.replace("\n", ""))

    def fail(*arguments, **options):
        raise RuntimeError(f"no output\n{HOSTILE}")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    code, out, err = script("run_onnx", tmp_path, "ab")
    assert (code, out) == (1, "") and err.startswith("run_onnx.py: error: no output ␛[31mred")
    assert err.count("\n") == 1 and is_harmless(err.rstrip("\n"))


def test_verify_shows_no_commands_of_output_names(tmp_path, script):
    name = "\x1b[2J\u202eout"
    kind = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    output = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], [name])
    graph = onnx.helper.make_graph([node], "graph", [kind], [output])
    opset = onnx.helper.make_opsetid("", 18)
    made = onnx.helper.make_model(graph, ir_version=8, opset_imports=[opset])
    onnx.save(made, tmp_path / "mo\x1b[2Jdel.onnx")
    inputs = {"x": np.ones(1, "float32")}
    for recorded in (inputs["x"], inputs["x"] + 1):
        example = GoldenExample(inputs, {name: recorded}, {})
        write_golden_examples(tmp_path / "examples.npz", {"mo\x1b[2Jdel": [example]})
        code, out, err = script("verify", tmp_path)
        assert code == int(recorded[0] != 1) and "mo␛[2Jdel" in out
        assert is_harmless(out.replace("\n", "")) and is_harmless(err.replace("\n", ""))
    assert err.count("\n") == 1 and "output '" in err


def test_to_saved_model_makes_the_next_version(saved, tmp_path, script, only_signatures):
    # Decoding is exported elsewhere, and takes its time.
    only_signatures("encode", "step")
    old = tmp_path / "s" / "1"
    (old / "assets.extra").mkdir(parents=True)
    before = listing(old)
    code, out, err = script("to_saved_model", saved, tmp_path / "s", "--max-length", "3")
    assert code == 0, err
    assert "Verified encode, step, version 2" in out
    assert (tmp_path / "s" / "2" / "saved_model.pb").is_file()
    assert listing(old) == before and listing(tmp_path / "s")[:2] == ["1", "1/assets.extra"]
    code, out, err = script("to_saved_model", saved, tmp_path / "s", "--version", "2")
    assert code == 2 and "exists already" in err


def test_verify_says_what_it_checked(onnx_artifact, tmp_path, script):
    code, out, err = script("verify", onnx_artifact.path)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["encoder", "step", "greedy", "beam"]
    assert all(" equal " in line for line in lines[2:])
    code, out, err = script("verify", onnx_artifact.path, "--tolerance", "0")
    assert code == 1 and "DIFFERENT" in out
    assert err.startswith("verify.py: error: ") and err.count("\n") == 1


@pytest.mark.slow
def test_verify_says_what_it_checked_of_others(text_artifact, litert_artifact, script):
    code, out, _ = script("verify", text_artifact.path)
    assert code == 0
    rows = [line.split()[:2] for line in out.splitlines()[2:]]
    names = text_artifact.report["signatures"]
    assert rows == [[n, loader] for loader in ("python", "tf1", "warmup") for n in names]
    code, out, _ = script("verify", litert_artifact.path)
    rows = [line.split()[:2] for line in out.splitlines()[2:]]
    assert code == 0 and rows == [[name, "litert"] for name in litert_artifact.report["graphs"]]


@pytest.mark.parametrize("name", ["to_onnx", "to_saved_model", "to_litert"])
def test_errors_are_one_line(name, saved, tmp_path, script):
    text = tmp_path / "text.keras"
    text.write_text("no model")
    unsafe = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x)])
    unsafe.save(tmp_path / "unsafe.keras")
    (tmp_path / "half.keras").write_bytes(saved.read_bytes()[:1000])
    (tmp_path / "there" / "1").mkdir(parents=True)
    before = listing(tmp_path)
    version = ["--version", "1"] if name == "to_saved_model" else []
    for model, target, message in (
        ("missing.keras", "new", "missing.keras does not exist"),
        (".", "new", "expected a folder with the preset.json"),
        ("text.keras", "new", "text.keras is damaged or no .keras file: 8 bytes"),
        ("half.keras", "new", "half.keras is damaged or no .keras file"),
        ("unsafe.keras", "new", "cannot be loaded as a Keras model"),
        (saved, "there", "exists already"),
        (saved, "a/b/c", "does not exist"),
    ):
        code, _, err = script(name, tmp_path / model, tmp_path / target, *version)
        assert code == 2 and message in err and err.count("\n") == 1, (model, target, err)
        assert err.startswith(f"{name}.py: error: ") and "Traceback" not in err
    assert listing(tmp_path) == before


def test_a_model_that_does_not_decode(tmp_path, script):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(tmp_path / "price.keras")
    code, out, err = script("to_saved_model", tmp_path / "price.keras", tmp_path / "price")
    assert code == 0, err
    assert "Verified serving_default, version 1" in out
    assert (tmp_path / "price" / "1" / "saved_model.pb").is_file()


def test_a_model_without_vocabularies_has_no_text(tmp_path, script):
    EncoderDecoder(9, 9, embedding_dim=4, units=4).save(tmp_path / "ids.keras")
    code, _, err = script("to_saved_model", tmp_path / "ids.keras", tmp_path / "new", "--kind=text")
    assert code == 2 and "Vocabulary as source_vocabulary" in err
    assert listing(tmp_path) == ["ids.keras"]


def test_a_model_that_reads_no_images(saved, tmp_path, script):
    code, _, err = script("to_saved_model", saved, tmp_path / "new", "--kind=image")
    assert code == 2 and "kind: expected 'ids' or 'text', because EncoderDecoder" in err
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["to_onnx", "to_saved_model", "to_litert", "verify", "run_onnx", "serve_web"]
)
def test_help_and_wrong_usage(name, script):
    code, out, _ = script(name, "--help")
    assert code == 0 and "usage:" in out.lower()
    code, out, err = script(name)
    assert code == 2 and any(word in out + err for word in ("required", "Missing", "Usage:"))


def test_wrong_numbers(script):
    for wrong in (["--version", "0"], ["--max-length", "none"], ["--kind", "words"]):
        code, _, err = script("to_saved_model", "model.keras", "target", *wrong)
        assert code == 2 and wrong[0] in err


def test_verify_and_run_onnx_without_an_artifact(tmp_path, script):
    code, _, err = script("verify", tmp_path)
    assert code == 2 and "holds no artifact" in err
    code, _, err = script("run_onnx", tmp_path, "word")
    assert code == 1 and "holds no beam.onnx" in err


def test_run_onnx_does_not_take_a_word_for_a_flag(tmp_path, script):
    write_vocabularies(speller(), MAX_LENGTH, tmp_path)
    (tmp_path / "beam.onnx").touch()
    about = json.loads((tmp_path / "vocabulary.json").read_text("utf-8"))
    about["source"]["lowercase"] = "no"
    (tmp_path / "vocabulary.json").write_text(json.dumps(about), "utf-8")
    code, _, err = script("run_onnx", tmp_path, "Word")
    assert code == 1 and "lowercase: expected true or false" in err and "received 'no'" in err


def test_run_onnx_with_nothing_to_read(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import run_onnx

    assert run_onnx.decode(tmp_path, []) == []


def test_run_onnx_tells_what_a_graph_is(onnx_artifact, script):
    code, out, err = script("run_onnx", onnx_artifact.path, "--about", "--graph", "greedy")
    assert (code, err) == (0, "")
    for line in (
        "file: greedy.onnx",
        "producer: keras_attention",
        "kind: ids",
        "input tokens: tensor(int32) ['batch', 'source']",
    ):
        assert f"{line}\n" in out
    assert "description: Greedy decoding" in out and "vocabulary_sha256: " in out
