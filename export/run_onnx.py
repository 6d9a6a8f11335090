"""Runs an exported ONNX model on texts or images, and draws its attention.

    python export/run_onnx.py build/demo/onnx attention
    python export/run_onnx.py build/caption/onnx photo.jpg --overlay pictures
    python export/run_onnx.py build/demo/onnx --about

Needs numpy and onnxruntime, for a model with subwords the package tokenizers
too, for images Pillow, and nothing else: it is also the example of how to use
beam.onnx, greedy.onnx and the vocabularies from your own program.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

# The drawings are those of the clients of a server; they need nothing of it.
sys.path.append(str(Path(__file__).resolve().parent / "serving"))

from alignment import draw
from printable import one_line, printable

# The number of tokens that are read, of an artifact that does not say.
LONGEST = 512


class Plain:
    """A vocabulary of characters or words, from vocabulary.json alone."""

    def __init__(self, about, special):
        if not isinstance(about["lowercase"], bool):
            raise ValueError(
                f"lowercase: expected true or false in vocabulary.json, received "
                f"{about['lowercase']!r}."
            )
        self.about, self.unknown = about, special["unknown"]
        special = set(special.values())
        self.id_of = {t: i for i, t in enumerate(about["tokens"]) if i not in special}

    def read(self, text):
        """The tokens of a text, and their ids."""
        if self.about["lowercase"]:
            text = text.lower()
        tokens = text.split() if self.about["separator"] else list(text.strip())
        tokens = tokens[: self.about.get("longest", LONGEST)]
        return tokens, [self.id_of.get(token, self.unknown) for token in tokens]

    def write(self, ids):
        """The text of ids."""
        return self.about["separator"].join(self.about["tokens"][i] for i in ids)


class Subwords:
    """A vocabulary of pieces of words, which the package tokenizers reads."""

    def __init__(self, path):
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(path))

    def read(self, text):
        """The tokens of a text, and their ids."""
        found = self.tokenizer.encode(text, add_special_tokens=False)
        return found.tokens, found.ids

    def write(self, ids):
        """The text of ids."""
        return self.tokenizer.decode(ids)


def vocabulary(folder, side, about):
    """How one side of a model turns text into ids and back."""
    if about[side] is None:
        raise ValueError(f"{folder} was exported from a model without vocabularies: it takes ids.")
    file = folder / f"{side}_tokenizer.json"
    if about[side].get("kind") in ("subwords", "tokenizers"):
        return Subwords(file)
    if not file.exists():
        raise ValueError(
            f"{folder} was exported with a vocabulary of another library, "
            f"{about[side]['kind']!r}: it takes ids."
        )
    return Plain(about[side], about["source_special_ids" if side == "source" else "special_ids"])


def pad(rows, padding):
    """Rows of ids as one int32 matrix, with at least one column."""
    ids = np.full((len(rows), max(1, *map(len, rows))), padding, "int32")
    for row, given in zip(ids, rows):
        row[: len(given)] = given
    return ids


def pixels(path, size):
    """An image file as the model reads it: stretched to `(H, W)`, float32 from 0 to 255."""
    import overlay
    from PIL import Image

    height, width = size
    return np.asarray(overlay.read(path).resize((width, height), Image.BILINEAR), "float32")


class Hypothesis(NamedTuple):
    """A hypothesis: its text and tokens, its score, and its attention.

    The attention is `(targets, sources)`, or `(targets, h, w)` over an image.
    """

    text: str
    tokens: list
    score: float
    attention: np.ndarray


class Answer(NamedTuple):
    """The source tokens of one input (None for an image) and its hypotheses, best first."""

    source: Any
    hypotheses: list


def session_of(folder, graph):
    """A graph of an export, ready to run."""
    path = str(folder / f"{graph}.onnx")
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def decode(folder, given, graph="beam"):
    """Runs beam.onnx, or greedy.onnx, on all texts or image files at once.

    Args:
        folder: the export.
        given: texts, or paths of images where the model reads images.
        graph: `"beam"` or `"greedy"`.

    Returns:
        A list of `Answer`, one per text or image.

    Raises:
        ValueError: where what is given is not what the model reads.
    """
    folder, given = Path(folder), list(given)
    if not given:
        return []
    about = json.loads((folder / "vocabulary.json").read_text("utf-8"))
    special = about["special_ids"]
    target = vocabulary(folder, "target", about)
    if "image" in about:
        sources = [None] * len(given)
        inputs = {"image": np.stack([pixels(path, about["image"]["size"]) for path in given])}
    else:
        source = vocabulary(folder, "source", about)
        sources, ids = zip(*map(source.read, given))
        inputs = {"tokens": pad(ids, about["source_special_ids"]["padding"])}

    session = session_of(folder, graph)
    names = ["sequences", "scores", "lengths", "attention"]
    found = session.run(names, inputs)
    if graph == "greedy":
        found = [output[:, None] for output in found]
    hidden = (special["padding"], special["start"], special["end"])
    answers = []
    for read, *row in zip(sources, *found):
        hypotheses = []
        for sequence, score, length, attention in zip(*row):
            kept = [t for t, i in enumerate(sequence) if i not in hidden]
            ids = [int(sequence[t]) for t in kept]
            written = [about["target"]["tokens"][i] for i in ids]
            # A beam search may find fewer hypotheses than it has beams.
            if length > 0:
                hypotheses.append(Hypothesis(target.write(ids), written, score, attention[kept]))
        answers.append(Answer(read, hypotheses))
    return answers


def show(given, source, found, pictures):
    """Prints one answer, with its alignment, or with its picture in a folder."""
    print(f"{printable(given)}  ->  {printable(found.text)}   (score {found.score:.2f})")
    if source is not None:
        for line in draw(found.attention, source, found.tokens):
            print(f"  {line}")
    elif pictures is not None:
        import overlay

        pictures.mkdir(exist_ok=True)
        path = pictures / f"{Path(given).name}.png"
        overlay.save(overlay.draw(overlay.read(given), found.tokens, found.attention), path)
        print(f"  {printable(str(path))}")


def show_about(folder, graph):
    """Prints what a graph says of itself, and its tensors."""
    session = session_of(folder, graph)
    about = session.get_modelmeta()
    facts = {"file": f"{graph}.onnx", "producer": about.producer_name}
    facts |= {"description": about.description, **about.custom_metadata_map}
    for side, tensors in (("input", session.get_inputs()), ("output", session.get_outputs())):
        facts |= {f"{side} {one.name}": f"{one.type} {one.shape}" for one in tensors}
    for name, value in facts.items():
        print(f"{printable(name)}: {printable(value)}")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what to_onnx.py wrote")
    parser.add_argument(
        "given",
        nargs="*",
        metavar="INPUT",
        help="a word, or a quoted sentence; of a model that reads images, a JPEG or PNG file",
    )
    parser.add_argument(
        "--graph", choices=("beam", "greedy"), default="beam", help="how to search (%(default)s)"
    )
    parser.add_argument(
        "--n-best", type=int, default=1, metavar="N", help="how many answers to print (1)"
    )
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="FOLDER",
        help="draw the best caption of each image into FOLDER/INPUT.png",
    )
    parser.add_argument(
        "--about", action="store_true", help="print what the graph says of itself, and stop"
    )
    args = parser.parse_args(arguments)
    if not args.given and not args.about:
        parser.error("the following arguments are required: INPUT")
    # A terminal that cannot show a character shows a question mark instead.
    sys.stdout.reconfigure(errors="replace")
    try:
        for name in (f"{args.graph}.onnx", "vocabulary.json"):
            if not (args.folder / name).is_file():
                raise FileNotFoundError(f"{args.folder} holds no {name}: expected an ONNX export.")
        if args.about:
            show_about(args.folder, args.graph)
            return
        answers = decode(args.folder, args.given, args.graph)
        for given, (source, hypotheses) in zip(args.given, answers):
            for place, found in enumerate(hypotheses[: max(1, args.n_best)]):
                show(given, source, found, None if place else args.overlay)
    except Exception as error:
        print(f"run_onnx.py: error: {one_line(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
