"""Measures alignments of spelling models against letters that were linked to phonemes by hand.

    python benchmarks/spelling_links.py [MODEL.keras ...]

The models read 200 test words of cmudict and are led along the pronunciation, and each phoneme is
linked to the letter with the largest weight. Prints the alignment error rate, precision and recall
for the preset g2p_en and for the models of the given files, and of the diagonal. Writes
benchmarks/results/spelling_links.json.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import keras_attention  # noqa: F401 (registers the classes of the files)
from keras_attention._core.loading import load_model
from keras_attention.datasets import load_cmudict, pad
from keras_attention.explain import AlignmentErrors, alignment_error_rate, links_of_weights
from keras_attention.generation import score
from keras_attention.models import EncoderDecoder
from keras_attention.recipes.training_run import write_json

HERE = Path(__file__).parent
LINKS = HERE / "data" / "spelling_links.txt"
RESULTS = HERE / "results" / "spelling_links.json"
COUNT = 200


class Linked(NamedTuple):
    """A word, its phonemes, and links (letter, phoneme) that are sure and that are possible."""

    word: str
    phonemes: tuple[str, ...]
    sure: frozenset[tuple[int, int]]
    possible: frozenset[tuple[int, int]]


def parse(line: str) -> Linked:
    """One line of the file."""
    word, phonemes = "", []
    sure, possible = set(), set()
    for part in line.split():
        letters, _, sounds = part.partition("=")
        heard = [sound for sound in sounds.split("+") if sound]
        links = {
            (len(word) + i, len(phonemes) + t)
            for i in range(len(letters))
            for t in range(len(heard))
        }
        (sure if len(letters) == 1 else possible).update(links)
        word += letters
        phonemes += heard
    return Linked(word, tuple(phonemes), frozenset(sure), frozenset(possible))


def load_links() -> list[Linked]:
    """The words of the file."""
    lines = LINKS.read_text("utf-8").splitlines()
    return [parse(line) for line in lines if not line.startswith("#")]


def chosen() -> list[tuple[str, tuple[str, ...]]]:
    """The words that the file must have, by the hash of the word, and their pronunciations."""
    words = [entry for entry in load_cmudict()["test"] if entry.word.isalpha()]
    words.sort(key=lambda entry: hashlib.sha256(entry.word.encode()).hexdigest())
    return [(entry.word, tuple(entry.pronunciations[0])) for entry in words[:COUNT]]


def errors_of(found: list[frozenset[tuple[int, int]]], words: list[Linked]) -> AlignmentErrors:
    """The errors of the links of each word."""
    return alignment_error_rate(
        found, [word.sure for word in words], [word.possible for word in words]
    )


def links_of_model(model: keras.Model, words: list[Linked]) -> list[frozenset[tuple[int, int]]]:
    """Along the pronunciations, the letter with the largest weight for each phoneme."""
    letters, phonemes = model.source_vocabulary, model.target_vocabulary
    source = pad([letters.encode(word.word) for word in words])
    target = pad([phonemes.encode(" ".join(word.phonemes)) for word in words])
    weights = np.asarray(score(model, source, target).attention)
    return [
        links_of_weights(row[: len(word.phonemes), : len(word.word)])
        for row, word in zip(weights, words)
    ]


def diagonal(word: Linked) -> frozenset[tuple[int, int]]:
    """Every phoneme with the letter at the same share of the length."""
    steps = len(word.phonemes)
    return frozenset((int((t + 0.5) / steps * len(word.word)), t) for t in range(steps))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", help="files of spelling models")
    options = parser.parse_args()
    words = load_links()
    found = {"diagonal": [diagonal(word) for word in words]}
    found["preset g2p_en"] = links_of_model(EncoderDecoder.from_preset("g2p_en"), words)
    for path in options.models:
        found[path] = links_of_model(load_model(path, compile=False), words)
    report = {}
    for name, links in found.items():
        errors = errors_of(links, words)
        report[name] = {part: round(value, 4) for part, value in errors._asdict().items()}
        print(
            f"{name:40} alignment errors {100 * errors.error_rate:5.1f} %   "
            f"precision {100 * errors.precision:5.1f} %   recall {100 * errors.recall:5.1f} %"
        )
    command = " ".join(["python benchmarks/spelling_links.py", *options.models])
    write_json(RESULTS, {"command": command, "words": len(words), "alignments": report})


if __name__ == "__main__":
    main()
