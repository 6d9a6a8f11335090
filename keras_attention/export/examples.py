"""Examples: what the live model answered, kept in the artifact to check it by."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_attention.checks import check_ids
from keras_attention.export.errors import ExportError
from keras_attention.export.replay import plain
from keras_attention.export.signatures import SERVED
from keras_attention.text import END, START, UNKNOWN, Vocabulary

# The signatures that decode: tokens in, sequences out.
DECODING = ("greedy", "beam", SERVED)
# One row and several, one column and many, with and without padding.
SHAPES = ((1,), (5,), (7, 3, 1), (12, 4, 9, 2))


class Case(NamedTuple):
    """One request and its answer.

    Attributes:
        inputs: a dictionary of arrays.
        outputs: a dictionary of arrays.
        sizes: the sizes that have a name: `batch`, `source`, `target`.

    Example:

    >>> from keras_attention.export.examples import Case
    >>> Case({}, {}, {"batch": 1}).sizes["batch"]
    1
    """

    inputs: dict
    outputs: dict
    sizes: dict


def draw_ids(model, examples=None, seed=0):
    """Source ids to record a model's answers to.

    Args:
        model: its `source_vocabulary`, or the size of it, says which ids exist.
        examples: matrices of ids, used instead where given.
        seed: of the draw.

    Returns:
        A list of int32 arrays `(B, S)`, padded with 0.

    Raises:
        ValueError: where the examples are no ids, or are needed and missing.

    Example:

    >>> from keras_attention.export.examples import draw_ids
    >>> from keras_attention.models import EncoderDecoder
    >>> [ids.shape for ids in draw_ids(EncoderDecoder(30, 40, units=16))]
    [(1, 1), (1, 5), (3, 7), (4, 12)]
    """
    if examples is not None:
        examples = [np.asarray(ids) for ids in _some(examples)]
        for ids in examples:
            check_ids("examples", ids)
        return [ids.astype("int32") for ids in examples]
    vocabulary = getattr(model, "source_vocabulary", None)
    size = len(vocabulary) if isinstance(vocabulary, Vocabulary) else vocabulary
    if not isinstance(size, int):
        raise ValueError(
            "examples: expected matrices of source ids to verify the artifact with, because this "
            "model has no source_vocabulary that says which ids exist; received None."
        )
    rng = np.random.default_rng(seed)
    return [_draw(rng, lengths, size) for lengths in SHAPES]


def draw_texts(model, examples=None, seed=0):
    """Source texts to record a model's answers to: drawn, empty, unknown and uppercase.

    Args:
        model: with a `Vocabulary` as `source_vocabulary`.
        examples: lists of strings, used instead where given.
        seed: of the draw.

    Returns:
        A list of string arrays `(B,)`.

    Raises:
        ValueError: where the examples are no lists of strings.

    Example:

    >>> from keras_attention.export.examples import draw_texts
    >>> from keras_attention.models import EncoderDecoder
    >>> from keras_attention.text import Vocabulary
    >>> model = EncoderDecoder(Vocabulary("ab"), Vocabulary("AB"), units=16)
    >>> [len(texts) for texts in draw_texts(model)]
    [1, 1, 3, 6]
    """
    if examples is not None:
        for texts in _some(examples):
            if isinstance(texts, str) or not texts or not all(isinstance(t, str) for t in texts):
                raise ValueError(
                    f"examples: expected lists of strings, the rows of a batch, received {texts!r}."
                )
        return [np.array(texts, dtype=np.str_) for texts in examples]
    vocabulary = model.source_vocabulary
    rng = np.random.default_rng(seed)
    batches = []
    for lengths in SHAPES:
        ids = _draw(rng, lengths, len(vocabulary), first=UNKNOWN + 1)
        batches.append([vocabulary.decode(row) for row in ids])
    batches[-1] += ["", f"{batches[0][0]} \N{SNOWMAN}"]
    batches[-2][-1] = batches[-2][0].upper()
    return [np.array(texts, dtype=np.str_) for texts in batches]


def record_ids(signatures, batches, names=None, seed=0):
    """What the signatures over ids answer now, from the live model.

    Args:
        signatures: of `ids_signatures`.
        batches: source ids, a list of `(B, S)`.
        names: of the signatures that are asked, by default all of them.
        seed: of the targets that are drawn to score.

    Returns:
        A dictionary: for every such signature a list of `Case`.

    Raises:
        ExportError: where the model answers with not-a-number.
    """
    names = list(signatures if names is None else names)
    rng = np.random.default_rng(seed)
    cases = {name: [] for name in signatures}

    def ask(name, inputs, **sizes):
        cases[name].append(_ask(signatures[name], name, inputs, sizes))
        return cases[name][-1].outputs

    for tokens in batches:
        batch, source = tokens.shape
        sizes = {"batch": batch, "source": source}
        # The step needs a state from the encoder, and the targets the number of logits.
        state = ask("encode", {"tokens": tokens}, **sizes)
        # Two steps, because the first state is often zero where a later one is not.
        given = {"token": np.full((batch,), START, "int32"), **state}
        answer = ask("step", given, **sizes)
        logits = answer["logits"]
        given = {
            "token": np.argmax(logits, axis=-1).astype("int32"),
            **{name: answer.get(f"next_{name}", array) for name, array in state.items()},
        }
        ask("step", given, **sizes)
        for name in DECODING:
            if name in names:
                found = ask(name, {"tokens": tokens}, **sizes)
                width = found["sequences"].shape[-1]
                cases[name][-1] = cases[name][-1]._replace(sizes={**sizes, "target": width})
        if "score" in names:
            # Wider than the source, so that the two cannot be confused.
            lengths = [source + 2 - i % 2 for i in range(batch)]
            targets = _draw(rng, lengths, logits.shape[-1])
            for row, length in zip(targets, lengths):
                row[length - 1] = END
            sizes["target"] = targets.shape[1]
            ask("score", {"tokens": tokens, "targets": targets}, **sizes)
    return {name: cases[name] for name in names}


def record_text(signatures, batches):
    """`record_ids` for the signatures over text."""
    return {
        name: [_ask(signature, name, {"text": texts}, {"batch": len(texts)}) for texts in batches]
        for name, signature in signatures.items()
    }


def write_examples(path, cases):
    """Writes recorded cases so that `replay.read_examples` reads them."""
    arrays = {}
    for signature, recorded in cases.items():
        for i, case in enumerate(recorded):
            for side in ("inputs", "outputs"):
                for name, array in getattr(case, side).items():
                    arrays[f"{signature}/{i}/{side}/{name}"] = array
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)


def _ask(signature, name, inputs, sizes):
    # On the processor, where the artifact is verified: a GPU rounds otherwise.
    with tf.device("CPU:0"):
        specs = signature.inputs
        tensors = {n: tf.cast(tf.constant(x), specs[n].dtype) for n, x in inputs.items()}
        outputs = {n: plain(tf.convert_to_tensor(x)) for n, x in signature(**tensors).items()}
    for output, array in outputs.items():
        if array.dtype.kind == "f" and np.isnan(array).any():
            raise ExportError(
                f"The model itself answers with not-a-number: signature {name!r}, output "
                f"{output!r}, for an input of {', '.join(str(x.shape) for x in inputs.values())}."
            )
    return Case(inputs, outputs, sizes)


def _draw(rng, lengths, size, first=UNKNOWN):
    ids = np.zeros((len(lengths), max(lengths)), "int32")
    for row, length in zip(ids, lengths):
        row[:length] = rng.integers(min(first, size - 1), size, length)
    return ids


def _some(examples):
    examples = list(examples)
    if not examples:
        raise ValueError("examples: expected at least one batch to verify with, received none.")
    return examples
