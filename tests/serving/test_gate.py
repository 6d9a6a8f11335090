"""What a server in Python is protected from."""

import asyncio
import json

import pytest

POST = {"type": "http", "method": "POST"}


async def application(scope, receive, send):
    """Says how many bytes it got, if any."""
    body = (await receive())["body"] if scope.get("method") == "POST" else b""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % len(body)})


def parts(*given, pause=0.0):
    """What a server receives of a body."""
    left = list(given)

    async def receive():
        await asyncio.sleep(pause)
        body = left.pop(0) if left else b""
        return {"type": "http.request", "body": body, "more_body": bool(left)}

    return receive


async def ask(gate, receive, scope=POST):
    sent = []

    async def send(message):
        sent.append(message)

    await gate(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.fixture
def gate(module):
    return module("gate").Gate(application, largest=10, most=2, seconds=0.5)


def test_a_body_arrives_whole(gate):
    assert asyncio.run(ask(gate, parts(b"abc", b"", b"defghij"))) == (200, b"10")
    assert asyncio.run(ask(gate, parts(b""))) == (200, b"0")
    assert asyncio.run(ask(gate, parts(), {"type": "http", "method": "GET"})) == (200, b"0")


def test_a_body_that_is_too_large(gate):
    status, body = asyncio.run(ask(gate, parts(*[b"abc"] * 1_000)))
    assert (status, json.loads(body)) == (413, {"error": "the request is larger than 10 bytes"})


def test_a_body_that_does_not_arrive(gate):
    status, body = asyncio.run(ask(gate, parts(b"a", b"b", b"c", pause=0.3)))
    assert status == 408 and b"did not arrive in 0.5 seconds" in body


def test_too_many_requests_at_once(gate):
    async def all_at_once():
        slow = [ask(gate, parts(b"a", pause=0.1)) for _ in range(5)]
        return [status for status, _ in await asyncio.gather(*slow)]

    assert sorted(asyncio.run(all_at_once())) == [200, 200, 429, 429, 429]
    # Those that are answered make room.
    assert asyncio.run(ask(gate, parts(b"a")))[0] == 200
