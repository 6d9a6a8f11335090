"""Golden examples: requests and the live model's answers, kept in the artifact to verify it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_attention.export._replay import plain
from keras_attention.export.errors import ExportError
from keras_attention.export.random_inputs import ordinary_ids, random_rows
from keras_attention.export.signatures import SERVED, Signature
from keras_attention.export.sources import Source
from keras_attention.text import VocabularyLike

# The signatures that decode: the source in, sequences out.
DECODING = ("greedy", "beam", SERVED)
# Those that take the beginning of the sequences as well.
FROM_PREFIX = ("greedy_prefix", "beam_prefix")

Arrays = dict[str, np.ndarray[Any, Any]]


class GoldenExample(NamedTuple):
    """One request and its answer.

    Attributes:
        inputs: arrays by name.
        outputs: arrays by name.
        sizes: the sizes that have a name: `batch`, `source`, `target`.

    Example:

    >>> from keras_attention.export.golden import GoldenExample
    >>> GoldenExample({}, {}, {"batch": 1}).sizes["batch"]
    1
    """

    inputs: Arrays
    outputs: Arrays
    sizes: dict[str, int]


def record_ids(
    signatures: dict[str, Signature],
    source: Source,
    batches: list[Arrays],
    names: Iterable[str],
    progress: Callable[[str], None],
    seed: int = 0,
) -> dict[str, list[GoldenExample]]:
    """Records answers of the live model for signatures that return ids.

    Args:
        signatures: of `ids_signatures`.
        source: the input of the artifact.
        batches: of the source, arrays by name.
        names: of the signatures to record.
        progress: called with a line for each batch.
        seed: of the random targets that are scored.

    Returns:
        A list of `GoldenExample` for each of the names.

    Raises:
        ExportError: if the model answers with not-a-number.
    """
    names = list(names)
    rng = np.random.default_rng(seed)
    recorded: dict[str, list[GoldenExample]] = {name: [] for name in signatures}
    special = source.interface.special_ids

    def answer_of(name: str, inputs: Arrays, sizes: dict[str, int]) -> Arrays:
        recorded[name].append(ask(signatures[name], name, inputs, sizes))
        return recorded[name][-1].outputs

    for number, given in enumerate(batches, 1):
        progress(f"recording answers of the model, batch {number} of {len(batches)}")
        sizes = source.named_sizes(given)
        batch = sizes["batch"]
        # The step needs a state from the encoder, and the targets the number of logits.
        state = answer_of("encode", given, sizes)
        # Two steps, because the first state is often zero where a later one is not.
        first = {"token": np.full((batch,), special.start, "int32"), **state}
        answer = answer_of("step", first, sizes)
        logits = answer["logits"]
        second = {
            "token": np.argmax(logits, axis=-1).astype("int32"),
            **{name: answer.get(f"next_{name}", before) for name, before in state.items()},
        }
        answer_of("step", second, sizes)
        for name in DECODING:
            if name in names:
                found = answer_of(name, given, sizes)
                length = found["sequences"].shape[-1]
                recorded[name][-1] = recorded[name][-1]._replace(sizes={**sizes, "target": length})
        for name in FROM_PREFIX:
            # Half of the batches, because searches take their time.
            if name in names and _is_kept(number, batches):
                # Nothing, one and two ids are forced.
                lengths = [(i + number) % 3 for i in range(batch)]
                ids = ordinary_ids(logits.shape[-1], special, unknown=False)
                prefix = random_rows(rng, lengths, ids, special.pad)
                found = answer_of(name, {**given, "prefix": prefix}, sizes)
                named = {**sizes, "target": found["sequences"].shape[-1], "prefix": max(lengths)}
                recorded[name][-1] = recorded[name][-1]._replace(sizes=named)
        if "score" in names:
            # Longer than the source, so that the two cannot be confused.
            length = sizes.get("source", 3) + 2
            lengths = [length - i % 2 for i in range(batch)]
            ids = ordinary_ids(logits.shape[-1], special)
            targets = random_rows(rng, lengths, ids, special.pad)
            for row, end in zip(targets, lengths):
                row[end - 1] = special.end
            answer_of("score", {**given, "targets": targets}, {**sizes, "target": length})
    return {name: recorded[name] for name in names}


def record_text(
    signatures: dict[str, Signature],
    source: Source,
    batches: list[Arrays],
    names: Iterable[str],
    progress: Callable[[str], None],
    vocabulary: VocabularyLike,
) -> dict[str, list[GoldenExample]]:
    """`record_ids` for signatures that return text, in the words of the target vocabulary."""
    rng = np.random.default_rng(0)
    recorded: dict[str, list[GoldenExample]] = {name: [] for name in names}
    for number, batch in enumerate(batches, 1):
        progress(f"recording answers of the model, batch {number} of {len(batches)}")
        sizes = source.named_sizes(batch)
        for name, examples in recorded.items():
            given = dict(batch)
            if name in FROM_PREFIX:
                if not _is_kept(number, batches):
                    continue
                lengths = [(i + number) % 3 for i in range(sizes["batch"])]
                special = vocabulary.special_ids
                ids = ordinary_ids(len(vocabulary), special, unknown=False)
                rows = random_rows(rng, lengths, ids, special.pad)
                given["prefix"] = np.array([vocabulary.decode(row) for row in rows], np.str_)
            examples.append(ask(signatures[name], name, given, sizes))
            source.check(given, examples[-1].outputs)
    return recorded


def _is_kept(number: int, batches: list[Arrays]) -> bool:
    return number % 2 == 0 or number == len(batches)


def write_golden_examples(path: Path, examples: dict[str, list[GoldenExample]]) -> None:
    """Writes golden examples as `replay.read_golden_examples` reads them."""
    arrays: Arrays = {}
    for signature, recorded in examples.items():
        for i, example in enumerate(recorded):
            for side, given in (("inputs", example.inputs), ("outputs", example.outputs)):
                arrays |= {f"{signature}/{i}/{side}/{name}": array for name, array in given.items()}
    path.parent.mkdir(exist_ok=True)
    # The stubs of numpy take the arrays for its flags.
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def ask(signature: Signature, name: str, inputs: Arrays, sizes: dict[str, int]) -> GoldenExample:
    """The answer of the live model to one request.

    Raises:
        ExportError: if it is not a number.
    """
    # On the CPU, where the artifact is verified: a GPU rounds differently.
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
    return GoldenExample(inputs, outputs, sizes)
