"""Translates through TensorFlow Serving's REST interface, and draws where the model looked.

    python export/serving/rest_client.py "In the beginning was the Word."
    python export/serving/rest_client.py --plain < sentences.txt > translations.txt

Needs nothing but the standard library.
"""

import argparse
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

import client

_LOCAL = ("localhost", "127.0.0.1", "::1")


def url(server, model, version=None, label=None):
    """Where a model answers: its highest version, or the one asked for."""
    address = f"{server.rstrip('/')}/v1/models/{urllib.parse.quote(model, safe='')}"
    if version is not None:
        address += f"/versions/{version}"
    elif label is not None:
        address += f"/labels/{urllib.parse.quote(label, safe='')}"
    return address + ":predict"


def body(texts, signature="serving_default"):
    """A request in the row format: an object a text."""
    return {"signature_name": signature, "instances": [{"text": text} for text in texts]}


def predict(texts, address, signature="serving_default", timeout=30.0, headers=None):
    """For every text the outputs by name; the arguments and errors are those of `ask`."""
    return ask(body(texts, signature), address, timeout, headers)


def ask(body, address, timeout=30.0, headers=None):
    """Asks the server.

    Args:
        body: what JSON can hold, a request in the row format.
        address: of `url`.
        timeout: how many seconds to wait.
        headers: a dictionary, such as `{"Authorization": "Bearer ..."}`.

    Returns:
        For every instance the outputs by name.

    Raises:
        client.BadInputError: where the server refuses the request.
        client.ServingError: where no answer comes, or none that can be used.
    """
    data = json.dumps(body).encode()
    try:
        request = urllib.request.Request(
            address, data, {"Content-Type": "application/json", **(headers or {})}
        )
        host = urllib.parse.urlsplit(address).hostname
        # A proxy for the world outside knows nothing of this machine.
        proxies = [urllib.request.ProxyHandler({})] if host in _LOCAL else []
        with urllib.request.build_opener(*proxies).open(request, timeout=timeout) as response:
            answer = response.read()
    except urllib.error.HTTPError as error:
        kind = client.BadInputError if error.code in (400, 413) else client.ServingError
        raise kind(_refusal(error, address)) from error
    except ValueError as error:
        raise client.ServingError(
            f"--server: expected an address such as http://localhost:8501, received an address "
            f"that gives {address!r}: {error}"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise client.ServingError(_silence(error, address, timeout)) from error
    try:
        rows = json.loads(answer)["predictions"]
    except (ValueError, KeyError, TypeError) as error:
        raise client.ServingError(
            f"{address} answers, but not as TensorFlow Serving does: {answer[:200]!r}"
        ) from error
    return rows


def _refusal(error, address):
    try:
        said = error.read(100_000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        said = ""
    try:
        said = json.loads(said)["error"]
    except (ValueError, KeyError, TypeError):
        said = said.strip()
    hints = {
        404: "Is the name of the model, and its version, as in models.config, and is it loaded?",
        503: "The server is busy or shutting down; try again later.",
        504: "The server gave up; see its --rest_api_timeout_in_ms.",
    }
    said = str(said)[:2000] or error.reason
    return f"{address} answers {error.code}: {said} {hints.get(error.code, '')}"


def _silence(error, address, timeout):
    reason = getattr(error, "reason", error)
    if isinstance(reason, TimeoutError):
        return f"{address} gave no answer in {timeout:g} seconds; allow more with --timeout."
    return (
        f"{address} cannot be reached: {reason}. Is the server running (docker compose -f "
        "export/serving/compose.yaml up), and is --server right?"
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
    if not colon or not name.strip():
        raise argparse.ArgumentTypeError(f"expected NAME:VALUE, received {text!r}")
    return name.strip(), value.strip()


def main(arguments=None):
    parser = client.parser(__doc__, "http://localhost:8501")
    add_headers(parser)
    args = parser.parse_args(arguments)
    address = url(args.server, args.model, args.version, args.label)
    client.main(
        args,
        lambda texts: predict(texts, address, args.signature, args.timeout, dict(args.header)),
    )


if __name__ == "__main__":
    main()
