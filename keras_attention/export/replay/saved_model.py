"""SavedModels, through the loaders that TensorFlow has in Python."""

from functools import partial

from .artifact import check_names
from .comparing import compare, replay
from .operations import load_operations
from .warmup import read_warmup


def replay_saved_model(folder, examples, tolerance):
    """Rows of every signature through TensorFlow's Python loader and its TF1 loader."""
    import tensorflow as tf

    load_operations(folder)
    loaded = tf.saved_model.load(folder)
    check_names("signature", set(loaded.signatures), set(examples))
    for name, cases in examples.items():
        signature = loaded.signatures[name]
        specs = signature.structured_input_signature[1]

        def run(inputs, signature=signature, specs=specs):
            tensors = {n: tf.cast(tf.constant(x), specs[n].dtype) for n, x in inputs.items()}
            return {n: t.numpy() for n, t in signature(**tensors).items()}

        yield replay(name, "python", cases, run, tolerance)

    warmup = warmup_cases(folder, examples)
    # Python's loader forgives a variable that is saved twice; this one, like
    # TensorFlow Serving's, does not.
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        definitions = v1.saved_model.loader.load(session, ["serve"], folder).signature_def

        def run_signature(name, inputs):
            definition = definitions[name]
            feeds = {definition.inputs[n].name: x for n, x in inputs.items()}
            fetches = {n: info.name for n, info in definition.outputs.items()}
            return session.run(fetches, feeds)

        for loader, asked in (("tf1", examples), ("warmup", warmup)):
            for name, cases in asked.items():
                yield replay(name, loader, cases, partial(run_signature, name), tolerance)


def warmup_cases(folder, examples):
    """The warmup requests, each with the answer that was recorded for the same inputs."""
    found = {}
    for signature, inputs in read_warmup(folder):
        answers = [
            outputs
            for recorded, outputs in examples.get(signature, ())
            if not compare(recorded, inputs, 0.0)[1]
        ]
        if not answers:
            raise RuntimeError(f"a warmup request of {signature!r} is none of the examples")
        found.setdefault(signature, []).append((inputs, answers[0]))
    return found
