"""Translates through TensorFlow Serving's gRPC interface, and draws where the model looked.

    python export/serving/grpc_client.py "In the beginning was the Word."

Needs tensorflow-serving-api, and TensorFlow with it (in a clone: pip install '.[serving]').
"""

import contextlib
import importlib.util
import os
import runpy
import sys

import client

LARGEST = 64 * 2**20  # bytes of an answer; the attention of long sentences is large
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


def _quiet():
    """Inside, TensorFlow's first lines are not printed; they ignore its log level.

    The silencer of keras_attention is loaded by its path, which imports nothing else. Where it
    is not installed, the lines are printed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
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
    if __name__ != "__main__":
        raise
    sys.exit(
        f"grpc_client.py: error: the package {missing.name!r} is missing; install it in a clone of "
        "the repository with: pip install '.[serving]'"
    )


def request(texts, model, signature="serving_default", version=None, label=None):
    """A `PredictRequest`, for the model's highest version or the one asked for."""
    made = predict_pb2.PredictRequest()
    made.model_spec.name = model
    made.model_spec.signature_name = signature
    if version is not None:
        made.model_spec.version.value = version
    elif label is not None:
        made.model_spec.version_label = label
    texts = [text.encode("utf-8") for text in texts]
    made.inputs["text"].CopyFrom(tf.make_tensor_proto(texts, tf.string, [len(texts)]))
    return made


def rows(response):
    """The answer as for REST: for every text the outputs by name, as nested lists."""
    arrays = {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
    if len({array.shape[:1] for array in arrays.values()}) != 1:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise client.ServingError(f"Expected outputs with one row per text, received {shapes}.")
    lists = {name: _plain(array) for name, array in arrays.items()}
    return [dict(zip(lists, row)) for row in zip(*lists.values())]


def _plain(array):
    if array.dtype != object:
        return array.tolist()
    texts = [text.decode("utf-8", "replace") for text in array.ravel()]
    strings = array.copy()
    strings.ravel()[:] = texts
    return strings.tolist()


def connect(server):
    """A channel to `HOST:PORT`, without encryption."""
    options = [("grpc.max_receive_message_length", LARGEST)]
    if server.rpartition(":")[0] in _LOCAL:
        # A proxy for the world outside knows nothing of this machine.
        options.append(("grpc.enable_http_proxy", 0))
    return grpc.insecure_channel(server, options)


def predict(texts, channel, model, signature="serving_default", timeout=30.0, **which):
    """Asks the server.

    Args:
        texts: a list of strings.
        channel: of `connect`.
        model, signature: names.
        timeout: how many seconds to wait.
        **which: `version` or `label`.

    Returns:
        For every text the outputs by name.

    Raises:
        client.ServingError: where no answer comes.
    """
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    try:
        return rows(stub.Predict(request(texts, model, signature, **which), timeout=timeout))
    except grpc.RpcError as error:
        code = error.code()
        hints = {
            grpc.StatusCode.UNAVAILABLE: "Is the server running (docker compose -f "
            "export/serving/compose.yaml up), is --server right, or is the server busy?",
            grpc.StatusCode.NOT_FOUND: "Is the name of the model, and its version, as in "
            "models.config, and is it loaded?",
            grpc.StatusCode.DEADLINE_EXCEEDED: f"No answer came in {timeout:g} seconds; allow more "
            "with --timeout.",
            grpc.StatusCode.RESOURCE_EXHAUSTED: "Send fewer sentences at once, with --batch.",
        }
        raise client.ServingError(
            f"{model} answers {code.name}: {error.details()} {hints.get(code, '')}"
        ) from error


def main(arguments=None):
    args = client.parser(__doc__, "localhost:8500").parse_args(arguments)
    which = {"version": args.version, "label": args.label}
    with connect(args.server) as channel:
        client.main(
            args,
            lambda texts: predict(
                texts, channel, args.model, args.signature, args.timeout, **which
            ),
        )


if __name__ == "__main__":
    main()
