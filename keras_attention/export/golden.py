"""Examples: what the live model answered, kept in the artifact to check it by."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_attention.export.drawing import draw_rows
from keras_attention.export.errors import ExportError
from keras_attention.export.replay import plain
from keras_attention.export.signatures import SERVED
from keras_attention.text.vocabulary import END, START

# The signatures that decode: the source in, sequences out.
DECODING = ("greedy", "beam", SERVED)


class Case(NamedTuple):
    """One request and its answer.

    Attributes:
        inputs: a dictionary of arrays.
        outputs: a dictionary of arrays.
        sizes: the sizes that have a name: `batch`, `source`, `target`.

    Example:

    >>> from keras_attention.export.golden import Case
    >>> Case({}, {}, {"batch": 1}).sizes["batch"]
    1
    """

    inputs: dict
    outputs: dict
    sizes: dict


def record_ids(signatures, source, batches, names=None, seed=0):
    """What the signatures that answer with ids answer now, from the live model.

    Args:
        signatures: of `ids_signatures`.
        source: what goes in, a `Source`.
        batches: of the source, a list of arrays.
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

    def ask(name, inputs, sizes):
        cases[name].append(_ask(signatures[name], name, inputs, sizes))
        return cases[name][-1].outputs

    for array in batches:
        given, sizes = {source.name: array}, source.sizes(array)
        batch = len(array)
        # The step needs a state from the encoder, and the targets the number of logits.
        state = ask("encode", given, sizes)
        # Two steps, because the first state is often zero where a later one is not.
        first = {"token": np.full((batch,), START, "int32"), **state}
        answer = ask("step", first, sizes)
        logits = answer["logits"]
        second = {
            "token": np.argmax(logits, axis=-1).astype("int32"),
            **{name: answer.get(f"next_{name}", array) for name, array in state.items()},
        }
        ask("step", second, sizes)
        for name in DECODING:
            if name in names:
                found = ask(name, given, sizes)
                width = found["sequences"].shape[-1]
                cases[name][-1] = cases[name][-1]._replace(sizes={**sizes, "target": width})
        if "score" in names:
            # Wider than the source, so that the two cannot be confused.
            width = sizes.get("source", 3) + 2
            lengths = [width - i % 2 for i in range(batch)]
            targets = draw_rows(rng, lengths, logits.shape[-1])
            for row, length in zip(targets, lengths):
                row[length - 1] = END
            ask("score", {**given, "targets": targets}, {**sizes, "target": width})
    return {name: cases[name] for name in names}


def record_text(signatures, source, batches):
    """`record_ids` for the signatures that answer with text."""
    return {
        name: [
            _ask(signature, name, {source.name: array}, source.sizes(array)) for array in batches
        ]
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
