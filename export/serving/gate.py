"""Bounds what a web server in Python takes; KServe's has no bounds of its own.

Needs nothing but the standard library.
"""

import asyncio
import json


class Gate:
    """An application of ASGI around another, with bounds on the requests with a body.

    Args:
        app: the application.
        largest: the most bytes of a body; larger ones are refused with 413. By
            default an image of 32 MiB in base 64 fits.
        most: the most requests at once; further ones are refused with 429.
        seconds: the time in which a body has to arrive; else 408.
    """

    def __init__(self, app, largest=48 * 2**20, most=64, seconds=30.0):
        self._app = app
        self._largest, self._most, self._seconds = largest, most, seconds
        self._open = 0

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
        elif self._open >= self._most:
            await _refuse(send, 429, f"more than {self._most} requests at once")
        else:
            self._open += 1
            try:
                await self._bounded(scope, receive, send)
            finally:
                self._open -= 1

    async def _bounded(self, scope, receive, send):
        try:
            body = await asyncio.wait_for(self._body(receive), self._seconds)
        except asyncio.TimeoutError:
            await _refuse(send, 408, f"the request did not arrive in {self._seconds:g} seconds")
            return
        if body is None:
            await _refuse(send, 413, f"the request is larger than {self._largest:,} bytes")
            return
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay():
            return next(messages, None) or await receive()

        await self._app(scope, replay, send)

    async def _body(self, receive):
        """The whole body; None if it is too large."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self._largest:
                return None
            if not message.get("more_body", False):
                return bytes(body)


async def _refuse(send, status, reason):
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = json.dumps({"error": reason}).encode()
    await send({"type": "http.response.body", "body": body})
