"""`say`, `translate`, `caption`, `train`: what they print is what the models say."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from keras_attention.generation import (
    BeamSearch,
    ContrastiveSearch,
    DiverseBeamSearch,
    Generation,
    Greedy,
)
from keras_attention.recipes import command
from keras_attention.recipes.g2p import Pronunciation
from tests.support.exporting import IMAGE_SIZE, captioner, speller

SHORT = ("--max-length", "4")


def test_say_prints_the_pronunciation_and_the_alignment(run, spelling):
    ran = run("say", "abc", "bad", "--model", spelling, *SHORT)
    assert (ran.code, ran.err) == (0, "")
    expected = speller().generate(["abc", "bad"], Greedy(max_length=4))
    for word, found in zip(("abc", "bad"), expected):
        assert f"{word}  →  {found.text}   (log-probability {found.score:.2f})" in ran.out
    lines = ran.out.split("\n\n")[1].splitlines()
    assert lines[1].split() == ["b", "a", "d"]
    assert [line.split(" ┤")[0].strip() for line in lines[2:]] == expected[1].tokens
    # A quarter of the weight is one shade; two cells per letter.
    signs = [["·░▒▓█".index(sign) for sign in line.split("┤")[1][::2]] for line in lines[2:]]
    weights = np.where(expected[1].attention < 0.05, -1, np.floor(4 * expected[1].attention))
    np.testing.assert_array_equal(signs, weights + 1)


def test_say_draws_figures_one_per_word(run, spelling, tmp_path):
    pytest.importorskip("matplotlib")
    ran = run("say", "abc", "--model", spelling, *SHORT, "--figure", tmp_path / "one.png")
    assert ran.code == 0 and "Wrote " in ran.out
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    run("say", "abc", "bad", "--model", spelling, *SHORT, "--figure", tmp_path / "w.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "w-1.png", "w-2.png"]


def test_a_model_without_attention_says_words_too(run, spelling, monkeypatch, tmp_path):
    found = Generation("B D", -1.0, ["B", "D"], ["b", "d"], np.zeros((2, 0)))
    monkeypatch.setattr("keras_attention.cli.options.generate", lambda *given, **named: [[found]])
    ran = run("say", "bd", "--model", spelling)
    assert ran == (0, "bd  →  B D   (log-probability -1.00)\n", "")
    ran = run("say", "bd", "--model", spelling, "--figure", tmp_path / "f.png")
    assert ran.code == 2 and "--figure: expected a model with attention" in ran.err


def test_translate_writes_a_line_per_text(run, spelling, tmp_path):
    texts = ["abc", "", "hg fe"]
    expected = [f.text for f in speller().generate(texts, BeamSearch(num_beams=2, max_length=4))]
    options = ("--model", spelling, "--num-beams", "2", *SHORT)
    ran = run("translate", *options, stdin="abc\r\n\nhg fe\n")
    assert ran == (0, "".join(f"{text}\n" for text in expected), "")
    ran = run("translate", *texts, *options, "--output", tmp_path / "out.txt")
    assert ran == (0, "", "")
    assert (tmp_path / "out.txt").read_text("utf-8").splitlines() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.txt"]
    assert run("translate", *options) == (0, "", "")


def test_translate_writes_the_n_best_with_scores(run, spelling):
    ran = run("translate", "abc", "--model", spelling, "--n-best", "2", *SHORT)
    search = BeamSearch(num_beams=2, max_length=4)
    (expected,) = speller().generate(["abc"], search, n_best=2)
    assert ran.out.splitlines() == [f"1\t{one.score:.4f}\t{one.text}" for one in expected]


def test_many_texts_are_translated_in_their_order(run, spelling):
    texts = [word * (1 + number % 3) for number in range(90) for word in ("a", "bd", "hgf")]
    ran = run("translate", "--model", spelling, *SHORT, stdin="\n".join(texts))
    expected = speller().generate(texts, Greedy(max_length=4))
    assert ran == (0, "".join(f"{found.text}\n" for found in expected), "")


def test_translations_contain_what_they_have_to(run, spelling):
    options = ("--model", spelling, "--max-length", "6", "--include", "D É", "--include", "K")
    ran = run("translate", "abc", "fg", *options)
    lines = ran.out.splitlines()
    assert len(lines) == 2 and all("D É" in line and "K" in line.split() for line in lines)


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("diverse", DiverseBeamSearch(max_length=4)),
        ("contrastive", ContrastiveSearch(max_length=4)),
    ],
)
def test_every_search_has_its_name(name, search, run, spelling):
    ran = run("translate", "abc", "--model", spelling, "--search", name, *SHORT)
    assert ran.out == f"{speller().generate(['abc'], search)[0].text}\n"


def test_a_model_decodes_as_it_was_told(run, tmp_path):
    model = speller()
    model.compile(search=BeamSearch(num_beams=2, max_length=3))
    model.save(tmp_path / "m.keras")
    ran = run("translate", "abcd", "--model", tmp_path / "m.keras")
    assert ran.out == f"{model.generate(['abcd'])[0].text}\n"


def test_a_search_is_as_the_options_say(run, spelling):
    ran = run("translate", "a", "--model", spelling, "--search", "greedy", "--num-beams", "2")
    assert ran.code == 2
    assert "--num-beams: expected with --search beam, received --search greedy" in ran.err
    ran = run("translate", "a", "--model", spelling, "--search", "greedy", "--n-best", "2")
    assert ran.code == 2 and "--n-best: expected with --search beam" in ran.err


def test_caption_describes_images(run, captions, tmp_path):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    paths = [tmp_path / "first.png", tmp_path / "second.png"]
    pixels = rng.integers(0, 256, (2, *IMAGE_SIZE, 3), np.uint8)
    for path, image in zip(paths, pixels):
        keras.utils.save_img(path, image, scale=False)
    figures = ("--figures", tmp_path / "maps")
    ran = run("caption", *paths, "--model", captions, *SHORT, *figures)
    assert (ran.code, ran.err) == (0, "")
    expected = captioner().generate(pixels.astype("float32"), Greedy(max_length=4))
    assert ran.out.splitlines() == [f"{p}\t{found.text}" for p, found in zip(paths, expected)]
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["001-first.png", "002-second.png"]


def test_a_recipe_is_trained_with_its_settings(run, monkeypatch, tmp_path):
    ran = []
    monkeypatch.setattr(command, "run", lambda *given, **named: ran.append((given, named)) or {})
    monkeypatch.setattr(Pronunciation, "load", lambda *given: {"train": []})
    monkeypatch.setattr(Pronunciation, "summary", lambda *given: "done")
    shown = run("train", "g2p", tmp_path / "g2p", "--units", "8", "--no-input-feeding")
    assert shown == (0, "done\n", "")
    ((recipe, folder, settings), named) = ran[0]
    assert (recipe, folder) == (Pronunciation(), tmp_path / "g2p")
    assert settings == Pronunciation.settings(units=8)
    # What trains one of several models in a process of its own.
    assert named["command"][1:5] == ["-m", "keras_attention.cli", "train", "g2p"]
    assert named["command"][5] == str(tmp_path / "g2p")


@pytest.mark.parametrize("recipe", ["pronunciation", "g2p", "translation", "captioning"])
def test_every_recipe_explains_itself(recipe, run):
    ran = run("train", recipe, "--help")
    assert ran.code == 0 and f"usage: keras-attention train {recipe}" in ran.out
    assert "--minutes" in ran.out


def test_train_names_the_recipes(run):
    for arguments in (("train",), ("train", "--help")):
        ran = run(*arguments)
        assert ran.code == 0 and "glimpses" in ran.out and "Example: " in ran.out
    ran = run("train", "knitting")
    assert ran.code == 2 and "expected one of pronunciation, g2p" in ran.err
    ran = run("train", "g2p", "out", "--units", "many")
    assert ran.code == 2 and "--units: invalid int value" in ran.err


def test_a_preset_is_a_model_by_its_name_or_folder(run, tmp_path):
    model = speller()
    model.save_to_preset(tmp_path / "mine")
    (expected,) = model.generate(["abc"], Greedy(max_length=4))
    ran = run("translate", "abc", "--model", tmp_path / "mine", *SHORT)
    assert ran == (0, f"{expected.text}\n", "")
    ran = run("translate", "cat", "--model", "g2p_en")
    assert ran == (0, "K AE T\n", "")
    ran = run("inspect", "g2p_en")
    assert ran.code == 0 and "Carnegie Mellon" in ran.out
    ran = run("translate", "cat", "--model", "g2p_fr")
    assert ran.code == 2 and "g2p_fr does not exist" in ran.err


def test_export_hands_on_what_was_said(run, spelling, tmp_path, monkeypatch):
    given = []

    def export_model(model, path, **options):
        given.append(options)
        return {"graphs": ["beam"], "max_abs_difference": 0.0}

    monkeypatch.setattr("keras_attention.export.export_model", export_model)
    assert run("export", spelling, tmp_path / "new").code == 0
    assert given[0]["search"] is None and given[0]["kind"] is None
    assert given[0]["figures"] == {}
    options = ("--search", "diverse", "--num-beams", "2", "--length-penalty", "0.6")
    ran = run("export", spelling, tmp_path, *options, "--kind", "text", "--replace-unknown")
    assert ran.code == 0 and "Verified beam\n" in ran.out
    assert given[1]["search"] == DiverseBeamSearch(num_beams=2, length_penalty=0.6)
    assert (given[1]["kind"], given[1]["replace_unknown"]) == ("text", True)
    model = tmp_path / "model.keras"
    model.write_bytes(spelling.read_bytes())
    report = {"test_wer": 37.75, "loss": float("nan"), "settings": {"units": 8}}
    (tmp_path / "report.json").write_text(json.dumps(report))
    assert run("export", model, tmp_path / "new").code == 0
    assert given[2]["figures"] == {"test_wer": 37.75}


def test_export_says_how_far_int8_is_from_the_model(run, spelling, tmp_path, monkeypatch):
    def export_model(model, path, **options):
        about = {
            "weights": options["precision"],
            "equal_ids": 0.985,
            "relative_difference": 0.0123,
        }
        return {"graphs": ["beam"], "max_abs_difference": 0.1, "precision": about}

    monkeypatch.setattr("keras_attention.export.export_model", export_model)
    ran = run("export", spelling, tmp_path, "--format", "onnx", "--precision", "int8")
    said = "Weights in int8: 98.5% of the ids of its examples are the model's, floats differ by "
    assert ran.code == 0 and said + "1.2e-02 of their size; its quality" in ran.out
