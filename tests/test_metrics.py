"""Metrics against values computed by hand."""

import numpy as np
import pytest

from keras_attention.metrics import (
    TokenAccuracy,
    entities,
    entity_scores,
    error_rates,
    peaks_inside,
)


def test_error_rates_by_hand():
    hypotheses = ["kitten", "flow", "", "abc"]
    references = [["sitting"], ["flow", "flaw"], ["ab"], ["abd", "xbcd"]]
    # 3 edits of 7; right; 2 edits of 2; 1 edit of 3 (the second is 2 edits away).
    rates = error_rates(hypotheses, references)
    assert rates.items == 3 / 4
    assert rates.tokens == pytest.approx((3 + 0 + 2 + 1) / (7 + 4 + 2 + 3))


def test_on_a_tie_the_longest_reference_counts():
    assert error_rates(["ab"], [["a", "abc"]]).tokens == pytest.approx(1 / 3)


def test_errors_can_be_more_than_tokens():
    assert error_rates([["K", "AE", "T"]], [[["D"]]]).tokens == 3.0


def test_tokens_are_whole_not_characters():
    assert error_rates([["AH", "B"]], [[["AE", "B"]]]).tokens == 0.5


def test_token_accuracy_ignores_padding_and_adds_up():
    accuracy = TokenAccuracy()
    accuracy.update_state(np.array([[1, 2, 0]]), np.eye(3)[[[1, 1, 0]]])
    accuracy.update_state(np.array([[2, 2]]), np.eye(3)[[[2, 2]]])
    assert float(accuracy.result()) == 0.75


def test_token_accuracy_takes_sample_weights():
    accuracy = TokenAccuracy()
    logits = np.eye(3)[[[1, 1], [1, 2]]]
    accuracy.update_state(np.array([[1, 2], [1, 2]]), logits, sample_weight=np.array([1.0, 3.0]))
    assert float(accuracy.result()) == pytest.approx(7 / 8)


def test_token_accuracy_config_round_trip():
    assert TokenAccuracy.from_config(TokenAccuracy(name="mine").get_config()).name == "mine"


@pytest.mark.parametrize(
    "hypotheses, references, message",
    [
        ([], [], "references: expected one list of sequences per hypothesis"),
        (["a"], [["a"], ["b"]], "references: expected .* received 2 for 1 hypotheses"),
        ([""], [[""]], "references: expected at least one token"),
    ],
)
def test_what_has_no_error_rate_is_refused(hypotheses, references, message):
    with pytest.raises(ValueError, match=message):
        error_rates(hypotheses, references)


MAPS = np.array([[[0.1, 0.7, 0.1], [0.1, 0.0, 0.1]], [[0.2, 0.1, 0.0], [0.1, 0.0, 0.9]]])


@pytest.mark.parametrize(
    "box, expected",
    [
        # The peaks are at (5, 30) and (15, 50) of an image of 20 by 60.
        ((0, 20, 10, 40), [True, False]),
        ((5, 30, 6, 31), [True, False]),
        ((0, 20, 5, 40), [False, False]),
        ((0, 20, 10, 30), [False, False]),
        ((10, 40, 20, 60), [False, True]),
        ((0, 0, 20, 60), [True, True]),
    ],
)
def test_a_peak_is_inside_its_box(box, expected):
    assert peaks_inside(MAPS, [box, box], (20, 60)).tolist() == expected


def test_no_maps_have_no_peaks():
    assert peaks_inside(np.zeros((0, 2, 2)), np.zeros((0, 4)), (2, 2)).shape == (0,)


def test_boxes_must_be_as_many_as_maps():
    with pytest.raises(ValueError, match="boxes: expected one box per map"):
        peaks_inside(MAPS, [(0, 0, 1, 1)], (2, 2))


# Tags, and what `get_entities` of seqeval returns for them; the first is in its
# documentation.
ENTITIES = {
    "of the documentation": ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
    "inside without a beginning": ("I-NP I-NP O", [("NP", 0, 1)]),
    "another kind inside": ("B-A I-B I-B O", [("A", 0, 0), ("B", 1, 2)]),
    "two neighbours": ("B-A B-A I-A", [("A", 0, 0), ("A", 1, 2)]),
    "after a gap": ("B-A O I-A", [("A", 0, 0), ("A", 2, 2)]),
    "a kind with hyphens": ("B-geo-loc I-geo-loc", [("geo-loc", 0, 1)]),
    "ends": ("B-A E-A E-A S-A I-A", [("A", 0, 1), ("A", 2, 2), ("A", 3, 3), ("A", 4, 4)]),
    "nothing": ("O O", []),
}


@pytest.mark.parametrize(("tags", "expected"), ENTITIES.values(), ids=ENTITIES)
def test_entities_are_those_of_seqeval(tags, expected):
    assert entities(tags.split()) == expected


def test_entity_scores_are_those_of_seqeval():
    right = [["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    found = [["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"], ["B-PER", "I-PER", "O"]]
    assert entity_scores(found, right) == (0.5, 0.5, 0.5, 2)
    # An entity that spans two sequences is two.
    assert entity_scores([["I-A"], ["I-A"]], [["I-A"], ["I-A"]]) == (1, 1, 1, 2)
    precision, recall, f1, support = entity_scores([["B-A", "B-A"]], [["O", "B-A"]])
    assert (precision, recall, support) == (0.5, 1, 1) and f1 == pytest.approx(2 / 3)
    assert entity_scores([["O"]], [["O"]]) == (0, 0, 0, 0)
    assert entity_scores([], []).f1 == 0


def test_tags_of_another_form_are_refused():
    with pytest.raises(ValueError, match=r"tags: expected O, or B- or I- .* received 'Street'"):
        entities(["Street"])
    with pytest.raises(ValueError, match=r"references: expected sequences of the lengths"):
        entity_scores([["O"]], [["O", "O"]])
