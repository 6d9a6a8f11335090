"""Our layers compute what tfa computed, given its weights; `make compare-tfa` runs tfa anew."""

from pathlib import Path

import numpy as np
import pytest

from keras_attention.text import END
from keras_attention.tfa import SequenceLoss, sequence_loss
from tests.support import tfa_cases

FIXTURE = Path(__file__).parents[1] / "fixtures" / "tfa.npz"
FACTS, CASES = tfa_cases.read(FIXTURE)
BY_NAME = {case.name: case for case in CASES}


@pytest.mark.parametrize("name", BY_NAME)
def test_we_compute_what_tfa_computed(name):
    found = BY_NAME[name].differences()
    assert {d.what: d.largest for d in found if not d.largest <= tfa_cases.ROUNDING} == {}
    assert found


def test_every_case_of_tfa_is_there():
    mechanisms = {
        (case.facts["class"], *sorted(case.facts["arguments"].items()))
        for case in CASES
        if case.facts["kind"] == "mechanism"
    }
    for kind, option in (("Luong", "scale"), ("Bahdanau", "normalize")):
        for on in (False, True):
            assert (f"{kind}Attention", (option, on)) in mechanisms
            for mode in ("recursive", "parallel", "hard"):
                assert (f"{kind}MonotonicAttention", ("mode", mode), (option, on)) in mechanisms
    wrappers = {
        (f["cell"], f["attention_layer_size"] is None, f["output_attention"])
        for f in (case.facts for case in CASES)
        if f["kind"] == "wrapper"
    }
    cells, flags = ("lstm", "gru"), (True, False)
    assert {(c, n, o) for c in cells for n in flags for o in flags} <= wrappers
    samplers = {case.facts["sampling"] for case in CASES if case.facts["kind"] == "training"}
    scheduled = {f"Scheduled{what}TrainingSampler" for what in ("Embedding", "Output")}
    assert samplers == {None, *scheduled}
    assert sum(case.facts["kind"] == "greedy" for case in CASES) == 2
    beams = [case for case in CASES if case.facts["kind"] == "beam"]
    assert [case.facts["cell"] for case in beams] == ["lstm", "gru"]
    for case in beams:
        runs = case.facts["runs"]
        assert len({run["beam_width"] for run in runs}) >= 4
        penalties = {
            (run["length_penalty_weight"] > 0, run["coverage_penalty_weight"] > 0) for run in runs
        }
        assert len(penalties) == 4
    assert FACTS["versions"] == {"tensorflow": "2.15.1", "tensorflow_addons": "0.23.0"}


def test_what_was_recorded_says_something():
    for case in CASES:
        outputs = case.below("outputs")
        assert outputs
        # What more beams than tokens hold at first; see the test of beams below.
        kept = {k: v for k, v in outputs.items() if not k.endswith("/step_scores")}
        assert all(np.isfinite(array).all() for array in kept.values())
        if case.facts["kind"] == "mechanism":
            alignments = outputs["alignments"]
            assert np.ptp(alignments, axis=1).max() > 0.05, "attention never moves"
            assert not alignments[~np.broadcast_to(case.mask()[:, None], alignments.shape)].any()
            biases = [a for name, a in case.below("weights").items() if "score_bias" in name]
            assert len(biases) == ("Monotonic" in case.name)
            assert all(bias != 0 for bias in biases)
    assert FIXTURE.stat().st_size < 70 * 1024


def test_the_recorded_beams_end_and_do_not_end_and_change_places():
    found = {"ended": 0, "cut": 0, "changed after the end": 0, "not there at first": 0}
    for case in CASES:
        for number, run in enumerate(case.facts.get("runs", ())):
            outputs = case.below(f"outputs/{number}")
            found["ended"] += np.sum(outputs["finished"] == 1)
            found["cut"] += np.sum(outputs["finished"] == 0)
            ids = np.swapaxes(outputs["predicted_ids"], 1, 2)
            to_the_end = np.sum(np.cumsum(ids == END, axis=2) == 0, axis=2) + outputs["finished"]
            found["changed after the end"] += np.sum(to_the_end != outputs["lengths"])
            scores = outputs["step_scores"]
            assert not np.isnan(scores).any()
            absent = np.isneginf(scores)
            assert not absent[:, :, : min(run["beam_width"], 11)].any()
            found["not there at first"] += np.sum(absent)
    assert all(found.values()), found


def test_a_weight_that_is_a_little_off_would_show():
    for kind in ("mechanism", "wrapper", "beam"):
        case = next(case for case in CASES if case.facts["kind"] == kind)
        name = next(n for n in case.arrays if "memory_layer/kernel" in n)
        arrays = {**case.arrays, name: case[name] + np.float32(1e-3)}
        off = tfa_cases.Case(case.name, case.facts, arrays)
        assert max(d.largest for d in off.differences()) > 10 * tfa_cases.ROUNDING


def test_what_tfa_refuses_to_reduce_is_refused():
    case = BY_NAME["sequence_loss"]
    logits, targets, weights = (case["inputs/" + k] for k in ("logits", "targets", "weights"))
    assert len(case.facts["legal"]) == 7
    assert len(case.facts["refused"]) == 9
    for chosen in case.facts["refused"]:
        with pytest.raises(ValueError, match=r"average_across_\* and sum_over_\*"):
            sequence_loss(logits, targets, weights, **chosen)
        with pytest.raises(ValueError, match=r"average_across_\* and sum_over_\*"):
            SequenceLoss(**chosen)


def test_the_comparison_fails_where_an_archive_differs(capsys):
    case = BY_NAME["sequence_loss"]
    other = tfa_cases.Case(
        case.name, case.facts, {**case.arrays, "outputs/0": case["outputs/0"] + 1}
    )
    assert tfa_cases.largest_between([case], [case]) == 0
    assert tfa_cases.largest_between([case], [other]) > 0.01
    assert tfa_cases.largest_between([case], []) == float("inf")
    assert [d.largest > tfa_cases.ROUNDING for d in other.differences()] == [True] + 7 * [False]
