"""Serves SavedModels of `export_model` by KServe's Python server, with TensorFlow Serving's rows.

    python export/serving/kserve_model.py --model_name translate \
        --model_dir export/serving/served/translate --http_port 8080
    python export/serving/rest_client.py --server http://localhost:8080 "In the beginning."

It takes the protocol v1 at `/v1/models/NAME:predict`. Requests are not joined: each is answered or
refused alone. Needs kserve and tensorflow, and for an artifact with subwords tensorflow-text.
"""

import argparse
import asyncio
import base64
import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import kserve
import numpy as np
import tensorflow as tf
from gate import Gate
from kserve.errors import InvalidInput
from kserve.model_server import app
from kserve.model_server import parser as server_parser

MOST_INSTANCES = 32


class ArtifactModel(kserve.Model):
    """One version of an artifact as a model of KServe.

    Args:
        name: what clients call the model.
        folder: a SavedModel, or the directory above its versions; then the
            highest is served.
    """

    def __init__(self, name, folder):
        super().__init__(name)
        self._folder = Path(folder)
        self._loaded = None
        self._threads = ThreadPoolExecutor(os.cpu_count())

    def load(self):
        """Loads the artifact."""
        # Registers the operations of subwords, where they are installed.
        with contextlib.suppress(ImportError):
            import tensorflow_text  # noqa: F401
        self._loaded = tf.saved_model.load(str(version_folder(self._folder)))
        self.ready = True
        return True

    async def predict(self, payload, headers=None):
        """Answers `{"signature_name": ..., "instances": [...]}` with `{"predictions": [...]}`.

        Raises:
            InvalidInput: where the request is none, or the graph refuses it.
        """
        function, inputs = self._request(payload)
        loop = asyncio.get_running_loop()
        rows = await loop.run_in_executor(self._threads, _run, function, inputs)
        return {"predictions": rows}

    def _request(self, payload):
        """The signature that is asked for, and its inputs."""
        if not isinstance(payload, dict) or not isinstance(payload.get("instances"), list):
            raise InvalidInput('expected a JSON object with a list of "instances"')
        name = payload.get("signature_name", "serving_default")
        if not isinstance(name, str) or name not in self._loaded.signatures:
            known = ", ".join(self._loaded.signatures)
            raise InvalidInput(f"signature_name: expected one of {known}, received {name!r:.99}")
        function = self._loaded.signatures[name]
        specs = function.structured_input_signature[1]
        rows = payload["instances"]
        if not 0 < len(rows) <= MOST_INSTANCES:
            raise InvalidInput(
                f"instances: expected from 1 to {MOST_INSTANCES}, received {len(rows)}"
            )
        return function, {key: _tensor(key, spec, rows, len(specs)) for key, spec in specs.items()}


def version_folder(folder):
    """The SavedModel at a path, or the highest version below it."""
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = [path for path in folder.iterdir() if path.name.isdecimal()]
    if not versions:
        raise FileNotFoundError(f"{folder}: expected a SavedModel, or versions of one.")
    return max(versions, key=lambda path: int(path.name))


def _tensor(name, spec, rows, count):
    """One input of all rows as a tensor of its signature."""
    values = []
    for row in rows:
        if count == 1 and not (isinstance(row, dict) and "b64" not in row):
            row = {name: row}  # the only input need not be named
        if not isinstance(row, dict) or name not in row or len(row) != count:
            raise InvalidInput(
                f"instances: expected objects with {count} inputs, {name} among them"
            )
        values.append(_decoded(row[name]))
    strings = spec.dtype == tf.string
    if strings and not all(isinstance(value, (str, bytes)) for value in values):
        raise InvalidInput(f"{name}: expected strings")
    try:
        tensor = tf.convert_to_tensor(values, spec.dtype)
    except (TypeError, ValueError, UnicodeError, tf.errors.OpError) as error:
        raise InvalidInput(f"{name}: expected {spec.dtype.name} of shape {spec.shape}") from error
    if not spec.shape.is_compatible_with(tensor.shape):
        raise InvalidInput(f"{name}: expected the shape {spec.shape}, received {tensor.shape}")
    return tensor


def _decoded(value):
    """Bytes for what JSON holds in base 64; everything else as it is."""
    if isinstance(value, dict) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (TypeError, ValueError) as error:
            raise InvalidInput("b64: expected bytes in base 64") from error
    return value


def _run(function, inputs):
    """Every row of the outputs by name, as JSON holds them."""
    try:
        outputs = {name: tensor.numpy() for name, tensor in function(**inputs).items()}
    except tf.errors.InvalidArgumentError as error:
        # What the graph says comes after where it says it.
        *_, said = str(error.message).partition("<stack traces unavailable>\n")
        raise InvalidInput((said or str(error.message)).splitlines()[0][:300]) from error
    lists = {name: _plain(array) for name, array in outputs.items()}
    return [dict(zip(lists, row)) for row in zip(*lists.values())]


def _plain(array):
    if array.dtype != object:
        return array.tolist()
    texts = np.array([text.decode("utf-8", "replace") for text in array.ravel()], object)
    return texts.reshape(array.shape).tolist()


def main(arguments=None):
    parser = argparse.ArgumentParser(
        parents=[server_parser],
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model_dir", type=Path, required=True, help="the artifact")
    args = parser.parse_args(arguments)
    # Requests beside each other, rather than threads within one: decoding is many small steps.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(2)
    model = ArtifactModel(args.model_name, args.model_dir)
    model.load()
    app.add_middleware(Gate)
    kserve.ModelServer(http_port=args.http_port, enable_grpc=False).start([model])


if __name__ == "__main__":
    main()
