"""Measures translations that must include a word of the reference, against free ones.

    make translate
    python benchmarks/must_include.py build/translate/model.keras [--sentences 200]

A word of the reference must be in each translation (Post and Vilar 2018, Table 1): the one that
is rarest in the training data, as a translator's glossary would ask, or any one, drawn at random.
Both searches have ten beams, and write at most one and a half times as many tokens as the source
has: without that bound a weak model repeats a token after a word that it did not expect, up to
`max_length`. Prints BLEU and chrF, and in how many translations the rarest words are; writes
benchmarks/results/must_include.json.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from dataclasses import replace
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
    rarest = [[min(words(pair.target), key=lambda word: count[word])] for pair in pairs]
    draw = random.Random(0)
    drawn = [[draw.choice(words(pair.target))] for pair in pairs]
    search = replace(Translation.search, num_beams=10, max_length_ratio=1.5)
    report: dict[str, object] = {
        "command": f"python benchmarks/must_include.py {options.model}",
        "sentences": len(pairs),
        "search": search.get_config(),
    }
    for name, wanted in (("free", None), ("rarest_word", rarest), ("random_word", drawn)):
        begin = time.monotonic()
        found = model.generate([pair.source for pair in pairs], search, must_include=wanted)
        seconds = time.monotonic() - begin
        texts, references = [one.text for one in found], [[pair.target for pair in pairs]]
        report[name] = {
            "bleu": round(sacrebleu.corpus_bleu(texts, references).score, 2),
            "chrf": round(sacrebleu.corpus_chrf(texts, references).score, 2),
            "wanted_words": sum(w in text for (w,), text in zip(wanted or rarest, texts)),
            "seconds_per_sentence": round(seconds / len(pairs), 3),
        }
    write_json(RESULTS, report)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
