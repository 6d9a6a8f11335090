"""A package index on this machine, with one wheel and one source distribution."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WHEEL = "thing_of_data-1.0-py3-none-any.whl"
# The name is spelled in another way than in the wheel.
SDIST = "Thing.of-data-1.0.tar.gz"
METADATA = "Metadata-Version: 2.1\nName: thing-of-data\nVersion: 1.0\n"


def wheel(content="content"):
    """The bytes of a wheel with the file `data/file`."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("data/file", content)
        archive.writestr("thing_of_data-1.0.dist-info/METADATA", METADATA)
        archive.writestr(
            "thing_of_data-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("thing_of_data-1.0.dist-info/RECORD", "")
    return made.getvalue()


def sdist(content="content"):
    """The bytes of a source distribution with the file `thing_of_data-1.0/data/file`.

    Its build would fail.
    """
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name, text in (("data/file", content), ("setup.py", "raise SystemExit('ran')")):
            member = tarfile.TarInfo(f"thing_of_data-1.0/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


class Index:
    """A server of the simple repository API: `with Index() as index: ... index.address`.

    Attributes:
        content: the bytes of the wheel.
        sdist: the bytes of the source distribution.
        digest: the SHA-256 that the pages name for the wheel.
        form: `"html"`, `"json"`, or another page as it is.
        link: the address of the wheel on the page.
        asked: path and `Authorization` of every request.
    """

    def __init__(self, form="html"):
        self.content, self.sdist, self.form, self.asked = wheel(), sdist(), form, []
        self.digest = hashlib.sha256(self.content).hexdigest()
        self.link = f"../../files/{WHEEL}"

    def __enter__(self):
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked.append((self.path, self.headers.get("Authorization")))
                found = index.answer(self.path)
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", found[0] if found else "text/plain")
                self.end_headers()
                self.wfile.write(found[1] if found else b"")

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/simple"
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, path):
        """Content type and content of a path, or None."""
        if path == "/simple/thing-of-data/":
            return self._page()
        content = {WHEEL: self.content, SDIST: self.sdist}.get(path.rpartition("/")[2])
        return None if content is None else ("application/octet-stream", content)

    def _page(self):
        if self.form == "json":
            file = {"filename": WHEEL, "url": self.link, "hashes": {"sha256": self.digest}}
            other = {"filename": SDIST, "url": f"../../files/{SDIST}", "hashes": {}}
            page = {"meta": {"api-version": "1.0"}, "name": "thing-of-data", "files": [other, file]}
            return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()
        other = f"<a href='../../files/{SDIST}'>x</a>"
        page = f"{other}<a href='{self.link}#sha256={self.digest}'>{WHEEL}</a>"
        return "text/html", (page if self.form == "html" else self.form).encode()
