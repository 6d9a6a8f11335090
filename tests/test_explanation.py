"""The classifier of the documentation puts its weight on the words that decide."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "mechanism" / "explanation.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
(CODE,) = (code for code in EXAMPLES if "sentiment" in code)
NEUTRAL = re.findall(
    r"\w+",
    "i saw a film with my friend on monday and it was about the sea the story of an old man who "
    "lived in a house by the lake we sat there for two hours then went home",
)
SENTIMENT = {
    1: ["wonderful", "great", "brilliant", "lovely", "excellent"],
    0: ["dreadful", "awful", "boring", "terrible", "poor"],
}
WORDS = [*sorted(set(NEUTRAL)), *SENTIMENT[1], *SENTIMENT[0]]
IDS = {word: number for number, word in enumerate(WORDS, 1)}
DECISIVE = [IDS[word] for words in SENTIMENT.values() for word in words]
LONGEST = 16


def reviews(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Neutral words, among which one or two, anywhere, are all good or all bad."""
    rng = np.random.default_rng(seed)
    ids, labels = np.zeros((count, LONGEST), "int32"), rng.integers(2, size=count)
    for row, label in zip(ids, labels):
        length = rng.integers(6, LONGEST + 1)
        text = rng.choice(NEUTRAL, length).astype(object)
        places = rng.choice(length, rng.integers(1, 3), replace=False)
        text[places] = rng.choice(SENTIMENT[int(label)], len(places))
        row[:length] = [IDS[word] for word in text]
    return ids, labels


def trained(code: str) -> tuple[float, float]:
    """The accuracy on held-out reviews, and the share of the weight on decisive words."""
    keras.utils.set_random_seed(0)
    names: dict[str, keras.Model] = {}
    exec(code, names)
    names["model"].fit(*reviews(2000, seed=0), batch_size=32, epochs=5, verbose=0)
    ids, labels = reviews(300, seed=1)
    found = names["model"].predict(ids, verbose=0)[:, 0] > 0.5
    weights = names["weights_of"].predict(ids, verbose=0)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    assert not weights[ids == 0].any()
    return float(np.mean(found == labels)), float((weights * np.isin(ids, DECISIVE)).sum(1).mean())


def test_the_weight_is_on_the_words_that_decide() -> None:
    accuracy, share = trained(CODE)
    assert accuracy > 0.98
    assert share > 0.9


@pytest.mark.slow
def test_with_states_as_values_it_need_not_be() -> None:
    """The reason for the example's keys and values: as accurate, and pointing anywhere."""
    former = CODE.replace("attention(question, embedded, states,", "attention(question, states,")
    assert former != CODE
    accuracy, share = trained(former)
    assert accuracy > 0.98
    # Equal weights would have 0.15 there.
    assert share == pytest.approx(0.2, abs=0.1)
