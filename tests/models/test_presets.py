"""Models as folders with checksums and a card, and as names."""

import json
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_attention import LuongAttention
from keras_attention.generation import BeamSearch, Greedy
from keras_attention.losses import SequenceCrossentropy
from keras_attention.models import (
    Captioner,
    EncoderDecoder,
    Seq2Seq,
    built_in_presets,
    load_preset,
    presets,
)
from keras_attention.models.generating import GeneratingModel
from keras_attention.models.model_files import write_for_inference
from keras_attention.text import SpecialIds, Vocabulary, as_vocabulary

LETTERS = Vocabulary("abcdef")
PHONES = Vocabulary(["K", "AE", "B"], separator=" ")
SOURCE = np.array([[5, 6, 7, 4], [9, 4, 0, 0]])
IDS = {"source": SOURCE, "target": np.array([[1, 4, 5], [1, 4, 0]])}
LABELS = np.array([[4, 5, 2], [4, 2, 0]])


def translator():
    model = EncoderDecoder(LETTERS, PHONES, embedding_dim=4, units=6)
    search = BeamSearch(2, max_length=4)
    model.compile("adam", SequenceCrossentropy(), search=search, run_eagerly=True)
    model.train_on_batch(IDS, LABELS)
    return model


def functional():
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    summary = keras.layers.GRU(4)(keras.layers.Embedding(10, 4, mask_zero=True)(source))
    written = keras.layers.Embedding(7, 4)(target)
    logits = keras.layers.Dense(7)(
        keras.layers.GRU(4, return_sequences=True)(written, initial_state=summary)
    )
    inner = keras.Model([source, target], logits)
    inner.compile("adam", SequenceCrossentropy(), run_eagerly=True)
    inner.train_on_batch([IDS["source"], IDS["target"]], LABELS)
    return Seq2Seq(inner, source_vocabulary=LETTERS, target_vocabulary=PHONES)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, and its preset; no test changes them."""
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    model = translator()
    model.save_to_preset(folder, figures={"test_wer": 35.2}, description="Spells | phones.")
    return model, folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the preset that a test may change."""
    copy = tmp_path / "tiny"
    copy.mkdir()
    for path in saved[1].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def changed(folder, **fields):
    path = folder / "preset.json"
    record = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**record, **fields}), "utf-8")


def test_a_preset_is_the_model_again(saved):
    model, folder = saved
    for loaded in (EncoderDecoder.from_preset(folder), load_preset(str(folder))):
        assert isinstance(loaded, EncoderDecoder)
        np.testing.assert_array_equal(loaded(IDS), model(IDS))
        assert loaded.search == model.search
        assert not loaded.compiled
        assert loaded.generate(["fade"])[0].text == model.generate(["fade"])[0].text


def test_the_folder_says_what_is_in_it(saved):
    _, folder = saved
    names = {"README.md", "model.keras", "preset.json"}
    names |= {"source_tokenizer.json", "target_tokenizer.json"}
    assert {path.name for path in folder.iterdir()} == names
    record = presets.read_record(folder)
    assert record.figures == {"test_wer": 35.2}
    assert record.model_class == "keras_attention>EncoderDecoder"
    assert record.search["class_name"] == "BeamSearch"
    card = (folder / "README.md").read_text("utf-8")
    for words in ("# tiny", "Spells | phones.", "| test_wer | 35.2 |", "BeamSearch(num_beams=2"):
        assert words in card
    assert 'EncoderDecoder.from_preset("tiny")' in card
    with (
        zipfile.ZipFile(folder / "model.keras") as archive,
        archive.open("model.weights.h5") as file,
        h5py.File(file) as weights,
    ):
        assert "optimizer" not in weights
    # An ordinary Keras file.
    assert isinstance(keras.saving.load_model(folder / "model.keras"), EncoderDecoder)


def test_no_optimizer_of_a_model_inside_is_saved(tmp_path):
    model = functional()
    model.save_to_preset(tmp_path / "own")
    loaded = Seq2Seq.from_preset(tmp_path / "own")
    assert not loaded.model.compiled
    np.testing.assert_array_equal(loaded(IDS), model(IDS))


def test_captioners_have_presets(tmp_path):
    model = Captioner(PHONES, image_size=(16, 16), embedding_dim=4, units=6)
    model.save_to_preset(tmp_path / "captions")
    loaded = Captioner.from_preset(tmp_path / "captions")
    for a, b in zip(model.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(a, b)
    assert (tmp_path / "captions" / "target_tokenizer.json").exists()


def test_vocabularies_of_others_have_presets(tmp_path):
    """Also those that cannot be a `tokenizer.json`."""
    words = keras.layers.TextVectorization(vocabulary=["[start]", "[end]", "red", "apple"])
    special = SpecialIds(pad=0, start=2, end=3, unknown=1)
    source, target = (keras.Input((None,), dtype="int32", name=n) for n in ("source", "target"))
    memory = keras.layers.Embedding(6, 4, mask_zero=True)(source)
    query = keras.layers.GRU(4, return_sequences=True)(keras.layers.Embedding(6, 4)(target))
    logits = keras.layers.Dense(6)(LuongAttention()(query, memory))
    vocabulary = as_vocabulary(words, special_ids=special)
    model = Seq2Seq(
        keras.Model([source, target], logits),
        source_vocabulary=vocabulary,
        target_vocabulary=vocabulary,
    )
    model.save_to_preset(tmp_path / "own")
    assert not list((tmp_path / "own").glob("*tokenizer.json"))
    loaded = Seq2Seq.from_preset(tmp_path / "own")
    assert loaded.special_ids == special
    search = Greedy(max_length=4)
    found, again = (one.generate(["red apple"], search)[0] for one in (model, loaded))
    assert (found.text, found.source_tokens) == (again.text, ["red", "apple"])


def test_the_scales_of_int8_weights_keep_their_precision(tmp_path):
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)])
    model.layers[-1].quantize("int8")
    write_for_inference(model, tmp_path / "half.keras", half=True)
    loaded = keras.saving.load_model(tmp_path / "half.keras")
    x = np.random.default_rng(1).normal(size=(3, 6))
    np.testing.assert_array_equal(loaded(x), model(x))


def test_half_precision_halves_the_file_and_loads_as_float32(tmp_path):
    model = EncoderDecoder(200, 100, embedding_dim=64, units=64)
    weights = model.get_weights()
    weights[0][0, 0] = 1e6  # beyond float16: this array stays as it is
    model.set_weights(weights)
    sizes = {}
    for dtype in ("float32", "float16"):
        model.save_to_preset(tmp_path / dtype, dtype=dtype)
        sizes[dtype] = (tmp_path / dtype / "model.keras").stat().st_size
    loaded = EncoderDecoder.from_preset(tmp_path / "float16")
    assert all(one.dtype == "float32" for one in loaded.weights)
    np.testing.assert_array_equal(loaded.get_weights()[0], weights[0])
    for a, b in zip(weights[1:], loaded.get_weights()[1:]):
        np.testing.assert_array_equal(a.astype("float16").astype("float32"), b)
    stored = 4 * weights[0].size + 2 * sum(one.size for one in weights[1:])
    assert stored < sizes["float16"] < stored + 60_000
    with pytest.raises(ValueError, match="dtype: expected"):
        model.save_to_preset(tmp_path / "int", dtype="int8")


def test_a_name_is_a_preset_of_the_package(saved, monkeypatch):
    assert built_in_presets() == tuple(sorted(p.name for p in presets.BUILT_IN.glob("*/")))
    monkeypatch.setattr(presets, "BUILT_IN", saved[1].parent)
    assert built_in_presets() == ("tiny",)
    assert isinstance(EncoderDecoder.from_preset("tiny"), EncoderDecoder)
    for wrong in ("g2p_xx", "../tiny", "", saved[1].parent):
        with pytest.raises(ValueError, match="handle: expected a folder") as caught:
            EncoderDecoder.from_preset(wrong)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"built-in preset \('tiny'\), received 'g2p_xx'"):
        load_preset("g2p_xx")


def test_nothing_is_overwritten_unasked(saved, folder, tmp_path):
    model = saved[0]
    before = (folder / "preset.json").read_bytes()
    with pytest.raises(FileExistsError, match="folder: expected a new one, received"):
        model.save_to_preset(folder)
    assert (folder / "preset.json").read_bytes() == before
    model.save_to_preset(folder, description="Anew.", overwrite=True)
    assert "Anew." in (folder / "README.md").read_text("utf-8")
    # What is no preset is never replaced.
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="folder: expected a preset, which overwrite=True"):
        model.save_to_preset(other, overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "tiny"]


def test_a_failure_leaves_nothing_behind(saved, folder, tmp_path, monkeypatch):
    def failing(*_):
        raise OSError("disk full")

    monkeypatch.setattr(Vocabulary, "write_tokenizer", failing)
    before = (folder / "preset.json").read_bytes()
    for target in (tmp_path / "new", folder):
        with pytest.raises(OSError, match="disk full"):
            saved[0].save_to_preset(target, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert (folder / "preset.json").read_bytes() == before


def test_another_class_is_refused(folder):
    with pytest.raises(
        ValueError, match=r"expected a preset of a Captioner, .*EncoderDecoder\.from"
    ):
        Captioner.from_preset(folder)
    assert isinstance(GeneratingModel.from_preset(folder), EncoderDecoder)
    # A class that only preset.json names.
    changed(folder, model_class="keras_attention>Captioner")
    with pytest.raises(ValueError, match=r"expected a preset of a Captioner, .* a EncoderDecoder"):
        Captioner.from_preset(folder)
    changed(folder, model_class="mine>Model")
    with pytest.raises(
        ValueError, match=r"registered with Keras, .*'mine>Model'; import the module"
    ):
        load_preset(folder)


def test_a_newer_format_is_refused(folder):
    changed(folder, format=2, library_version="9.1.0")
    with pytest.raises(
        ValueError, match=r"format 1 or older, .* of format 2, .* 9\.1\.0"
    ) as caught:
        load_preset(folder)
    assert "\n" not in str(caught.value)


def test_changed_and_missing_files_are_refused(folder, tmp_path):
    path = folder / "source_tokenizer.json"
    content = path.read_bytes()
    path.write_bytes(content + b" ")
    with pytest.raises(
        ValueError, match=r"'source_tokenizer\.json' .* sha256 .* damaged or was ch"
    ):
        load_preset(folder)
    path.unlink()
    with pytest.raises(ValueError, match=r"handle: expected the file 'source_tokenizer\.json'"):
        load_preset(folder)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_bytes(content)
    path.symlink_to(elsewhere)
    with pytest.raises(ValueError, match=r"handle: expected the file 'source_tokenizer\.json'"):
        load_preset(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ".hidden", "a/b", ""])
def test_paths_outside_of_the_folder_are_refused(folder, name):
    files = presets.read_record(folder).files
    changed(folder, files={**files, name: {"bytes": 1, "sha256": "0"}})
    with pytest.raises(ValueError, match=r"handle: expected a folder with the preset\.json"):
        load_preset(folder)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "1"}', '{"format": 1}', "\x00"])
def test_a_damaged_record_is_refused_in_one_line(folder, content):
    (folder / "preset.json").write_text(content)
    with pytest.raises(
        ValueError, match=r"handle: expected a folder with the preset\.json"
    ) as caught:
        load_preset(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("handle", ["hf://someone/model", "kaggle://someone/model"])
def test_remote_handles_go_to_keras(handle, saved, monkeypatch):
    def loaded(path, **options):
        assert path == handle and options == {"safe_mode": True}
        return saved[0]

    monkeypatch.setattr(keras.saving, "load_model", loaded)
    assert EncoderDecoder.from_preset(handle) is saved[0]
    with pytest.raises(ValueError, match=f"a preset of a Seq2Seq, received '{handle}', a Enc"):
        Seq2Seq.from_preset(handle)

    def unreachable(path, **options):
        raise ConnectionError("no route to host\nsecond line")

    monkeypatch.setattr(keras.saving, "load_model", unreachable)
    monkeypatch.setattr(presets, "BUILT_IN", saved[1].parent)
    with pytest.raises(ValueError, match=f"'tiny'.* received '{handle}': .*no route") as caught:
        EncoderDecoder.from_preset(handle)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("figures", [["wer"], {"wer": float("nan")}, {"wer": [1]}, {3: 1.0}])
def test_figures_are_numbers_and_texts(saved, figures, tmp_path):
    with pytest.raises(ValueError, match="figures: expected"):
        saved[0].save_to_preset(tmp_path / "new", figures=figures)
    assert not any(tmp_path.iterdir())


def test_a_class_that_could_not_be_loaded_is_not_saved(tmp_path):
    class Mine(EncoderDecoder):
        pass

    with pytest.raises(ValueError, match="model: expected one whose class is registered"):
        Mine(9, 9, embedding_dim=4, units=4).save_to_preset(tmp_path / "new")
    with pytest.raises(ValueError, match="search: expected"):
        model = EncoderDecoder(9, 9, embedding_dim=4, units=4)
        model.compile(search=lambda decoder, inputs, prefix=None: Greedy()(decoder, inputs))
        model.save_to_preset(tmp_path / "new")
