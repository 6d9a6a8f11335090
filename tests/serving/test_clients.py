"""The clients of `export/serving`, against a server that answers as TensorFlow Serving does."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("tensorflow_serving", reason="needs the extra serving: tensorflow-serving-api")
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.serving.conftest import SERVING
from tests.support.mirror import POISON, said
from tests.support.model_server import ModelServer, fill, serve_grpc, serve_rest
from tests.support.scripted_server import http, scripted_server

TEXTS = ["In the beginning", "a", "", "Émile aime 日本 \N{SNOWMAN}"]
CONFIG = """
model_config_list { config {
  name: "translate" base_path: "/models/translate" model_platform: "tensorflow"
  model_version_policy { specific { versions: 1 versions: 2 } }
  version_labels { key: "stable" value: 1 }
} }
"""


@pytest.fixture(scope="module")
def server(models):
    """With sentences of others in every batch, which make every answer wider than it need be."""
    return ModelServer(CONFIG, models, neighbours=[b"one two three four five six seven"])


@pytest.fixture(scope="module")
def rest(server):
    with serve_rest(server.rest) as address:
        yield address


@pytest.fixture(scope="module")
def rpc(server):
    with serve_grpc(server.predict) as address:
        yield address


@pytest.fixture(params=["rest_client", "grpc_client"])
def client(request, run, server):
    """Either client, as `client(*arguments)`, and the address it needs."""
    address = request.getfixturevalue("rest" if request.param == "rest_client" else "rpc")
    server.requests.clear()

    def start(*arguments, server=address):
        return run(request.param, *arguments, "--server", server)

    return SimpleNamespace(name=request.param, run=start)


def test_a_translation_with_its_alignment(client):
    code, out, err = client.run("the black cat", "Hi")
    assert (code, err) == (0, "")
    assert out == (
        "the black cat\n"
        "  -> CAT BLACK THE   (score -6.00)\n"
        "            │  │  ┌ cat\n"
        "            │  ┌ black\n"
        "            ┌ the\n"
        "       CAT ┤·  ·  ███\n"
        "     BLACK ┤·  ███·\n"
        "       THE ┤███·  ·\n"
        "\n"
        "Hi\n"
        "  -> HI   (score -2.00)\n"
        "         Hi\n"
        "     HI ┤███\n"
        "\n"
    )


def test_plain_gives_a_line_a_text(client):
    code, out, err = client.run("--plain", "--batch", "3", *TEXTS)
    assert (code, out.splitlines(), err) == (0, [said(text) for text in TEXTS], "")


@pytest.mark.parametrize(
    ("which", "score"),
    [((), "-4.00"), (("--version", "1"), "-2.00"), (("--label", "stable"), "-2.00")],
)
def test_versions_and_labels(client, which, score):
    code, out, _ = client.run("a b", *which)
    assert code == 0 and f"-> B A   (score {score})" in out


def test_several_hypotheses(client):
    code, out, _ = client.run("--signature", "beam", "a b")
    assert code == 0
    assert out == (
        "a b\n"
        "  -> B A   (score -4.00)\n"
        "        a b\n"
        "     B ┤· ██\n"
        "     A ┤██·\n"
        "  -> A B   (score -4.50)\n"
        "        a b\n"
        "     A ┤██·\n"
        "     B ┤· ██\n"
        "\n"
    )


def test_lines_of_the_input(client, server, monkeypatch):
    lines = b"one two\r\n\n\xc3\xa9t\xc3\xa9\nlast"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    code, out, _ = client.run("--plain", "--batch", "2")
    assert (code, out) == (0, "TWO ONE\n\nÉTÉ\nLAST\n")
    assert len(server.requests) == 2

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9\n")))
    code, out, err = client.run("--plain")
    assert (code, out) == (1, "") and r"expected UTF-8, received 'caf\udce9'" in err


def test_what_the_server_refuses(client):
    for arguments, words in (
        (("--model", "nope"), ("Servable not found for request: Latest(nope)", "models.config")),
        (("--version", "7"), ("Servable not found for request: Specific(translate, 7)",)),
        (("--label", "nope"), ("Unrecognized servable version label: nope",)),
        (("--signature", "nope"), ("not found in signature def",)),
        ((POISON,), ("this word is poison",)),
        (("--batch", "0"), ("--batch: expected a number above 0, received 0",)),
    ):
        code, out, err = client.run("text", *arguments)
        assert (code, out) == (1, ""), arguments
        assert err.startswith(f"{client.name}.py: error: ") and err.count("\n") == 1
        for word in words:
            assert word in err
    assert ("400" if client.name == "rest_client" else "INVALID_ARGUMENT") in client.run(POISON)[2]


def test_no_server_and_one_that_is_slow(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    answered = threading.Event()

    def slow(*_):
        answered.wait(5)
        return predict_pb2.PredictResponse() if client.name == "grpc_client" else {}

    http = "http://" if client.name == "rest_client" else ""
    code, out, err = client.run("text", server=http + nobody)
    assert (code, out) == (1, "") and "Is the server running" in err and err.count("\n") == 1
    with serve_rest(slow) if http else serve_grpc(slow) as address:
        code, out, err = client.run("text", "--timeout", "0.2", server=address)
        answered.set()
    assert (code, out) == (1, "") and "allow more with --timeout" in err and err.count("\n") == 1


def test_an_answer_of_another_model(run):
    ids = {"sequences": [4, 5, 2], "scores": -1.0}
    for answer, words in (
        ({"predictions": [ids]}, "without texts, source_tokens, target_tokens, attention"),
        ({"predictions": [[1, 2]]}, "The model answers with list"),
        ({"predictions": []}, "1 texts were sent, 0 answers came"),
        (b"<html>", "not as TensorFlow Serving does: b'<html>'"),
        ([1], "not as TensorFlow Serving does"),
    ):
        with serve_rest(lambda path, body, answer=answer: answer) as address:
            code, out, err = run("rest_client", "text", "--server", address)
        assert (code, out) == (1, "") and words in err, err
    code, _, err = run("rest_client", "text", "--server", "localhost")
    assert code == 1 and "--server: expected an address such as http://localhost:8501" in err


def test_headers_go_along(run):
    with scripted_server(lambda: [http(b"{}")]) as (address, requests):
        arguments = ("--header", "Host: a.b", "--header", "authorization:Bearer c:d")
        run("rest_client", "x", "--server", f"http://{address}", *arguments)
    (request,) = requests
    assert b"\r\nHost: a.b\r\n" in request and b"\r\nAuthorization: Bearer c:d\r\n" in request
    assert run("rest_client", "x", "--header", "nothing")[0] == 2


def test_padding_is_left_out_wherever_it_is(module):
    client = module("client")
    row = {
        "texts": "A B",
        "scores": -1.0,
        "source_tokens": ["x", "", "y", ""],
        "target_tokens": ["", "A", "B", ""],
        "attention": [[0.0] * 4, [0.1, 0.0, 0.9, 0.0], [0.8, 0.0, 0.2, 0.0], [0.0] * 4],
    }
    (found,) = client.translations(row)
    assert found == module("answers").Hypothesis(
        "A B", -1.0, ["A", "B"], [[0.1, 0.9], [0.8, 0.2]], ["x", "y"]
    )


def test_control_characters_reach_no_terminal(module, capsys):
    client = module("client")
    row = {
        "texts": "a\x1b[2J",
        "scores": -1.0,
        "source_tokens": ["\x1b[2J"],
        "target_tokens": ["a\r"],
        "attention": [[1.0]],
    }
    arguments = SimpleNamespace(texts=["x\x07"], batch=1, timeout=1.0, plain=False)
    client.main(arguments, lambda texts: [row])
    assert not set(capsys.readouterr().out) & set("\x1b\r\x07")


def test_rest_needs_the_standard_library_alone(rest):
    # Without site-packages, and with an output that has no shades.
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-S", SERVING / "rest_client.py", "--server", rest, "été"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("?t?\n  -> ?T?   (score -2.00)\n")


# ---- what the clients send is what the signatures declare


def test_both_clients_send_the_same_tensors(module, server):
    rest, rpc, grpc_client = module("rest_client"), module("rpc"), module("grpc_client")
    definition = server.models["translate"][1].definitions["serving_default"]
    info = definition.inputs["text"]
    for texts in (TEXTS, TEXTS[:1]):
        body = json.loads(json.dumps(rest.body(texts, "serving_default")))
        from_rest = predict_pb2.PredictRequest()
        assert fill(from_rest, body, definition)
        from_rpc = rpc.request(grpc_client.inputs(texts), rpc.Model("translate"))
        assert set(from_rest.inputs) == set(from_rpc.inputs) == set(definition.inputs) == {"text"}
        for request in (from_rest, from_rpc):
            proto = request.inputs["text"]
            assert proto.dtype == info.dtype == tf.string.as_datatype_enum
            shape = tf.TensorShape(proto.tensor_shape)
            assert shape == [len(texts)] and shape.is_compatible_with(info.tensor_shape)
            assert [t.decode() for t in tf.make_ndarray(proto)] == texts


def test_the_requests_name_model_version_and_signature(module):
    rest, rpc = module("rest"), module("rpc")
    made = rpc.request({}, rpc.Model("m", "beam", version=3)).model_spec
    assert (made.name, made.signature_name, made.version.value) == ("m", "beam", 3)
    made = rpc.request({}, rpc.Model("m", label="stable")).model_spec
    assert made.version_label == "stable" and not made.HasField("version")
    assert not rpc.request({}, rpc.Model("m")).model_spec.WhichOneof("version_choice")
    assert rest.url("http://h:1/", "a b") == "http://h:1/v1/models/a%20b:predict"
    assert rest.url("http://h:1", "m", version=3) == "http://h:1/v1/models/m/versions/3:predict"
    assert rest.url("http://h:1", "m", label="x") == "http://h:1/v1/models/m/labels/x:predict"


def test_rows_and_columns_hold_the_same(server):
    texts = ["a b c", "d"]
    path = "/v1/models/translate:predict"
    rows = server.rest(path, {"instances": texts})["predictions"]
    assert rows == server.rest(path, {"instances": [{"text": t} for t in texts]})["predictions"]
    columns = server.rest(path, {"inputs": {"text": texts}})["outputs"]
    assert {name: [row[name] for row in rows] for name in rows[0]} == columns
    with pytest.raises(Exception, match="not of expected type: string"):
        server.rest(path, {"instances": [{"text": 5}]})
    with pytest.raises(Exception, match="does not have named input: tokens"):
        server.rest(path, {"instances": [{"tokens": [4, 5]}]})
