"""The explorer's Python side: what a browser is told, and what it may ask for."""

import base64
import json
import re
import sys

import keras
import numpy as np
import pytest

from keras_attention.generation import BeamSearch, Greedy, beam_tree
from keras_attention.models import Captioner, EncoderDecoder
from keras_attention.text import END, Vocabulary
from keras_attention.widgets import AttentionExplorer
from keras_attention.widgets.answers import answer_of

SEARCH = BeamSearch(num_beams=2, max_length=5)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return EncoderDecoder(Vocabulary("abc"), Vocabulary(["A", "B", "C"], " "), units=8)


@pytest.fixture
def explorer(model):
    pytest.importorskip("anywidget")
    return AttentionExplorer(model, "cab", SEARCH)


def test_without_the_extra_an_error_names_it(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"'anywidget'.*'\.\[widgets\]'"):
        AttentionExplorer(model, "cab")


def test_an_answer_is_plain_json_and_has_the_weights_of_each_step(model):
    tree = beam_tree(model, "cab", SEARCH, num_dropped=2)
    answer = json.loads(json.dumps(answer_of(tree)))
    assert answer["source"] == ["c", "a", "b"] and answer["map"] is None
    assert answer["best"] == tree.best and len(answer["texts"]) == 2
    for node, told in zip(tree.nodes, answer["nodes"], strict=True):
        assert (told["id"], told["token"]) == node.chosen[:2]
        assert told["reason"] == node.reason and len(told["choices"]) == len(node.choices)
        if node.parent is not None:
            weights = answer["nodes"][node.parent]["weights"]
            np.testing.assert_allclose(weights, node.attention, atol=1e-5)
    assert not [told for told in answer["nodes"] if told["fate"] == "dropped" and told["choices"]]


def test_another_text_and_chosen_tokens_give_another_answer(explorer, model):
    first = explorer.widget.answer
    assert first["texts"][0] == model.generate(["cab"], SEARCH)[0].text
    second = explorer.tree.nodes[0].choices[1].id
    explorer.force([second])
    assert explorer.widget.answer["forced"] == [second]
    assert [node.chosen.id for node in explorer.tree.nodes if node.position == 0] == [second]
    explorer.text = "bb"
    answer = explorer.widget.answer
    assert answer["source"] == ["b", "b"] and answer["forced"] == [] == explorer.widget.forced
    assert answer["number"] > first["number"]
    assert repr(explorer) == f"<AttentionExplorer: bb -> {answer['texts'][0]}>"


def test_what_the_browser_sets_together_is_answered_once(explorer):
    number = explorer.widget.answer["number"]
    explorer.widget.set_state({"text": "ab", "forced": []})
    assert explorer.widget.answer["source"] == ["a", "b"]
    assert explorer.widget.answer["number"] == number + 1


def test_a_chosen_end_ends_the_answer(explorer):
    explorer.force([END])
    assert explorer.tree.results[0].text == "" and explorer.plot() is None
    assert "image/png" not in explorer._repr_mimebundle_()[0]


def test_unknown_and_no_tokens_are_noted(explorer):
    explorer.text = "axbx"
    assert explorer.widget.answer["notice"] == "Not in the vocabulary: x"
    explorer.text = ""
    assert explorer.widget.answer["notice"] == "The text is empty."


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"forced": [99]}, "prefix: expected ids from 0 to 6"),
        ({"text": "a" * 2001}, "at most 2000"),
    ],
)
def test_what_cannot_be_answered_is_told_in_the_browser(explorer, asked, error):
    explorer.widget.set_state(asked)
    assert error in explorer.widget.answer["error"]
    explorer.widget.set_state({"text": "b", "forced": []})
    assert "error" not in explorer.widget.answer


def test_a_page_without_a_kernel_gets_a_picture(explorer):
    data, _ = explorer._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == repr(explorer)
    assert "application/vnd.jupyter.widget-view+json" in data


def test_an_image_is_picked_among_those_given():
    pytest.importorskip("anywidget")
    keras.utils.set_random_seed(0)
    reader = Captioner(Vocabulary(["a", "fox"], " "), (16, 16), units=8, embedding_dim=8)
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("uint8")
    explorer = AttentionExplorer(reader, images, SEARCH)
    assert all(bytes(image).startswith(b"\x89PNG") for image in explorer.widget.images)
    assert explorer.widget.answer["map"] == list(reader.map_shape)
    assert len(explorer.widget.answer["nodes"][0]["weights"]) == np.prod(reader.map_shape)
    explorer.widget.picked = 1
    expected = reader.generate(images, SEARCH)
    assert explorer.tree.results[0].text == expected[1].text
    assert "image/png" in explorer._repr_mimebundle_()[0] or not expected[1].tokens
    with pytest.raises(ValueError, match=r"source: expected a text or images \(N, H, W, 3\)"):
        AttentionExplorer(reader, images[0, 0], SEARCH)


def test_the_search_of_compile_is_used_if_it_has_beams(model):
    pytest.importorskip("anywidget")
    model.compile(search=SEARCH)
    assert AttentionExplorer(model, "a").widget.answer["num_beams"] == 2
    model.compile(search=Greedy(max_length=3))
    assert AttentionExplorer(model, "a").widget.answer["num_beams"] == 4


def test_the_script_is_one_module_of_the_files_it_needs():
    pytest.importorskip("anywidget")
    from keras_attention.widgets.view import script, style

    text = script()
    assert not re.findall(r"^import ", text, re.MULTILINE)
    assert re.findall(r"^export .*", text, re.MULTILINE) == ["export default {"]
    names = re.findall(r"^(?:class|const|function|async function) (\w+)", text, re.MULTILINE)
    assert len(set(names)) == len(names) and {"Explorer", "BeamTree", "TokenRow"} <= set(names)
    # Tokens are shown as texts, and nothing is fetched.
    assert not re.search(r"innerHTML|insertAdjacentHTML|eval\(|fetch\(|https?://(?!www\.w3)", text)
    # Rules that would change the rest of the notebook.
    rules = re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", style(), flags=re.DOTALL))
    others = [one for rule in rules for one in rule.split(",") if ".keras-attention" not in one]
    assert rules and not others
