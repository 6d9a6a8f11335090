"""One request to TensorFlow Serving's gRPC interface, within a time and a size.

Needs tensorflow-serving-api, and TensorFlow with it (in a clone: pip install '.[serving]').
"""

import contextlib
import importlib.util
import logging
import math
import os
import runpy
from operator import attrgetter
from typing import NamedTuple

from answers import BadInputError, ServingError

LARGEST = 64 * 2**20  # bytes of an answer; the attention of long sentences is large
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


def _quiet():
    """Inside, TensorFlow's first lines are not printed; they ignore its log level.

    The silencer of keras_attention is loaded by its path, which imports nothing else. Where it
    is not installed, the lines are printed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    package = importlib.util.find_spec("keras_attention")
    if package is None:
        return contextlib.nullcontext()
    path = os.path.join(package.submodule_search_locations[0], "_core", "quiet.py")
    return runpy.run_path(path)["silent_stderr"]()


try:
    with _quiet():
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc
except ImportError as missing:
    raise ImportError(
        f"the package {missing.name!r} is missing; install it in a clone of the repository with: "
        "pip install '.[serving]'",
        name=missing.name,
    ) from missing

# An answer that cannot be read is an error of one line; gRPC would print its traceback as well.
logging.getLogger("grpc").addHandler(logging.NullHandler())

# What the outputs of an artifact are made of, and where a message holds it.
_VALUES = {
    tf.string.as_datatype_enum: attrgetter("string_val"),
    tf.float32.as_datatype_enum: attrgetter("float_val"),
    tf.float16.as_datatype_enum: attrgetter("half_val"),
    tf.float64.as_datatype_enum: attrgetter("double_val"),
}
_HINTS = {
    grpc.StatusCode.UNAVAILABLE: "Is the server running (docker compose -f "
    "export/serving/compose.yaml up), is --server right, or is the server busy? If it is, raise "
    "max_enqueued_batches in batching_params.pbtxt.",
    grpc.StatusCode.NOT_FOUND: "Is the name of the model, and its version, as in models.config, "
    "and is it loaded?",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "Too many requests at once: send fewer, or raise the "
    "server's --grpc_max_threads.",
}


class Model(NamedTuple):
    """Whom to ask: a model, its signature, and a version, a label, or neither."""

    name: str
    signature: str = "serving_default"
    version: int | None = None
    label: str | None = None


def connect(server):
    """A channel to `HOST:PORT`, without encryption."""
    options = [("grpc.max_receive_message_length", LARGEST)]
    if server.rpartition(":")[0] in _LOCAL:
        # A proxy for the world outside knows nothing of this machine.
        options.append(("grpc.enable_http_proxy", 0))
    return grpc.insecure_channel(server, options)


def request(inputs, model):
    """A `PredictRequest`.

    Args:
        inputs: lists of bytes by the name of the input.
        model: a `Model`.
    """
    made = predict_pb2.PredictRequest()
    made.model_spec.name = model.name
    made.model_spec.signature_name = model.signature
    if model.version is not None:
        made.model_spec.version.value = model.version
    elif model.label is not None:
        made.model_spec.version_label = model.label
    for name, values in inputs.items():
        made.inputs[name].CopyFrom(tf.make_tensor_proto(values, tf.string, [len(values)]))
    return made


def ask(inputs, model, channel, outputs, timeout=30.0):
    """Asks the server.

    Args:
        inputs: lists of bytes by the name of the input, one per text or image.
        model: a `Model`.
        channel: of `connect`.
        outputs: the names of the outputs that are wanted.
        timeout: the seconds after which the whole request is given up.

    Returns:
        For every text or image the outputs by name, as nested lists.

    Raises:
        BadInputError: where the server refuses the request.
        ServingError: where no answer comes, or none that can be used.
    """
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    try:
        response = stub.Predict(request(inputs, model), timeout=timeout)
    except grpc.RpcError as error:
        refused = error.code() is grpc.StatusCode.INVALID_ARGUMENT
        kind = BadInputError if refused else ServingError
        raise kind(
            f"{model.name} answers {error.code().name}: {str(error.details())[:300]} "
            f"{_hint(error, timeout)}"
        ) from error
    return rows(response, outputs)


def _hint(error, timeout):
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"No answer came in {timeout:g} seconds; allow more with --timeout."
    if "larger than max" in str(error.details()):
        return "The message is too large: send less at once."
    return _HINTS.get(error.code(), "")


def rows(response, outputs):
    """The answer as for REST: for every text or image the outputs by name, as nested lists.

    Raises:
        ServingError: where the outputs are no tensors of strings and floats
            with one row each. Outputs that are missing are left out.
    """
    wanted = [name for name in outputs if name in response.outputs]
    arrays = {name: _array(name, response.outputs[name]) for name in wanted}
    if len({array.shape[:1] for array in arrays.values()}) > 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise ServingError(f"Expected outputs with one row per input, received {shapes}.")
    if not wanted:
        found = ", ".join(sorted(response.outputs)) or "nothing"
        raise ServingError(f"Expected {', '.join(outputs)}, received {found[:200]}.")
    lists = {name: _plain(array) for name, array in arrays.items()}
    return [dict(zip(lists, row)) for row in zip(*lists.values())]


def _array(name, proto):
    """A tensor as an array, which is as large as what the message carries."""
    values = _VALUES.get(proto.dtype)
    sizes = [dimension.size for dimension in proto.tensor_shape.dim]
    if values is None or not sizes or min(sizes) < 0:
        raise ServingError(
            f"{name}: expected a tensor of strings or floats with one row per input, received one "
            f"of type {proto.dtype} and shape {sizes[:8]}."
        )
    # A message may claim any shape for a single value, which would then be repeated.
    carried = len(values(proto))
    if proto.tensor_content and proto.dtype != tf.string.as_datatype_enum:
        carried = len(proto.tensor_content) // tf.as_dtype(proto.dtype).size
    if math.prod(sizes) != carried:
        raise ServingError(
            f"{name}: expected as many values as its shape {sizes[:8]} has, received {carried:,}."
        )
    try:
        return tf.make_ndarray(proto)
    except (ValueError, TypeError, OverflowError) as error:
        raise ServingError(f"{name}: expected a tensor, received {error}.") from error


def _plain(array):
    if array.dtype != object:
        return array.tolist()
    texts = [text.decode("utf-8", "replace") for text in array.ravel()]
    strings = array.copy()
    strings.ravel()[:] = texts
    return strings.tolist()
