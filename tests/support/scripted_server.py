"""A server on a socket that plays a script, whatever it is asked."""

import contextlib
import socket
import socketserver
import struct
import threading

RESET = object()


def http(content=b"", status="200 OK", *headers):
    """An answer over HTTP as bytes."""
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(head).encode("latin-1") + content


def slowly(content, seconds=0.2):
    """A script that sends one byte after the other."""
    for byte in content:
        yield bytes([byte])
        yield seconds


@contextlib.contextmanager
def scripted_server(script):
    """Serves on this machine alone; gives its `HOST:PORT` and the list of the requests it got.

    Args:
        script: takes nothing, gives the steps of one connection: bytes to
            send, seconds to wait, or `RESET`. After the last the connection is
            closed.
    """
    requests, stopped = [], threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            with contextlib.suppress(OSError):
                requests.append(_request(self.request))
                for step in script():
                    if stopped.is_set():
                        return
                    if step is RESET:
                        self.request.setsockopt(
                            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                        )
                    elif isinstance(step, bytes):
                        self.request.sendall(step)
                    else:
                        stopped.wait(step)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", requests
        finally:
            stopped.set()
            server.shutdown()
            thread.join()


def _request(connection):
    """The head and the body of a request over HTTP."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(2**16) or b"\r\n\r\n"
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        part = connection.recv(2**16)
        if not part:
            break
        body += part
    return head + b"\r\n\r\n" + body
