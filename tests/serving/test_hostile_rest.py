"""What a server may send over HTTP: each ends in one line, in time, and commands no terminal."""

import itertools
import json
import resource
import time

import pytest

from tests.support.scripted_server import RESET, http, scripted_server, slowly
from tests.support.terminals import HOSTILE, is_harmless

TIMEOUT = 0.6
ROW = {
    "texts": "le chat",
    "scores": -1.5,
    "source_tokens": ["the", "cat", ""],
    "target_tokens": ["le", "chat", ""],
    "attention": [[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.0, 0.0, 0.0]],
}
IMAGE_ROW = {**ROW, "attention": [[[0.5, 0.5], [0.0, 0.0]]] * 3}
PNG = b"\x89PNG\r\n\x1a\n"


def answer(value):
    return http(json.dumps(value).encode())


def rows(*given):
    return answer({"predictions": list(given)})


# Rows that are none: what is different from `ROW`, and what the error says.
ROWS = {
    "text: number": ({"texts": 7}, "texts: expected a string, received int"),
    "text: null": ({"texts": None}, "texts: expected a string, received NoneType"),
    "text: base64": ({"texts": {"b64": "YQ=="}}, "texts: expected a string, received dict"),
    "text: lists": ({"texts": [["a"]], "scores": [1], "target_tokens": [[]], "attention": [[]]},
                    "texts: expected a string, received list"),
    "text: several, one score": ({"texts": ["a", "b"]}, "scores: expected a list, received float"),
    "text: none, one score": ({"texts": []}, "scores: expected a list, received float"),
    "text: long": ({"texts": "x" * 100_001}, "texts: expected at most 100,000 characters"),
    "scores: string": ({"scores": "-1.5"}, "scores: expected a number, received str"),
    "scores: boolean": ({"scores": True}, "scores: expected a number, received bool"),
    "scores: list": ({"scores": [-1.5]}, "scores: expected a number, received list"),
    "scores: object": ({"scores": {}}, "scores: expected a number, received dict"),
    "scores: 400 digits": ({"scores": 10**400}, "received one of hundreds of digits"),
    "scores: too few": ({"texts": ["a", "b"], "scores": [1], "target_tokens": [[], []],
                         "attention": [[], []]}, "scores: expected one per text (2)"),
    "hypotheses: many": ({"texts": [""] * 1001, "scores": [0] * 1001, "attention": [[]] * 1001,
                          "target_tokens": [[]] * 1001}, "at most 1000, received 1001"),
    "source_tokens: string": ({"source_tokens": "the"}, "source_tokens: expected a list"),
    "source_tokens: null": ({"source_tokens": None}, "source_tokens: expected a list"),
    "source_tokens: numbers": ({"source_tokens": [1, 2, 3]}, "source_tokens: expected a string"),
    "source_tokens: lists": ({"source_tokens": [["a"]]}, "source_tokens: expected a string"),
    "source_tokens: many": ({"source_tokens": ["a"] * 10_001}, "at most 10,000 tokens"),
    "target_tokens: number": ({"target_tokens": 5}, "target_tokens: expected a list"),
    "target_tokens: null": ({"target_tokens": ["a", None]}, "target_tokens: expected a string"),
    "target_tokens: many": ({"target_tokens": ["a"] * 10_001}, "at most 10,000 tokens"),
    "target_tokens: long": ({"target_tokens": ["x" * 100_001]}, "at most 100,000 characters"),
    "target_tokens: more than weights": ({"target_tokens": ["a"] * 4},
                                         "attention: expected weights per target token (4)"),
    "attention: number": ({"attention": 0.5}, "attention: expected a list, received float"),
    "attention: object": ({"attention": {"0": [1]}}, "attention: expected a list, received dict"),
    "attention: flat": ({"attention": [0.1, 0.2, 0.3]}, "attention: expected a list"),
    "attention: narrow": ({"attention": [[0.5]] * 3}, "a weight per source token (3), received 1"),
    "attention: ragged": ({"attention": [[1, 0, 0], [1], [0]]}, "source token (3), received 1"),
    "attention: strings": ({"attention": [["a", "b", "c"]] * 3}, "attention: expected a number"),
    "attention: booleans": ({"attention": [[True] * 3] * 3}, "attention: expected a number"),
    "attention: maps": ({"attention": [[[0.5]] * 3] * 3}, "attention: expected a number"),
    "attention: 400 digits": ({"attention": [[10**400] * 3] * 3}, "hundreds of digits"),
}  # fmt: skip
# The same for images, whose attention is a map per word.
IMAGE_ROWS = {
    "map: flat": ({"attention": [[0.5, 0.5]] * 3}, "attention: expected a list, received float"),
    "map: number": ({"attention": [1, 2, 3]}, "attention: expected a list, received int"),
    "map: empty": ({"attention": [[]] * 3}, "attention: expected a map (h, w) per token"),
    "map: empty rows": ({"attention": [[[], []]] * 3}, "expected a map (h, w) per token"),
    "map: ragged": ({"attention": [[[1], [1, 2]]] * 3}, "expected a map (h, w) per token"),
    "map: strings": ({"attention": [[["a"]]] * 3}, "attention: expected a number, received str"),
    "map: deeper": ({"attention": [[[[1]]]] * 3}, "attention: expected a number, received list"),
    "map: too few": ({"attention": [[[1]]]}, "weights per target token (3), received 1"),
}
# Bodies that are no answer of TensorFlow Serving.
NO_ROW = "The model answers with "
NOT_SERVING = "answers, but not as TensorFlow Serving does: "
BODIES = {
    "list": (b"[]", NOT_SERVING),
    "object": (b"{}", NOT_SERVING),
    "null": (b"null", NOT_SERVING),
    "number": (b"5", NOT_SERVING),
    "string": (b'"predictions"', NOT_SERVING),
    "empty": (b"", NOT_SERVING),
    "HTML": (b"<html>\x1b[2J</html>", NOT_SERVING),
    "binary": (bytes(range(256)), NOT_SERVING),
    "no UTF-8": (b'{"predictions": ["\xff\xfe"]}', NOT_SERVING),
    "cut": (b'{"predictions": [{"texts": "a', NOT_SERVING),
    "columns": (b'{"outputs": {"texts": ["a"]}}', NOT_SERVING),
    "100,000 brackets": (b"[" * 100_000, NOT_SERVING),
    "100,000 objects": (b'{"predictions":' * 100_000, NOT_SERVING),
    "5,000 digits": (b'{"predictions": ' + b"9" * 5_000 + b"}", NOT_SERVING),
    "predictions: null": (b'{"predictions": null}', "a list of answers, received NoneType"),
    "predictions: number": (b'{"predictions": 1}', "a list of answers, received int"),
    "predictions: object": (b'{"predictions": {"a": 1}}', "a list of answers, received dict"),
    "predictions: string": (b'{"predictions": "a"}', "a list of answers, received str"),
    "predictions: none": (b'{"predictions": []}', "1 texts were sent, 0 answers came"),
    "predictions: two": (b'{"predictions": [{}, {}]}', "1 texts were sent, 2 answers came"),
    "row: list": (b'{"predictions": [[1, 2]]}', NO_ROW + "list, without texts"),
    "row: string": (b'{"predictions": ["texts"]}', NO_ROW + "str, without texts"),
    "row: null": (b'{"predictions": [null]}', NO_ROW + "NoneType, without texts"),
    "row: number": (b'{"predictions": [1.5]}', NO_ROW + "float, without texts"),
    "row: of ids": (b'{"predictions": [{"sequences": [4]}]}', NO_ROW + "sequences, without texts"),
    "row: 10,000 names": (
        json.dumps({"predictions": [dict.fromkeys(map(str, range(10_000)))]}).encode(),
        NO_ROW + "0, 1, ",
    ),
}
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
OPEN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
UNREACHABLE, NO_HTTP = "cannot be reached: ", "answers, but not as a web server does: "
LATE, LARGE = "gave no answer in 0.6 seconds; allow more with --timeout", "larger than 1 MiB"
# Scripts of a connection.
CONNECTIONS = {
    "closed": (lambda: [], UNREACHABLE),
    "reset": (lambda: [RESET], UNREACHABLE),
    "reset in the body": (lambda: [LENGTH % 99 + b"{", 0.05, RESET], ""),
    "no status line": (lambda: [b"\0\1\2\x1b[2J\r\n\r\n"], NO_HTTP),
    "another protocol": (lambda: [b"220 mail.example ESMTP\r\n"], NO_HTTP),
    "half a status line": (lambda: [b"HTTP/1.1 2"], NO_HTTP),
    "a word for a status": (lambda: [b"HTTP/1.1 good OK\r\n\r\n"], NO_HTTP),
    "status 99999": (lambda: [b"HTTP/1.1 99999 OK\r\n\r\n"], NO_HTTP),
    "a line of 100,000": (lambda: [b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000], NO_HTTP),
    "1,000 headers": (lambda: [b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1_000], NO_HTTP),
    "endless headers": (lambda: itertools.chain([OPEN[:-2]], itertools.repeat(b"A: b\r\n" * 9)),
                        NO_HTTP),
    "endless 100 Continue": (lambda: itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n"), LATE),
    "length -5": (lambda: [LENGTH % -5 + b"x"], NOT_SERVING),
    "length of letters": (lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n"], NOT_SERVING),
    "length too large": (lambda: [LENGTH % 99 + b"{}"], NOT_SERVING),
    "length of an exabyte": (lambda: [LENGTH % 10**18 + b"{}"], LARGE),
    "chunk of letters": (lambda: [CHUNKED + b"xyz\r\n{}\r\n0\r\n\r\n"], NO_HTTP),
    "chunk of -5": (lambda: [CHUNKED + b"-5\r\n{}\r\n0\r\n\r\n"], NO_HTTP),
    "chunk of an exabyte": (lambda: [CHUNKED + b"de0b6b3a7640000\r\n{}"], NO_HTTP),
    "endless chunks": (lambda: itertools.chain([CHUNKED], itertools.repeat(
        b"10000\r\n" + b"x" * 2**16 + b"\r\n")), LARGE),
    "endless body": (lambda: itertools.chain([OPEN], itertools.repeat(b" " * 2**16)), LARGE),
    "gzip": (lambda: [http(b"\x1f\x8b\x08\x00", "200 OK", "Content-Encoding: gzip")], NOT_SERVING),
    "silence": (lambda: [5.0], LATE),
    "bytes of a status line": (lambda: slowly(b"HTTP/1.1 200 OK" + b"x" * 99), LATE),
    "bytes of a header": (lambda: itertools.chain([OPEN[:-4]], slowly(b"x" * 99)), LATE),
    "bytes of a body": (lambda: itertools.chain([OPEN], slowly(b" " * 99)), LATE),
    "bytes of a known length": (lambda: itertools.chain([LENGTH % 99], slowly(b" " * 99)), LATE),
    "bytes of chunks": (lambda: itertools.chain([CHUNKED], slowly(b"1\r\n \r\n" * 99)), LATE),
    "bytes of a refusal": (lambda: itertools.chain(
        [b"HTTP/1.1 400 Bad\r\n\r\n"], slowly(b"x" * 99)), " answers 400: Bad Request"),
    "endless refusal": (lambda: itertools.chain(
        [b"HTTP/1.1 500 Bad\r\n\r\n"], itertools.repeat(b"x" * 2**16)), " answers 500: xxx"),
}  # fmt: skip
# Statuses that are not 200, and what the person is told to do.
STATUSES = {
    "401": (http(b"\x1b[2J", "401 No"), "401: ␛[2J Does a gateway ask for a password?"),
    "403": (http(b"no", "403 No"), "403: no Does a gateway ask for a password?"),
    "404": (http(b"", "404 No"), "404: Not Found Is the name of the model"),
    "413": (http(b"", "413 No"), "Send less at once."),
    "429": (http(b"", "429 No"), "raise max_enqueued_batches in batching_params.pbtxt, the limit"),
    "503": (http(b"", "503 No"), "raise max_enqueued_batches in batching_params.pbtxt."),
    "504": (http(b"", "504 No"), "raise its --rest_api_timeout_in_ms."),
    "error: hostile": (http(json.dumps({"error": HOSTILE}).encode(), "400 Bad"), "400: ␛[31mred"),
    "error: long": (http(json.dumps({"error": "x" * 99_000}).encode(), "400 Bad"), "400: xxx"),
    "error: object": (http(b'{"error": {"a": [1]}}', "500 Bad"), "500: {'a': [1]}"),
    "error: brackets": (http(b"[" * 90_000, "500 Bad"), "500: [[["),
    "reason: hostile": (http(b"", "500 \x1b[2J\u0085"), "500: Internal Server Error"),
    "204": (http(b"", "204 No Content"), "answers 204"),
    "206": (rows(ROW).replace(b"200 OK", b"206 Partial"), "answers 206"),
}


def check(ran, words, began):
    code, out, err = ran
    assert code == 1 and out == "", ran
    assert err.startswith(("rest_client.py: error: ", "caption_client.py: error: "))
    assert err.count("\n") == 1 and is_harmless(err.rstrip("\n")) and len(err) < 700
    assert words in err, err
    # The scripts that send byte after byte would take 20 seconds.
    assert time.monotonic() - began < TIMEOUT + 5


def translate(run, script):
    with scripted_server(script) as (address, requests):
        began = time.monotonic()
        arguments = ("--server", f"http://{address}", "--timeout", TIMEOUT)
        return run("rest_client", "the cat", *arguments), began, requests


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(PNG)
    return path


def test_the_row_itself_is_shown(run):
    (code, out, err), *_ = translate(run, lambda: [rows(ROW)])
    assert (code, err) == (0, "") and "-> le chat   (score -1.50)" in out and "█" in out


@pytest.mark.parametrize("name", ROWS)
def test_rows_of_wrong_types_and_shapes(run, name):
    difference, words = ROWS[name]
    ran, began, _ = translate(run, lambda: [rows({**ROW, **difference})])
    check(ran, words, began)


@pytest.mark.parametrize("name", IMAGE_ROWS)
def test_rows_of_images(run, name, photo):
    difference, words = IMAGE_ROWS[name]
    with scripted_server(lambda: [rows({**IMAGE_ROW, **difference})]) as (address, _):
        began = time.monotonic()
        ran = run("caption_client", photo, "--server", f"http://{address}")
    check(ran, words, began)


@pytest.mark.parametrize("name", BODIES)
def test_bodies_of_others(run, name):
    body, words = BODIES[name]
    ran, began, _ = translate(run, lambda: [http(body)])
    check(ran, words, began)


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections(run, module, monkeypatch, name):
    monkeypatch.setattr(module("rest"), "LARGEST", 2**20)
    script, words = CONNECTIONS[name]
    ran, began, _ = translate(run, script)
    check(ran, words, began)


@pytest.mark.parametrize("name", STATUSES)
def test_statuses(run, name):
    reply, words = STATUSES[name]
    ran, began, _ = translate(run, lambda: [reply])
    check(ran, words, began)


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_redirections_are_not_followed(run, status):
    with (
        scripted_server(lambda: [rows(ROW)]) as (other, reached),
        scripted_server(lambda: [http(b"", f"{status} Go", f"Location: http://{other}/x")]) as (
            address,
            requests,
        ),
    ):
        began = time.monotonic()
        arguments = ("--server", f"http://{address}", "--header", "Authorization: Bearer secret")
        ran = run("rest_client", "the cat", *arguments)
    check(ran, f"{status}: ", began)
    assert f"redirects to http://{other}/x, which is not followed" in ran[2]
    assert reached == [] and len(requests) == 1 and b"Authorization: Bearer secret" in requests[0]
    assert "secret" not in ran[2]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/", "//\x1b[2J", "/"])
def test_redirections_to_elsewhere(run, target):
    ran, began, requests = translate(run, lambda: [http(b"", "307 Go", f"Location: {target}")])
    check(ran, "which is not followed", began)
    assert len(requests) == 1


@pytest.mark.parametrize("server", ["file:///etc", "ftp://127.0.0.1", "data:,", "http://a b", ""])
def test_addresses_that_are_no_web_servers(run, server):
    began = time.monotonic()
    check(run("rest_client", "the cat", "--server", server), "", began)


def test_a_header_that_is_none_is_not_repeated(run):
    for header in ("secret", "A: sec\nret", "A: secr\u00e9t", ": secret"):
        code, out, err = run("rest_client", "x", "--header", header)
        assert (code, out) == (2, "") and "secr" not in err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e300"])
def test_timeouts_that_are_none(run, seconds):
    check(run("rest_client", "x", "--timeout", seconds), "--timeout: expected ", time.monotonic())


SHOWN = {
    "text": ({"texts": HOSTILE}, "-> ␛[31mred␛]0;title␇␍␊�2Jgnp�[bold]�␡␀end"),
    "target token": ({"target_tokens": [HOSTILE, "b", ""]}, "␛[31mred␛]0;title"),
    "source token": ({"source_tokens": ["a", HOSTILE, ""]}, "␛[31mred␛]0;title"),
    "bidirectional": ({"texts": "a\u202e\u2066\u200f\u061cb"}, "-> ab "),
    "tags": ({"texts": "a\U000e0041\U000e007fb"}, "-> ab "),
    "score: null": ({"scores": None}, "(score nan)"),
    "score: infinite": ({"scores": float("-inf")}, "(score -inf)"),
    "weights: none": ({"attention": [[float("nan")] * 3] * 3}, "·"),
    "weights: infinite": ({"attention": [[float("inf")] * 3] * 3}, "█"),
    "no tokens": ({"target_tokens": [], "source_tokens": []}, "-> le chat"),
    "no hypotheses": ({"texts": [], "scores": [], "target_tokens": [], "attention": []}, ""),
    "more outputs": ({"debug": [[[]]], "\x1b": 1}, "-> le chat"),
    "2,000 source tokens": (
        {"source_tokens": ["word"] * 2_000, "attention": [[0] * 2_000] * 3},
        "(an alignment of 2,000 and 2 tokens is not drawn)",
    ),
}


@pytest.mark.parametrize("name", SHOWN)
def test_what_is_shown_commands_no_terminal(run, name):
    difference, words = SHOWN[name]
    (code, out, err), *_ = translate(run, lambda: [rows({**ROW, **difference})])
    assert (code, err) == (0, "") and words in out
    assert is_harmless(out.replace("\n", "").replace("\N{LEFT-TO-RIGHT MARK}", ""))
    assert len(out) < 2_000


def test_an_endless_answer_does_not_fill_the_memory(module):
    rest, answers = module("rest"), module("answers")
    script, _ = CONNECTIONS["endless body"]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (
        scripted_server(script) as (address, _),
        pytest.raises(answers.ServingError, match="larger than 64 MiB"),
    ):
        rest.ask({}, f"http://{address}/v1/models/x:predict", timeout=20.0)
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert kibibytes / 2**10 < 200
