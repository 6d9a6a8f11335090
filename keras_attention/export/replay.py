"""Replays recorded examples against an artifact, in a process that has no Keras.

Started by its path: `python replay.py FOLDER TOLERANCE` prints one line of JSON.
It needs the standard library, numpy, and TensorFlow for a SavedModel or onnx and
onnxruntime for ONNX; the model's own packages cannot be imported here, so that
an artifact which answers needs none of them.
"""

import importlib.machinery
import json
import os
import sys
import zipfile

import numpy as np

MODEL_PACKAGES = ("keras", "keras_attention", "tf_keras")


def examples_file(folder):
    """Where an artifact keeps its examples, or None for what is no artifact."""
    folder = str(folder)
    for path in ("assets.extra/examples.npz", "examples.npz"):
        path = os.path.join(folder, *path.split("/"))
        if os.path.isfile(path):
            return path
    return None


def is_saved_model(folder):
    """Whether a directory is a SavedModel (else it is ONNX)."""
    return os.path.isfile(os.path.join(str(folder), "saved_model.pb"))


def read_examples(path):
    """`{signature: [(inputs, outputs), ...]}`, dictionaries of arrays by name."""
    found = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            signature, case, side, name = key.split("/")
            cases = found.setdefault(signature, {})
            pair = cases.setdefault(int(case), ({}, {}))
            pair[side == "outputs"][name] = arrays[key]
    return {name: [cases[i] for i in sorted(cases)] for name, cases in found.items()}


def plain(array):
    """An array of a type that numpy itself has: text for bytes, float32 for bfloat16."""
    array = np.asarray(array)
    if array.dtype == object or array.dtype.kind == "S":
        texts = [x.decode("utf-8", "replace") for x in array.ravel().tolist()]
        return np.array(texts, dtype=np.str_).reshape(array.shape)
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def compare(expected, received, tolerance):
    """The largest difference of floats, and a line for every output that is wrong."""
    largest, problems, discrete_equal = 0.0, [], True
    for name in sorted(set(expected) | set(received)):
        if name not in received or name not in expected:
            side = "is missing" if name not in received else "was not there before"
            problems.append(f"output {name!r} {side}")
            discrete_equal = False
            continue
        a, b = plain(expected[name]), plain(received[name])
        floats = a.dtype.kind == "f"
        same_type = a.dtype == b.dtype or a.dtype.kind == b.dtype.kind == "U"
        if a.shape != b.shape or not same_type:
            problems.append(
                f"output {name!r} is {b.dtype} of shape {b.shape}, expected {a.dtype} of {a.shape}"
            )
            discrete_equal = discrete_equal and floats
        elif not floats:
            wrong = int(np.sum(a != b))
            if wrong:
                problems.append(f"output {name!r} differs in {wrong} of {a.size} elements")
                discrete_equal = False
        elif a.size:
            a, b = a.astype("float64"), b.astype("float64")
            with np.errstate(invalid="ignore"):
                gaps = np.where(a == b, 0.0, np.abs(a - b))
                # Float32 itself is no finer than that above 100.
                allowed = tolerance * np.maximum(1.0, np.abs(a) / 100)
                wrong = int(np.sum(~(gaps <= allowed)))
            gap = float(np.max(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf)))
            largest = max(largest, gap)
            if wrong:
                problems.append(
                    f"output {name!r} differs by {gap:.3g} ({wrong} of {a.size} numbers), allowed "
                    f"is {tolerance:g}"
                )
    return largest, problems, discrete_equal


def replay(name, loader, cases, run, tolerance):
    """One row of the report: every case of one signature through one loader."""
    row = {"name": name, "loader": loader, "cases": len(cases), "ids_equal": True}
    row |= {"max_abs_difference": 0.0, "problems": []}
    for i, (inputs, outputs) in enumerate(cases):
        try:
            largest, problems, equal = compare(outputs, run(inputs), tolerance)
        except Exception as error:
            largest, problems, equal = float("inf"), [f"failed: {first_line(error)}"], False
        row["max_abs_difference"] = max(row["max_abs_difference"], largest)
        row["problems"] += [f"case {i}: {problem}" for problem in problems]
        row["ids_equal"] = row["ids_equal"] and equal
    return row


def replay_saved_model(folder, examples, tolerance):
    """Rows of every signature through TensorFlow's Python loader and its TF1 loader."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    check_names("signature", set(loaded.signatures), set(examples))
    for name, cases in examples.items():
        signature = loaded.signatures[name]
        specs = signature.structured_input_signature[1]

        def run(inputs, signature=signature, specs=specs):
            tensors = {n: tf.cast(tf.constant(x), specs[n].dtype) for n, x in inputs.items()}
            return {n: t.numpy() for n, t in signature(**tensors).items()}

        yield replay(name, "python", cases, run, tolerance)

    # Python's loader forgives a variable that is saved twice; this one, like
    # TensorFlow Serving's, does not.
    v1 = tf.compat.v1
    with v1.Session(graph=tf.Graph()) as session:
        definitions = v1.saved_model.loader.load(session, ["serve"], folder).signature_def
        for name, cases in examples.items():
            definition = definitions[name]

            def run(inputs, definition=definition):
                feeds = {definition.inputs[n].name: x for n, x in inputs.items()}
                fetches = {n: info.name for n, info in definition.outputs.items()}
                return session.run(fetches, feeds)

            yield replay(name, "tf1", cases, run, tolerance)


def replay_onnx(folder, examples, tolerance):
    """Rows of every graph: checked by onnx, then run by onnxruntime."""
    import onnx
    import onnxruntime

    files = {name[: -len(".onnx")] for name in os.listdir(folder) if name.endswith(".onnx")}
    check_names("graph", files, set(examples))
    for name, cases in examples.items():
        path = os.path.join(folder, f"{name}.onnx")
        try:
            onnx.checker.check_model(path, full_check=True)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise RuntimeError(f"{name}.onnx cannot be loaded: {first_line(error)}") from error
        names = [output.name for output in session.get_outputs()]

        def run(inputs, session=session, names=names):
            return dict(zip(names, session.run(names, inputs)))

        yield replay(name, "onnxruntime", cases, run, tolerance)


def check_names(what, found, expected):
    """Refuses an artifact that offers more or less than was recorded."""
    if found != expected:
        raise RuntimeError(
            f"expected the {what}s {', '.join(sorted(expected))}, found {', '.join(sorted(found))}"
        )


def first_line(error):
    """An error as one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:500]}"


def check_artifact(folder, tolerance):
    """The report of an artifact: rows, and why it could not be read, if so."""
    report = {"rows": [], "error": None}
    try:
        path = examples_file(folder)
        if path is None:
            raise RuntimeError("the recorded examples (examples.npz) are missing")
        try:
            examples = read_examples(path)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise RuntimeError(f"{path} cannot be read: {first_line(error)}") from error
        kind = replay_saved_model if is_saved_model(folder) else replay_onnx
        report["rows"].extend(kind(folder, examples, tolerance))
    except Exception as error:
        report["error"] = str(error) if type(error) is RuntimeError else first_line(error)
    return report


class Blocker:
    """Finds the forbidden packages, so that looking for one works, and loads none."""

    def __init__(self, forbidden):
        self.forbidden = forbidden

    def find_spec(self, name, path=None, target=None):
        # TensorFlow asks where Keras would be while it is imported itself.
        if name.partition(".")[0] in self.forbidden:
            return importlib.machinery.ModuleSpec(name, self)
        return None

    def create_module(self, spec):
        raise ModuleNotFoundError(f"{spec.name} may not be imported here", name=spec.name)

    def exec_module(self, module):
        pass


def main(folder, tolerance):
    """Prints the report of an artifact as one line of JSON."""
    # The folder of this file holds an onnx.py, which is not the package onnx.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or ".") != here]
    forbidden = MODEL_PACKAGES if is_saved_model(folder) else (*MODEL_PACKAGES, "tensorflow")
    sys.meta_path.insert(0, Blocker(forbidden))
    print(json.dumps(check_artifact(folder, float(tolerance))))


if __name__ == "__main__":
    main(*sys.argv[1:])
