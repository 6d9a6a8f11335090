"""Measures translations that must include a word of the reference, against free ones.

    make translate
    python benchmarks/must_include.py build/translate/model.keras [--sentences 200]

For every sentence of the test set the word of the reference that is rarest in the training data
must be in the translation, as a translator's glossary would ask (Post and Vilar 2018, Table 1).
Prints BLEU of both, and how many of the words are there; writes
benchmarks/results/must_include.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import sacrebleu

import keras_attention  # noqa: F401 (registers the classes of the file)
from keras_attention._core.loading import load_model
from keras_attention.datasets import load_bible
from keras_attention.recipes.training_run import write_json
from keras_attention.recipes.translation import Translation

RESULTS = Path(__file__).parent / "results" / "must_include.json"


def words(text: str) -> list[str]:
    """The words of a text without the punctuation around them."""
    return [word for word in (part.strip(".,;:!?«»()'\"-") for part in text.split()) if word]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model that make translate trained")
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--languages", nargs=2, default=["en", "fr"])
    options = parser.parse_args()
    model = load_model(options.model, compile=False)
    data = load_bible(*options.languages)
    count = Counter(word for pair in data["train"] for word in words(pair.target))
    pairs = data["test"][:: max(1, len(data["test"]) // options.sentences)][: options.sentences]
    wanted = [[min(words(pair.target), key=lambda word: count[word])] for pair in pairs]
    report: dict[str, object] = {"sentences": len(pairs), "num_beams": Translation.search.num_beams}
    for name, must_include in (("free", None), ("with_a_word", wanted)):
        begin = time.monotonic()
        found = model.generate(
            [pair.source for pair in pairs], Translation.search, must_include=must_include
        )
        texts = [one.text for one in found]
        bleu = sacrebleu.corpus_bleu(texts, [[pair.target for pair in pairs]])
        report |= {
            f"bleu_{name}": round(bleu.score, 2),
            f"words_there_{name}": sum(w in text for (w,), text in zip(wanted, texts)),
            f"seconds_per_sentence_{name}": round((time.monotonic() - begin) / len(pairs), 3),
        }
    write_json(RESULTS, report)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
