"""One chunk: every line, in order, whatever is in it."""

import pytest

from keras_attention.export.batch.translating import translate_lines
from tests.support.mirror import POISON, said

GOOD = ["the black cat", "a", "Émile aime 日本", "x " * 40, "", "   ", "tab\there", "end"]


def translate(texts):
    if any(POISON in text for text in texts):
        raise ValueError("this word\nis poison")
    return [(said(text), -float(len(text.split()))) for text in texts]


def test_a_chunk_keeps_its_order_and_sets_bad_lines_aside():
    lines = [text.encode() for text in GOOD]
    lines[2:2] = [b"caf\xe9 x", b"one boom two", b"y" * 101]
    seen = []

    def noting(texts):
        seen.append(list(texts))
        return translate(texts)

    records = translate_lines(lines, 7, noting, batch_size=3, longest=100)
    assert [record["line"] for record in records] == list(range(7, 7 + len(lines)))
    for line, record in zip(lines, records):
        if "error" not in record:
            assert record["translation"] == said(line.decode())
            assert record["score"] == -len(line.split())
    assert {record["line"]: record["error"] for record in records if "error" in record} == {
        9: "not UTF-8 at byte 4",
        10: "the model fails: this word is poison",
        11: "too long: 101 characters, allowed are 100",
    }
    assert records[2]["text"] == r"caf\xe9 x" and records[3]["text"] == "one boom two"
    # Similar lengths together, at most three, and none that is blank.
    assert max(map(len, seen)) == 3 and all(text.strip() for texts in seen for text in texts)
    assert seen[0] == ["a", "end", "tab\there"]


def test_a_reason_is_the_same_in_every_process():
    def fails(texts):
        if "poison" in texts:
            raise RuntimeError("poison [[{{node a}}]] [Op:__inference_signature_wrapper_388]")
        return translate(texts)

    _, record = translate_lines([b"a", b"poison"], 1, fails, 2, 10)
    assert record["error"] == "the model fails: poison [[{{node a}}]]"


def test_a_byte_order_mark_is_no_letter():
    (record,) = translate_lines([b"\xef\xbb\xbfa b"], 1, translate, 1, 10)
    assert record["translation"] == "B A"


def test_a_score_that_is_no_number_is_set_aside():
    records = translate_lines(
        [b"a", b"b"], 1, lambda texts: [(t, float("nan") if t == "b" else 0.0) for t in texts], 2, 9
    )
    assert records[0]["translation"] == "a" and "not a number" in records[1]["error"]


def test_a_model_that_always_fails_is_not_the_fault_of_the_lines():
    with pytest.raises(RuntimeError, match="fails on all 8 lines from line 5 on: this word is"):
        translate_lines([b"boom"] * 8, 5, translate, 4, 100)
    records = translate_lines([b"boom"] * 8 + [b"a"], 5, translate, 4, 100)
    assert sum("error" in record for record in records) == 8
    with pytest.raises(RuntimeError, match="1 lines were sent, 0 answers came"):
        translate_lines([b"a"] * 8, 1, lambda texts: translate(texts)[1:], 2, 100)
