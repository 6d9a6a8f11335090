"""One request to TensorFlow Serving's REST interface, within a time and a size.

Needs nothing but the standard library.
"""

import argparse
import http.client
import io
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import NamedTuple

from answers import BadInputError, ServingError

LARGEST = 64 * 2**20  # bytes of an answer; the attention of long sentences is large
_LARGEST_REFUSAL = 100_000
_AT_ONCE = 2**16
_LOCAL = ("localhost", "127.0.0.1", "::1")
_HINTS = {
    401: "Does a gateway ask for a password? Send it with --header.",
    403: "Does a gateway ask for a password? Send it with --header.",
    404: "Is the name of the model, and its version, as in models.config, and is it loaded?",
    413: "Send less at once.",
    429: "Too many requests at once: send fewer, or raise max_enqueued_batches in "
    "batching_params.pbtxt, the limit of the gateway, or the number of replicas.",
    503: "The server is busy or shutting down: try again later, or raise max_enqueued_batches in "
    "batching_params.pbtxt.",
    504: "The server gave up; raise its --rest_api_timeout_in_ms.",
}


class Reply(NamedTuple):
    """What a server sent: the status, the header `Location` or `""`, and the body."""

    status: int
    location: str
    content: bytes


def url(server, model, version=None, label=None):
    """Where a model answers: its highest version, or the one asked for."""
    address = f"{server.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"
    if version is not None:
        address += f"/versions/{version}"
    elif label is not None:
        address += f"/labels/{urllib.parse.quote(label, safe='')}"
    return address + ":predict"


def ask(body, address, timeout=30.0, headers=None):
    """Asks the server.

    Args:
        body: what JSON can hold, a request in the row format.
        address: of `url`.
        timeout: the seconds after which the whole request is given up.
        headers: a dictionary, such as `{"Authorization": "Bearer ..."}`. It is
            sent to this address and to no other.

    Returns:
        What the server gives as `predictions`: for every instance the outputs
        by name, as far as the server is TensorFlow Serving.

    Raises:
        BadInputError: where the server refuses the request.
        ServingError: where no answer comes, or none that can be used.
    """
    try:
        request = urllib.request.Request(
            address,
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **(headers or {})},
        )
    except ValueError as error:
        raise _wrong_address(address, error) from error
    try:
        reply = post(request, timeout)
    except http.client.InvalidURL as error:
        raise _wrong_address(address, error) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ServingError(_silence(error, address, timeout)) from error
    if reply.status != 200:
        kind = BadInputError if reply.status in (400, 413) else ServingError
        raise kind(_refusal(reply, address))
    try:
        return json.loads(reply.content)["predictions"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ServingError(
            f"{address} answers, but not as TensorFlow Serving does: {reply.content[:200]!r}"
        ) from error


def post(request, timeout):
    """Sends a `urllib.request.Request`; redirections are not followed.

    Raises:
        TimeoutError: where the whole answer does not come within `timeout` seconds.
        ServingError: where it is larger than `LARGEST` bytes.
        OSError, ValueError, http.client.HTTPException: where it is no answer.
    """
    opener = urllib.request.OpenerDirector()
    # A proxy for the world outside knows nothing of this machine.
    host = urllib.parse.urlsplit(request.full_url).hostname
    opener.add_handler(urllib.request.ProxyHandler({} if host in _LOCAL else None))
    # No handler of files, of FTP, or of redirections.
    opener.add_handler(_Handler(time.monotonic() + timeout))
    opener.add_handler(urllib.request.UnknownHandler())
    with opener.open(request, timeout=timeout) as response:
        location = response.headers.get("Location", "")
        if response.status == 200:
            return Reply(200, location, _whole(response))
        return Reply(response.status, location, _beginning(response))


def _whole(response):
    content = bytearray()
    size = response.length or 0  # as a header claims
    while size <= LARGEST and (part := response.read(_AT_ONCE)):
        content += part
        size = len(content)
    if size > LARGEST:
        raise ServingError(f"The answer is larger than {LARGEST / 2**20:g} MiB: send less at once.")
    return bytes(content)


def _beginning(response):
    try:
        return response.read(_LARGEST_REFUSAL)
    except (OSError, ValueError, http.client.HTTPException):
        return b""  # the status says enough


class _Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Opens connections on which everything ends before one moment, of `time.monotonic()`."""

    def __init__(self, ends):
        super().__init__()
        self._ends = ends

    def http_open(self, request):
        return self.do_open(self._bounded(http.client.HTTPConnection), request)

    def https_open(self, request):
        return self.do_open(self._bounded(http.client.HTTPSConnection), request)

    def _bounded(self, kind):
        ends = self._ends

        class Bounded(kind):
            def connect(self):
                self.timeout = _left(ends)
                super().connect()
                self.sock = _Socket(self.sock, ends)

        return Bounded


class _Socket:
    """As much of a socket as `http.client` uses. A timeout of a socket itself counts each read."""

    def __init__(self, connected, ends):
        self._connected, self._ends = connected, ends

    def sendall(self, content):
        rest = memoryview(content)
        while rest:
            self._connected.settimeout(_left(self._ends))
            rest = rest[self._connected.send(rest) :]

    def makefile(self, mode):
        return io.BufferedReader(_Received(self._connected, self._ends))

    def close(self):
        self._connected.close()


class _Received(io.RawIOBase):
    """What arrives at a socket."""

    def __init__(self, connected, ends):
        self._connected, self._ends = connected, ends
        # Keeps the connection open until it is closed itself.
        self._file = connected.makefile("rb", buffering=0)

    def readable(self):
        return True

    def readinto(self, buffer):
        self._connected.settimeout(_left(self._ends))
        return self._file.readinto(buffer)

    def close(self):
        self._file.close()
        super().close()


def _left(ends):
    """The seconds that are left."""
    seconds = ends - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _refusal(reply, address):
    said = reply.content.decode("utf-8", "replace")
    try:
        said = json.loads(said)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = said.strip()
    hint = _HINTS.get(reply.status, "")
    if reply.location:
        hint = (
            f"It redirects to {reply.location[:200]}, which is not followed, because the headers "
            "are not for others: give that address as --server."
        )
    said = str(said)[:300] or http.client.responses.get(reply.status, "")
    return f"{address} answers {reply.status}: {said} {hint}"


def _silence(error, address, timeout):
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return f"{address} gave no answer in {timeout:g} seconds; allow more with --timeout."
    if not isinstance(reason, OSError):
        return f"{address} answers, but not as a web server does: {reason!r}"
    return (
        f"{address} cannot be reached: {reason}. Is the server running (docker compose -f "
        "export/serving/compose.yaml up), and is --server right?"
    )


def _wrong_address(address, error):
    return ServingError(
        f"--server: expected an address such as http://localhost:8501, received an address that "
        f"gives {address!r}: {error}"
    )


def add_headers(parser):
    """Has a parser take headers."""
    parser.add_argument(
        "--header",
        action="append",
        default=[],
        type=_header,
        metavar="NAME:VALUE",
        help="send this along, as a gateway may ask; may be repeated",
    )


def _header(text):
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not f"{name}{value}".isascii() or not text.isprintable():
        # The value may be a password: it is not repeated.
        raise argparse.ArgumentTypeError("expected NAME:VALUE in printable ASCII")
    return name.strip(), value.strip()
