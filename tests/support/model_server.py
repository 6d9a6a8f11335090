"""A stand-in for TensorFlow Serving: its configuration, its protos, its JSON; Python underneath.

It reads `models.config` as the server does, checks a `PredictRequest` against
the signature that it names, and writes answers to REST in rows or in columns.
"""

import base64
import contextlib
import http.server
import json
import re
import threading
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
from tensorflow_serving.config import model_server_config_pb2

CODES = {grpc.StatusCode.NOT_FOUND: 404, grpc.StatusCode.INVALID_ARGUMENT: 400}


class RefusedError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class ModelServer:
    """The models of a configuration.

    Args:
        config: `models.config` as text.
        root: what is `/models` for the server.
        neighbours: texts of other clients, added to every batch.
    """

    def __init__(self, config, root, neighbours=()):
        config = text_format.Parse(config, model_server_config_pb2.ModelServerConfig())
        self.neighbours = list(neighbours)
        self.requests = []
        self.models, self.labels = {}, {}
        for model in config.model_config_list.config:
            assert model.model_platform == "tensorflow"
            folder = Path(root, Path(model.base_path).relative_to("/models"))
            there = sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())
            policy = model.model_version_policy
            if policy.WhichOneof("policy_choice") == "specific":
                versions = [v for v in policy.specific.versions if v in there]
            else:
                versions = there[-(policy.latest.num_versions or 1) :]
            self.models[model.name] = {v: _Version(folder / str(v)) for v in versions}
            self.labels[model.name] = dict(model.version_labels)

    def version(self, spec):
        versions = self.models.get(spec.name)
        if not versions:
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
            )
        number = max(versions)
        if spec.HasField("version"):
            number = spec.version.value
        elif spec.version_label:
            number = self.labels[spec.name].get(spec.version_label)
            if number is None:
                raise RefusedError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"Unrecognized servable version label: {spec.version_label}",
                )
        if number not in versions:
            raise RefusedError(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({spec.name}, {number})",
            )
        return versions[number]

    def predict(self, request):
        """A `PredictResponse`, as wide as the whole batch if there are neighbours."""
        self.requests.append(request)
        version = self.version(request.model_spec)
        name = request.model_spec.signature_name or "serving_default"
        if name not in version.definitions:
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f'Serving signature name: "{name}" not found in signature def',
            )
        inputs = version.checked(name, request.inputs)
        size = len(next(iter(inputs.values())))
        if self.neighbours:
            inputs = {n: np.concatenate([x, self.neighbours]) for n, x in inputs.items()}
        try:
            outputs = version.run(name, inputs)
        except tf.errors.InvalidArgumentError as error:
            raise RefusedError(grpc.StatusCode.INVALID_ARGUMENT, error.message) from error
        response = predict_pb2.PredictResponse()
        response.model_spec.CopyFrom(request.model_spec)
        for output, array in outputs.items():
            response.outputs[output].CopyFrom(tf.make_tensor_proto(array[:size]))
        return response

    def rest(self, path, body):
        """The answer to a request as JSON."""
        match = re.fullmatch(
            r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?:predict", path
        )
        if match is None:
            raise RefusedError(grpc.StatusCode.NOT_FOUND, f"Malformed request: POST {path}")
        request = predict_pb2.PredictRequest()
        request.model_spec.name = match[1]
        if match[2]:
            request.model_spec.version.value = int(match[2])
        elif match[3]:
            request.model_spec.version_label = match[3]
        request.model_spec.signature_name = body.get("signature_name", "")
        version = self.version(request.model_spec)
        definition = version.definitions.get(request.model_spec.signature_name or "serving_default")
        rows = fill(request, body, definition) if definition else "instances" in body
        outputs = {n: plain(tf.make_ndarray(p)) for n, p in self.predict(request).outputs.items()}
        if not rows:
            return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}
        if len(outputs) == 1:
            return {"predictions": next(iter(outputs.values()))}
        return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}


class _Version:
    def __init__(self, folder):
        saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.definitions = {
            name: definition
            for name, definition in saved.meta_graphs[0].signature_def.items()
            if name != "__saved_model_init_op"
        }
        self._loaded = tf.saved_model.load(str(folder))

    def checked(self, name, protos):
        """The arrays of a request, which must be what the signature declares."""
        declared = self.definitions[name].inputs
        if set(protos) != set(declared):
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"input size does not match signature: {sorted(protos)} != {sorted(declared)}",
            )
        arrays = {}
        for key, proto in protos.items():
            info = declared[key]
            shape = tf.TensorShape(proto.tensor_shape)
            if proto.dtype != info.dtype or not shape.is_compatible_with(info.tensor_shape):
                raise RefusedError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    f"{key}: expected dtype {info.dtype} and shape "
                    f"{tf.TensorShape(info.tensor_shape)}, received {proto.dtype} and {shape}",
                )
            arrays[key] = tf.make_ndarray(proto)
        return arrays

    def run(self, name, inputs):
        signature = self._loaded.signatures[name]
        outputs = signature(**{key: tf.constant(array) for key, array in inputs.items()})
        return {key: tensor.numpy() for key, tensor in outputs.items()}


def fill(request, body, definition):
    """Writes the inputs of a JSON body into a request; returns whether they came in rows."""
    rows = "instances" in body
    if rows == ("inputs" in body):
        raise RefusedError(
            grpc.StatusCode.INVALID_ARGUMENT, "expected either 'instances' or 'inputs'"
        )
    if rows:
        named = [
            row if isinstance(row, dict) and "b64" not in row else {only_input(definition): row}
            for row in body["instances"]
        ]
        columns = {key: [row.get(key) for row in named] for key in named[0]}
    else:
        columns = body["inputs"]
    for key, values in columns.items():
        if key not in definition.inputs:
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT, f"JSON object: does not have named input: {key}"
            )
        dtype = tf.as_dtype(definition.inputs[key].dtype)
        values = [decoded(value) for value in values]
        try:
            request.inputs[key].CopyFrom(tf.make_tensor_proto(values, dtype))
        except (TypeError, ValueError) as error:
            raise RefusedError(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"JSON Value: {json.dumps(values)} is not of expected type: {dtype.name}",
            ) from error
    return rows


def only_input(definition):
    """The name of the input that a request need not name."""
    return next(iter(definition.inputs))


def decoded(value):
    """Bytes for what JSON holds in base 64; everything else as it is."""
    if isinstance(value, dict) and set(value) == {"b64"}:
        return base64.b64decode(value["b64"], validate=True)
    return value


def plain(array):
    """An array as JSON holds it: floats as short as they are exact."""
    if array.dtype == object:
        return [plain(x) if isinstance(x, np.ndarray) else x.decode() for x in array]
    if array.dtype.kind == "f" and array.ndim == 0:
        return float(np.format_float_positional(array))
    return [plain(x) for x in array] if array.ndim else array.item()


@contextlib.contextmanager
def serve_rest(answer):
    """Serves `answer(path, body) -> object` over HTTP; gives the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                code, answered = 200, answer(self.path, json.loads(content))
            except RefusedError as error:
                code, answered = CODES[error.code], {"error": str(error)}
            data = answered if isinstance(answered, bytes) else json.dumps(answered).encode()
            with contextlib.suppress(OSError):
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def running(server):
    """Runs a gRPC server on a free port of this machine; gives the address."""
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def serve_grpc(predict):
    """Serves `predict(PredictRequest) -> PredictResponse` over gRPC; gives the address."""

    class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            try:
                return predict(request)
            except RefusedError as error:
                context.abort(error.code, str(error))

    server = grpc.server(futures.ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Servicer(), server)
    with running(server) as address:
        yield address
