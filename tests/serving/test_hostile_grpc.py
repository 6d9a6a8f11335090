"""What a server may send over gRPC: each ends in one line, in time, and commands no terminal."""

import contextlib
import itertools
import time
from concurrent import futures

import pytest

pytest.importorskip("tensorflow_serving", reason="needs the extra serving: tensorflow-serving-api")
import grpc
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

from tests.support.model_server import running
from tests.support.scripted_server import http, scripted_server
from tests.support.terminals import HOSTILE, is_harmless

TIMEOUT = 0.8
HUGE = 10**10
ROW = {
    "texts": [b"le chat"],
    "scores": [-1.5],
    "source_tokens": [[b"the", b"cat", b""]],
    "target_tokens": [[b"le", b"chat", b""]],
    "attention": [[[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 0.0]]],
}


def proto(value):
    if isinstance(value, tensor_pb2.TensorProto):
        return value
    return tf.make_tensor_proto(value)


def response(**different):
    """The answer for one text; None leaves an output out."""
    made = predict_pb2.PredictResponse()
    for name, value in {**ROW, **different}.items():
        if value is not None:
            made.outputs[name].CopyFrom(proto(value))
    return made


def tensor(dtype, *sizes, **values):
    """A `TensorProto` that claims a shape and holds what it holds."""
    made = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, **values)
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


def unknown_rank():
    made = tensor(tf.float32, float_val=[1.0])
    made.tensor_shape.unknown_rank = True
    return made


AS_MANY, A_TENSOR = "expected as many values as its shape ", "expected a tensor of strings or float"
# Answers that are none, by how they differ from `ROW`, and what the error says.
ANSWERS = {
    "37 GiB of floats": ({"attention": tensor(tf.float32, 1, HUGE, float_val=[0.5])}, AS_MANY),
    "37 GiB of strings": ({"target_tokens": tensor(tf.string, 1, HUGE, string_val=[b"a"])},
                          AS_MANY),
    "37 GiB of doubles": ({"scores": tensor(tf.float64, HUGE, double_val=[0.5])}, AS_MANY),
    "37 GiB of content": ({"attention": tensor(tf.float32, 1, HUGE, tensor_content=b"abcd")},
                          AS_MANY),
    "37 GiB of nothing": ({"attention": tensor(tf.float32, 1, HUGE)}, AS_MANY),
    "2**80 values": ({"attention": tensor(tf.float32, 2**40, 2**40, float_val=[0.5])}, AS_MANY),
    "fewer values": ({"scores": tensor(tf.float32, 2, float_val=[0.5])}, AS_MANY),
    "more values": ({"scores": tensor(tf.float32, 1, float_val=[0.5] * 9)}, AS_MANY),
    "odd content": ({"scores": tensor(tf.float32, 1, tensor_content=b"abcde")}, "expected a tens"),
    "content of strings": ({"texts": tensor(tf.string, 1, tensor_content=b"abc")}, AS_MANY),
    "negative sizes": ({"scores": tensor(tf.float32, -1, -1, float_val=[0.5])}, A_TENSOR),
    "unknown rank": ({"scores": unknown_rank()}, A_TENSOR),
    "scalar": ({"scores": -1.5}, A_TENSOR),
    "300 dimensions": ({"scores": tensor(tf.float32, *[1] * 300, float_val=[0.5])}, "scores: "),
    "integers": ({"scores": [7]}, A_TENSOR),
    "variants": ({"scores": tensor(tf.variant, 1)}, A_TENSOR),
    "resources": ({"scores": tensor(tf.resource, 1)}, A_TENSOR),
    "no type": ({"scores": tensor_pb2.TensorProto()}, A_TENSOR),
    "type 9999": ({"scores": tensor_pb2.TensorProto(dtype=9999)}, A_TENSOR),
    "texts of floats": ({"texts": [1.0]}, "texts: expected a string, received float"),
    "tokens of floats": ({"target_tokens": [[1.0]]}, "target_tokens: expected a string"),
    "weights of strings": ({"attention": [[[b"a"] * 3] * 3]}, "attention: expected a number"),
    "scores of strings": ({"scores": [b"a"]}, "scores: expected a number, received str"),
    "weights, one per token": ({"attention": [[0.5, 0.5, 0.5]]}, "attention: expected a list"),
    "too few weights": ({"attention": [[[0.5] * 3]]}, "weights per target token (3), received 1"),
    "narrow weights": ({"attention": [[[0.5]] * 3]}, "a weight per source token (3), received 1"),
    "rows that differ": ({"scores": [1.0, 2.0]}, "Expected outputs with one row per input"),
    "too many rows": ({n: v * 2 for n, v in ROW.items()}, "1 texts were sent, 2 answers came"),
    "no rows": ({n: tensor(tf.string, 0) for n in ROW}, "1 texts were sent, 0 answers came"),
    "no outputs": (dict.fromkeys(ROW), "Expected texts, scores, source_tokens"),
    "no attention": ({"attention": None}, "without attention: expected an artifact"),
    "ids": ({**dict.fromkeys(ROW), "\x1b[2J": [[1]]}, "received ␛[2J"),
    "10,001 tokens": ({"target_tokens": [[b"a"] * 10_001]}, "at most 10,000 tokens"),
    "100,001 characters": ({"texts": [b"x" * 100_001]}, "at most 100,000 characters"),
}  # fmt: skip
Code = grpc.StatusCode
STATUSES = {
    "threads": (Code.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted",
                "raise the server's --grpc_max_threads"),
    "size": (Code.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)", "send less at"),
    "queue": (Code.UNAVAILABLE, "The batch scheduling queue is full", "raise max_enqueued_batches"),
    "name": (Code.NOT_FOUND, "Servable not found", "as in models.config"),
    "late": (Code.DEADLINE_EXCEEDED, "", "No answer came in 0.8 seconds; allow more with"),
    "hostile": (Code.INTERNAL, HOSTILE.replace("\ud800", ""), "answers INTERNAL: ␛[31mred"),
    "long": (Code.INTERNAL, "x" * 3_000, "answers INTERNAL: xxx"),
    "nothing": (Code.UNKNOWN, "", "answers UNKNOWN:"),
    "password": (Code.UNAUTHENTICATED, "no", "answers UNAUTHENTICATED: no"),
}  # fmt: skip
# Messages that are no `PredictResponse`.
MESSAGES = {
    "bytes": b"\xff" * 100,
    "cut": response().SerializeToString()[:-7],
    "text": b"HTTP/1.1 200 OK",
    "deep": b"".join(itertools.repeat(b"\x0b", 10_000)),
}
CONNECTIONS = {
    "closed": lambda: [],
    "silence": lambda: [20.0],
    "a web server": lambda: [http(b"hello")],
    "bytes": lambda: [bytes(range(256)) * 9],
}


class _AnyService(grpc.GenericRpcHandler):
    """Gives the bytes of `answer(context)`, whatever it is asked."""

    def __init__(self, answer):
        self._answer = answer

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: self._answer(context))


@contextlib.contextmanager
def served(answer):
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[_AnyService(answer)])
    with running(server) as address:
        yield address


def translate(run, address, client="grpc_client", given="the cat"):
    began = time.monotonic()
    ran = run(client, given, "--server", address, "--timeout", TIMEOUT)
    return ran, time.monotonic() - began


def check(ran, words, client="grpc_client"):
    (code, out, err), seconds = ran
    assert code == 1 and out == "", ran
    assert err.startswith(f"{client}.py: error: ")
    assert err.count("\n") == 1 and is_harmless(err.rstrip("\n")) and len(err) < 700
    assert words in err, err
    assert seconds < TIMEOUT + 5


def test_the_row_itself_is_shown(run):
    with served(lambda context: response().SerializeToString()) as address:
        (code, out, err), _ = translate(run, address)
    assert (code, err) == (0, "") and "-> le chat   (score -1.50)" in out and "█" in out


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_wrong_types_and_shapes(run, name):
    different, words = ANSWERS[name]
    content = response(**different).SerializeToString()
    with served(lambda context: content) as address:
        check(translate(run, address), words)


@pytest.mark.parametrize("name", STATUSES)
def test_statuses(run, name):
    code, details, words = STATUSES[name]
    with served(lambda context: context.abort(code, details)) as address:
        check(translate(run, address), words)


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_that_are_no_answer(run, name):
    with served(lambda context: MESSAGES[name]) as address:
        check(translate(run, address), "translate answers INTERNAL: ")


@pytest.mark.parametrize("name", CONNECTIONS)
def test_servers_of_another_protocol(run, name):
    with scripted_server(CONNECTIONS[name]) as (address, _):
        check(translate(run, address), "translate answers ")


def test_a_message_that_is_too_large(run, module, monkeypatch):
    monkeypatch.setattr(module("rpc"), "LARGEST", 2**20)
    content = response(more=[b"x" * 2**21]).SerializeToString()
    with served(lambda context: content) as address:
        check(translate(run, address), "The message is too large: send less at once.")


def test_an_output_that_nobody_asked_for_is_not_read(run):
    more = tensor(tf.float32, HUGE, float_val=[0.5])
    with served(lambda context: response(more=more).SerializeToString()) as address:
        (code, out, _), _ = translate(run, address)
    assert code == 0 and "-> le chat" in out


def test_what_is_shown_commands_no_terminal(run):
    hostile = HOSTILE.replace("\ud800", "").encode() + b"\xff"
    content = response(texts=[hostile], target_tokens=[[hostile, b"b", b""]]).SerializeToString()
    with served(lambda context: content) as address:
        (code, out, err), _ = translate(run, address)
    assert (code, err) == (0, "") and "␛[31mred" in out
    assert is_harmless(out.replace("\n", ""))


@pytest.mark.parametrize("name", ["37 GiB of floats", "weights of strings", "narrow weights"])
def test_answers_for_images(run, name, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    content = response(**ANSWERS[name][0]).SerializeToString()
    with served(lambda context: content) as address:
        ran = translate(run, address, "grpc_caption_client", tmp_path / "photo.png")
    check(ran, "attention: expected ", "grpc_caption_client")
