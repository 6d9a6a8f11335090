"""SavedModels: what they offer, that they answer as the live model, and when they are refused."""

import shutil
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_attention import generation
from keras_attention.export import ExportError, export_model, verify
from keras_attention.export._replay.warmup import read_warmup, write_warmup
from keras_attention.export.saved_model import SavedModelWriter
from keras_attention.export.signatures import ids_signatures
from keras_attention.generation import BeamSearch
from keras_attention.models import EncoderDecoder
from tests.support.exporting import (
    LETTERS,
    MAX_LENGTH,
    SOUNDS,
    Foreign,
    call,
    list_again,
    listing,
    padded_ids,
    speller,
    step_by_step,
    until_end,
)
from tests.support.hypotheses import first_of
from tests.support.tables import one_in

IDS = {
    "encode",
    "step",
    "greedy",
    "beam",
    "score",
    "serving_default",
    "greedy_prefix",
    "beam_prefix",
}

TEXT = {"greedy", "beam", "serving_default", "greedy_prefix", "beam_prefix"}


def test_report_and_layout(ids_artifact):
    assert ids_artifact.report["ids_equal"] is True
    assert ids_artifact.report["max_abs_difference"] < 1e-4
    assert set(ids_artifact.report["signatures"]) == IDS
    assert {p.name for p in ids_artifact.path.iterdir()} == {"1"}
    assert ids_artifact.report["version"] == 1
    names = ("examples.npz", "manifest.json", "tf_serving_warmup_requests")
    files = {f"assets.extra/{name}" for name in names}
    assert files < set(listing(ids_artifact.path / "1"))
    # A server runs as somebody else.
    assert ids_artifact.path.joinpath("1").stat().st_mode & 0o055 == 0o055


def test_signatures_have_batch_first_tensors_with_names(ids_artifact, changing):
    signatures = ids_artifact.loaded.signatures
    assert set(signatures) == IDS
    for name in ("serving_default", "greedy", "beam"):
        assert set(signatures[name].structured_outputs) == {
            "sequences",
            "scores",
            "lengths",
            "attention",
        }
    for signature in signatures.values():
        specs = [*signature.structured_input_signature[1].values()]
        specs += signature.structured_outputs.values()
        assert all(spec.shape.rank >= 1 and spec.shape[0] is None for spec in specs)
    state = set(signatures["encode"].structured_outputs)
    assert state == changing | {"memory_keys", "memory_values", "memory_mask"}
    assert set(signatures["step"].structured_input_signature[1]) == state | {"token"}
    # The memory does not travel back.
    changed = {f"next_{name}" for name in changing}
    assert set(signatures["step"].structured_outputs) == {"logits", "attention"} | changed


def test_greedy_equals_the_live_model(ids_artifact, live):
    tokens = padded_ids()
    found = call(ids_artifact, "greedy", tokens=tokens)
    expected = first_of(generation.Greedy(max_length=MAX_LENGTH)(live, tokens))
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_array_equal(found["lengths"], expected.lengths)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)
    # What the fixture promises, else this shows little.
    assert len(set(map(tuple, found["sequences"].tolist()))) > 1


def test_beam_equals_the_live_model_and_its_best_is_served(ids_artifact, live):
    tokens = padded_ids()
    found = call(ids_artifact, "beam", tokens=tokens)
    expected = generation.BeamSearch(max_length=MAX_LENGTH)(live, tokens)
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    np.testing.assert_array_equal(found["lengths"], expected.lengths)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)
    # As wide as the best are long, whatever lies behind them.
    best = call(ids_artifact, "serving_default", tokens=tokens)
    width = found["lengths"][:, 0].max()
    assert best["sequences"].shape[1] == best["attention"].shape[1] == width
    np.testing.assert_array_equal(best["sequences"], found["sequences"][:, 0, :width])
    np.testing.assert_array_equal(best["attention"], found["attention"][:, 0, :width])
    np.testing.assert_array_equal(best["scores"], found["scores"][:, 0])
    np.testing.assert_array_equal(best["lengths"], found["lengths"][:, 0])


def test_the_beam_is_a_choice(live):
    search = generation.BeamSearch(num_beams=3, n_best=2, max_length=5, length_penalty=1.0)
    found = ids_signatures(live, search)["beam"](tokens=tf.constant(padded_ids()))
    expected = search(live, padded_ids())
    np.testing.assert_array_equal(found["sequences"], expected.sequences)
    assert found["scores"].shape == (4, 2)


def test_score_equals_the_live_model(ids_artifact, live):
    tokens, targets = padded_ids(), np.array([[4, 5, 2], [7, 2, 0], [2, 0, 0], [8, 6, 5]], "int32")
    found = call(ids_artifact, "score", tokens=tokens, targets=targets)
    expected = generation.score(live, tokens, targets)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["token_scores"], expected.token_scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)


def test_decoding_goes_on_from_a_prefix(ids_artifact, live):
    tokens, prefix = padded_ids(), np.array([[4, 5], [7, 0], [0, 0], [8, 6]], "int32")
    greedy = call(ids_artifact, "greedy_prefix", tokens=tokens, prefix=prefix)
    expected = first_of(generation.Greedy(max_length=MAX_LENGTH)(live, tokens, prefix=prefix))
    np.testing.assert_array_equal(greedy["sequences"], expected.sequences)
    np.testing.assert_allclose(greedy["scores"], expected.scores, atol=1e-4)
    beam = call(ids_artifact, "beam_prefix", tokens=tokens, prefix=prefix)
    expected = generation.BeamSearch(max_length=MAX_LENGTH)(live, tokens, prefix=prefix)
    np.testing.assert_array_equal(beam["sequences"], expected.sequences)
    np.testing.assert_allclose(beam["scores"], expected.scores, atol=1e-4)
    for found in (greedy, beam):
        begun = found["sequences"].reshape(len(tokens), -1, found["sequences"].shape[-1])
        assert (begun[[0, 3], :, :2] == prefix[[0, 3], None]).all()
        # One number per token, and together the score of the search.
        assert found["token_scores"].shape == found["sequences"].shape
        np.testing.assert_allclose(found["token_scores"].sum(-1), found["scores"], atol=1e-4)
    np.testing.assert_allclose(
        greedy["token_scores"],
        generation.score(live, tokens, greedy["sequences"]).token_scores,
        atol=1e-4,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="prefix: expected the same batch"):
        call(ids_artifact, "greedy_prefix", tokens=tokens, prefix=prefix[:1])


def test_text_goes_on_from_a_prefix(text_artifact):
    texts, prefix = ["abc", "bad", "head"], ["K AA", "", "B"]
    found = call(text_artifact, "beam_prefix", text=texts, prefix=prefix)
    assert all(text.startswith(b"K AA") for text in found["texts"][0])
    assert all(text.startswith(b"B") for text in found["texts"][2])
    assert found["token_scores"].shape == found["target_tokens"].shape
    beam = call(text_artifact, "beam", text=texts)
    assert found["texts"][1].tolist() == beam["texts"][1].tolist()
    greedy = call(text_artifact, "greedy_prefix", text=texts, prefix=prefix)
    assert greedy["texts"].shape == (3,) and greedy["texts"][0].startswith(b"K AA")


def test_a_client_that_steps_gets_what_greedy_gets(ids_artifact, changing):
    encode, step = (partial(call, ids_artifact, name) for name in ("encode", "step"))
    chosen = step_by_step(encode, step, padded_ids(), changing)
    greedy = call(ids_artifact, "greedy", tokens=padded_ids())["sequences"]
    np.testing.assert_array_equal(until_end(chosen), greedy)


def test_a_source_without_columns_is_refused_by_name(ids_artifact):
    with pytest.raises(tf.errors.InvalidArgumentError, match="tokens: expected at least one col"):
        call(ids_artifact, "greedy", tokens=np.zeros((2, 0), "int32"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="targets: expected at least one col"):
        call(
            ids_artifact,
            "score",
            tokens=np.ones((2, 3), "int32"),
            targets=np.zeros((2, 0), "int32"),
        )


def test_a_batch_without_rows_is_answered(ids_artifact):
    for name in ("greedy", "serving_default"):
        found = call(ids_artifact, name, tokens=np.zeros((0, 3), "int32"))
        assert found["scores"].shape == (0,)


def test_text_in_text_out(text_artifact):
    texts = ["bad", "Cab", "", "h?f", "  ", "gÉb", "a b"]
    found = call(text_artifact, "greedy", text=texts)
    assert set(found) == {"texts", "scores", "source_tokens", "target_tokens", "attention"}
    ids = [LETTERS.encode(text) for text in texts]
    width = max(map(len, ids))
    padded = np.array([row + [0] * (width - len(row)) for row in ids], "int32")
    expected = first_of(generation.Greedy(max_length=MAX_LENGTH)(text_artifact.model, padded))
    decoded = [SOUNDS.decode(row) for row in np.asarray(expected.sequences)]
    assert [text.decode() for text in found["texts"]] == decoded
    assert any(decoded)
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)
    for row, text in zip(found["source_tokens"], texts):
        assert [t.decode() for t in row if t] == LETTERS.split(text)
    for row, text in zip(found["target_tokens"], decoded):
        assert [t.decode() for t in row if t] == text.split()


def test_text_by_beam(text_artifact):
    texts = ["bad", "", "h?fa"]
    found = call(text_artifact, "beam", text=texts)
    ids = np.array([[5, 4, 7, 0], [0, 0, 0, 0], [11, 3, 9, 4]], "int32")
    assert [LETTERS.encode(text) for text in texts] == [[i for i in row if i] for row in ids]
    expected = generation.BeamSearch(max_length=MAX_LENGTH)(text_artifact.model, ids)
    decoded = [[SOUNDS.decode(s) for s in row] for row in np.asarray(expected.sequences)]
    assert [[text.decode() for text in row] for row in found["texts"]] == decoded
    assert len({text for row in decoded for text in row}) > 4
    np.testing.assert_allclose(found["scores"], expected.scores, atol=1e-4)
    np.testing.assert_allclose(found["attention"], expected.attention, atol=1e-5)
    assert found["target_tokens"].shape == expected.sequences.shape
    for row, spelt in zip(found["target_tokens"], decoded):
        assert [[t.decode() for t in tokens if t] for tokens in row] == [t.split() for t in spelt]
    best = call(text_artifact, "serving_default", text=texts)
    assert set(best) == set(found)
    assert best["texts"].tolist() == found["texts"][:, 0].tolist()
    width = best["target_tokens"].shape[1]
    assert best["attention"].shape == (3, width, 4)
    assert best["target_tokens"].tolist() == found["target_tokens"][:, 0, :width].tolist()


@pytest.mark.slow
def test_subwords_bring_their_operations(subwords_artifact):
    """The fresh process, which cannot import Keras and so not tensorflow_text, has verified it."""
    assert set(subwords_artifact.report["signatures"]) == TEXT
    found = call(subwords_artifact, "greedy", text=["unseen  word!", ""])
    tokens = [[token.decode() for token in row if token] for row in found["source_tokens"]]
    assert tokens == [["▁un", "##seen", "▁wo", "##rd", "!"], []]


def test_text_alone_and_empty(text_artifact):
    found = call(text_artifact, "greedy", text=[""])
    assert found["source_tokens"].tolist() == [[b""]]
    assert np.isfinite(found["scores"]).all() and found["attention"].sum() == 0


@pytest.mark.slow
def test_versions_are_verified_together(text_artifact, tmp_path):
    shutil.copytree(text_artifact.path / "3", tmp_path / "3")
    report = verify(tmp_path)
    assert {**report, "version": 3} == text_artifact.report


@pytest.mark.slow
def test_a_model_that_is_not_ours(tmp_path):
    batches = [np.array([[4, 5, 6], [7, 0, 0]], "int32"), np.array([[8, 3]], "int32")]
    report = export_model(
        Foreign(), tmp_path / "foreign", search=BeamSearch(max_length=5), examples=batches
    )
    assert set(report["signatures"]) == IDS
    loaded = tf.saved_model.load(str(tmp_path / "foreign" / "1"))
    # A name that a signature needs itself is not taken by the state.
    assert set(loaded.signatures["encode"].structured_outputs) == {
        "state_tokens",
        "state_attention",
        "steps_0",
        "values",
        "unused",
    }
    assert set(loaded.signatures["step"].structured_outputs) == {
        "logits",
        "attention",
        "next_state_attention",
        "next_steps_0",
    }


# Breaking it on purpose.


def test_a_wrong_weight_is_noticed_and_the_old_artifact_stays(
    tmp_path, monkeypatch, without_decoding
):
    old = tmp_path / "speller" / "1"
    (old / "assets.extra").mkdir(parents=True)
    (old / "assets.extra" / "examples.npz").write_bytes(b"the old one")
    before = listing(tmp_path)
    model, write = speller(), SavedModelWriter.write

    def write_other_weights(*arguments):
        model.logits.bias.assign_add(keras.ops.arange(len(SOUNDS), dtype="float32"))
        write(*arguments)

    monkeypatch.setattr(SavedModelWriter, "write", write_other_weights)
    with pytest.raises(ExportError, match=r"as its model did: \w+ \(python\), case 0: output '\w+"):
        export_model(
            model,
            tmp_path / "speller",
            search=BeamSearch(max_length=3),
            overwrite=True,
            examples=[[[4]]],
        )
    assert listing(tmp_path) == before
    assert (old / "assets.extra" / "examples.npz").read_bytes() == b"the old one"


@pytest.mark.slow
def test_a_keras_model_hung_on_the_module_is_noticed(tmp_path, monkeypatch, without_decoding):
    model, save = speller(), tf.saved_model.save

    def hang(module, *arguments, **options):
        hung = tf.Module()
        hung.model = model
        save(hung, *arguments, **options)

    monkeypatch.setattr(tf.saved_model, "save", hang)
    # Python's own loader finds nothing wrong with it.
    with pytest.raises(
        ExportError, match=r"encode \(tf1\), case 0: failed.*Could not find variable"
    ):
        export_model(model, tmp_path / "new", search=BeamSearch(max_length=3), examples=[[[4, 5]]])
    assert listing(tmp_path) == []


def test_a_variable_that_the_model_does_not_name(tmp_path):
    model = Foreign()
    model.variables = model.variables[:1]
    with pytest.raises(ExportError, match=r"Are all its variables in model\.variables"):
        export_model(
            model, tmp_path / "new", examples=[np.array([[4, 5]])], search=BeamSearch(max_length=2)
        )
    assert listing(tmp_path) == []


def test_not_a_number_is_no_answer(tmp_path):
    model = speller()
    model.logits.bias.assign(np.nan * np.ones(len(SOUNDS)))
    with pytest.raises(ExportError, match="not-a-number: signature 'step', output 'logits'"):
        export_model(model, tmp_path / "new")
    assert listing(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "garbage"),
    one_in(
        2,
        [
            ("variables/variables.data-00000-of-00001", "flipped"),
            ("saved_model.pb", b"garbage"),
            ("assets.extra/examples.npz", b"garbage"),
            ("assets.extra/tf_serving_warmup_requests", "altered"),
            ("assets.extra/examples.npz", None),
        ],
    ),
)
def test_a_corrupted_artifact(text_artifact, tmp_path, file, garbage):
    shutil.copytree(text_artifact.path / "3", tmp_path / "3")
    path = tmp_path / "3" / file
    if garbage is None:
        path.unlink()
    elif garbage == "altered":
        requests = [(name, inputs) for name, inputs in read_warmup(path.parents[1])]
        requests[1][1]["text"][0] = "another"
        write_warmup(path.parents[1], "speller", requests)
    elif garbage == "flipped":
        path.write_bytes(bytes(255 - byte for byte in path.read_bytes()))
    else:
        path.write_bytes(garbage)
    list_again(tmp_path / "3")
    with pytest.raises(ExportError, match=r"cannot be (verified|read)|does not answer"):
        verify(tmp_path)


def test_wrong_arguments_are_refused_before_anything_is_written(tmp_path):
    model = speller()
    target = tmp_path / "new"
    with pytest.raises(ValueError, match="kind: expected one of 'ids', 'call', 'text'"):
        export_model(model, target, kind="words")
    with pytest.raises(ValueError, match="version: expected a positive integer"):
        export_model(model, target, version=0)
    with pytest.raises(ValueError, match="format: expected one of 'saved_model', 'onnx', 'litert'"):
        export_model(model, target, format="pickle")
    for format in ("onnx", "litert"):
        with pytest.raises(
            ValueError, match=f"kind: expected 'ids' or 'call' for format '{format}'"
        ):
            export_model(model, target, format=format, kind="text")
        with pytest.raises(ValueError, match=f"version: expected None, because format '{format}'"):
            export_model(model, target, format=format, version=1)
    with pytest.raises(
        ValueError, match="examples: expected batches of inputs, because Sequential"
    ):
        export_model(keras.Sequential([keras.layers.Dense(1)]), target)
    with pytest.raises(ValueError, match="Vocabulary as source_vocabulary"):
        export_model(EncoderDecoder(9, 9, units=4), target, kind="text")
    with pytest.raises(ValueError, match=r"search: expected a keras_attention\.generation\.Beam"):
        export_model(model, target, search="beam")
    with pytest.raises(ValueError, match="examples: expected matrices of source ids"):
        export_model(Foreign(), target)
    with pytest.raises(ValueError, match="examples: expected lists of strings"):
        export_model(model, target, kind="text", examples=["abc"])
    with pytest.raises(ValueError, match="examples: expected at least one batch"):
        export_model(model, target, examples=[])
    assert listing(tmp_path) == []


def test_an_existing_target_is_refused(tmp_path):
    (tmp_path / "speller" / "1").mkdir(parents=True)
    model = speller()
    with pytest.raises(FileExistsError, match="exists already"):
        export_model(model, tmp_path / "speller", version=1)
    # Not even to be overwritten, where it is no artifact: it may be somebody's home.
    (tmp_path / "speller" / "1" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match="no exported artifact"):
        export_model(model, tmp_path / "speller", overwrite=True)
    assert listing(tmp_path) == ["speller", "speller/1", "speller/1/thesis.tex"]


def test_nowhere_to_write(tmp_path):
    model = speller()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export_model(model, tmp_path / "missing" / "speller")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="is no directory"):
        export_model(model, tmp_path / "file")
    assert listing(tmp_path) == ["file"]
