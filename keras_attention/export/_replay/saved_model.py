"""SavedModels, through the loaders that TensorFlow has in Python."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from .artifact import Arrays, Pairs, Run, check_names
from .comparing import compare, replay
from .operations import load_operations
from .warmup import read_warmup


def load_saved_model(folder: str) -> dict[str, Run]:
    """Every signature, run by TensorFlow's Python loader."""
    import tensorflow as tf

    load_operations(folder)
    signatures = tf.saved_model.load(folder).signatures

    def run(name: str, inputs: Arrays) -> Arrays:
        specs = signatures[name].structured_input_signature[1]
        tensors = {n: tf.cast(tf.constant(x), specs[n].dtype) for n, x in inputs.items()}
        return {n: t.numpy() for n, t in signatures[name](**tensors).items()}

    return {name: partial(run, name) for name in signatures}


def replay_saved_model(
    folder: str, examples: dict[str, Pairs], tolerance: float
) -> Iterator[dict[str, Any]]:
    """Rows of every signature through TensorFlow's Python loader and its TF1 loader."""
    import tensorflow as tf

    loaded = load_saved_model(folder)
    check_names("signature", set(loaded), set(examples))
    for name, pairs in examples.items():
        yield replay(name, "python", pairs, loaded[name], tolerance)

    warmup = warmup_examples(folder, examples)
    # Python's loader tolerates a variable that is saved twice; this one, like that of
    # TensorFlow Serving, does not.
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        definitions = v1.saved_model.loader.load(session, ["serve"], folder).signature_def

        def run_signature(name: str, inputs: Arrays) -> Arrays:
            definition = definitions[name]
            feeds = {definition.inputs[n].name: x for n, x in inputs.items()}
            fetches = {n: info.name for n, info in definition.outputs.items()}
            return session.run(fetches, feeds)

        for loader, asked in (("tf1", examples), ("warmup", warmup)):
            for name, pairs in asked.items():
                yield replay(name, loader, pairs, partial(run_signature, name), tolerance)


def warmup_examples(folder: str, examples: dict[str, Pairs]) -> dict[str, Pairs]:
    """The warmup requests, each with the answer that was recorded for the same inputs."""
    found: dict[str, Pairs] = {}
    for signature, inputs in read_warmup(folder):
        answers = [
            outputs
            for recorded, outputs in examples.get(signature, ())
            if not compare(recorded, inputs, 0.0)[1]
        ]
        if not answers:
            raise RuntimeError(f"a warmup request of {signature!r} is none of the golden examples")
        found.setdefault(signature, []).append((inputs, answers[0]))
    return found
