"""The models whose pages are tested, and what they answer in Python."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_attention.datasets import pad
from keras_attention.datasets.images import read_image
from keras_attention.export import export_model
from keras_attention.export.interface import interface_of
from keras_attention.export.random_inputs import random_files
from keras_attention.generation import BeamSearch, Greedy
from keras_attention.models import EncoderDecoder
from keras_attention.text import Subwords, Vocabulary
from tests.support.exporting import IMAGE_SIZE, MAP_SHAPE, captioner

MAX_LENGTH = 24
COUNT = 200
# A model, and what computes its answers.
Made = tuple[Any, Callable[[], dict[str, Any]]]
WORDS = Path(__file__).with_name("words.txt").read_text("utf-8").split()


def write_all(folder: Path, runtime: Path) -> None:
    """Every export below `folder/models`, its answers beside that as JSON."""
    (folder / "models").mkdir(exist_ok=True)
    for name, make in MODELS.items():
        model, answers = make(folder)
        export(model, folder, name, runtime)
        (folder / f"{name}.json").write_text(json.dumps(answers()), "utf-8")


def spelling(folder: Path) -> Made:
    """The preset, on words; from a chosen token too."""
    model = EncoderDecoder.from_preset("g2p_en")
    return model, lambda: {
        "answers": text_answers(model, words()),
        "forced": forced_answers(model),
        "longest": model.source_vocabulary.longest,
    }


def pieces(folder: Path) -> Made:
    """An untrained model of pieces of words, on sentences."""
    model = small_translator()
    return model, lambda: {"answers": text_answers(model, sentences()[:40])}


def captions(folder: Path) -> Made:
    """An untrained captioner, on files of images."""
    model = captioner()
    return model, lambda: {"answers": image_answers(model, folder), "size": IMAGE_SIZE}


MODELS = {"g2p": spelling, "pieces": pieces, "captions": captions}


def words() -> list[str]:
    """The words above, and more that are made of their letters."""
    rng = random.Random(0)
    letters = "".join(WORDS)
    texts = [*WORDS, "  two words ", "a" * 40]
    while len(texts) < COUNT:
        texts.append("".join(rng.choice(letters) for _ in range(rng.randint(1, 14))))
    return texts[:COUNT]


def sentences() -> list[str]:
    """Words in rows, with spaces and punctuation that a vocabulary of pieces normalizes."""
    rng = random.Random(1)
    marks = [" ", "  ", ", ", "\u00a0", "\u3000", "! ", "…", " (", ") ", "ﬁ ", " ½ ", "\u0301 "]
    rows = []
    for _ in range(200):
        parts = [
            part
            for _ in range(rng.randint(1, 5))
            for part in (rng.choice(WORDS), rng.choice(marks))
        ]
        rows.append("".join(parts))
    return rows


def small_translator() -> EncoderDecoder:
    """An untrained model from pieces of words to words."""
    keras.utils.set_random_seed(7)
    pieces = Subwords.from_texts(sentences()[60:], size=300, longest=24)
    target = Vocabulary(["<b>un</b>", "&amp;", "deux", "trois", "été", "—"], separator=" ")
    model = EncoderDecoder(pieces, target, units=8, embedding_dim=6)
    for variable in model.trainable_variables:
        variable.assign(2.0 * variable)
    return model


def export(model: Any, folder: Path, name: str, runtime: Path) -> None:
    export_model(
        model,
        folder / "models" / name,
        format="web",
        search=BeamSearch(max_length=MAX_LENGTH),
        overwrite=True,
        runtime=runtime,
    )


def answers_to(
    model: Any, inputs: Any, columns: list[int], prefix: list[int] | None = None
) -> list[dict[str, Any]]:
    """The greedy answer to each source, and the hypotheses of the beam search.

    columns: how many columns of the attention belong to each source.
    """
    given = None if prefix is None else np.array([prefix] * len(inputs), "int32")
    greedy, beam = (
        [np.array(part) for part in search(model, inputs, prefix=given)]
        for search in (Greedy(max_length=MAX_LENGTH), BeamSearch(max_length=MAX_LENGTH))
    )
    decode = interface_of(model).writing_vocabulary().decode
    return [
        {
            "greedy": hypotheses_of(greedy, i, columns[i], decode)[0],
            "beam": hypotheses_of(beam, i, columns[i], decode),
        }
        for i in range(len(inputs))
    ]


def hypotheses_of(
    found: list[Any], example: int, columns: int, decode: Callable[[Any], str]
) -> list[dict[str, Any]]:
    sequences, _, lengths, attention = (part[example] for part in found)
    return [
        {
            "ids": ids[:length].tolist(),
            "text": decode(ids[:length]),
            "attention": weights[:length, :columns].tolist(),
        }
        for ids, length, weights in zip(sequences, lengths, attention)
        if length
    ]


def text_answers(
    model: EncoderDecoder, texts: list[str], prefix: list[int] | None = None
) -> list[dict[str, Any]]:
    rows = [model.source_vocabulary.encode(text) for text in texts]
    answers = answers_to(model, pad(rows), [len(row) for row in rows], prefix)
    return [{"text": text, **answer} for text, answer in zip(texts, answers)]


def forced_answers(model: EncoderDecoder) -> list[dict[str, Any]]:
    """Answers that begin with the greedy one, and then with another token of the menu."""
    cases = []
    for text, position, rank in [("knight", 0, 1), ("queue", 1, 2), ("colonel", 2, 7)]:
        (usual,) = text_answers(model, [text])
        ids = usual["greedy"]["ids"][:position]
        state = model.start(pad([model.source_vocabulary.encode(text)]))
        for token in [model.special_ids.start, *ids]:
            logits, state, _ = model.step(np.array([token], "int32"), state)
        values = np.array(logits)[0]
        values[list(model.special_ids.never_generated)] = -np.inf
        prefix = [*ids, int(np.argsort(-values, kind="stable")[rank])]
        cases += [
            {"rank": rank, "prefix": prefix, **answer}
            for answer in text_answers(model, [text], prefix)
        ]
    return cases


def image_answers(model: Any, folder: Path) -> list[dict[str, Any]]:
    """Answers to image files, which are written below `folder/images`."""
    (folder / "images").mkdir(exist_ok=True)
    files = [file for batch in random_files(IMAGE_SIZE) for file in batch]
    paths = []
    for i, file in enumerate(files):
        suffix = "png" if file[:4] == b"\x89PNG" else "jpg"
        paths.append(folder / "images" / f"{i}.{suffix}")
        paths[-1].write_bytes(file)
    pixels = np.stack([read_image(path, IMAGE_SIZE) for path in paths]).astype("float32")
    positions = MAP_SHAPE[0] * MAP_SHAPE[1]
    answers = answers_to(model, pixels, [positions] * len(paths))
    names = [str(path.relative_to(folder)) for path in paths]
    return [
        {"image": name, "pixels": given.ravel().tolist(), **answer}
        for name, given, answer in zip(names, pixels, answers)
    ]
