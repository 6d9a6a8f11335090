"""Pages for the models of this clone, served on this machine.

    python export/serve_web.py build [--port 8000] [--runtime node_modules/onnxruntime-web]

Exports the spelling model of `make g2p`, of `make demo`, or else the preset g2p_en, and if they
are there the models of `make translate` and `make caption`, each to build/web/NAME, as
`keras-attention export --format web` does; what was exported since a model was trained is kept.
Then serves them on 127.0.0.1 until it is interrupted. The folders work on any other server too.
"""

import argparse
import os
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PRESET = "g2p_en"
# What is looked for, the first that is there: folders of training runs.
MODELS = {
    "spelling": ("g2p", "demo"),
    "translation": ("translate", "translate-transformer"),
    "captions": ("caption/attention", "caption"),
}
# The page itself has a policy, its worker has that of the answer that it came with.
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; "
    "style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def models(build):
    """The models that are there: name, and file or preset."""
    found = {}
    for name, folders in MODELS.items():
        files = [Path(build, folder, "model.keras") for folder in folders]
        there = [str(file) for file in files if file.is_file()]
        if there or name == "spelling":
            found[name] = (there or [PRESET])[0]
    return found


def is_newer(folder, model):
    """Whether an export is there, and no older than its model."""
    manifest, file = Path(folder, "manifest.json"), Path(model)
    if not manifest.is_file():
        return False
    return not file.is_file() or manifest.stat().st_mtime >= file.stat().st_mtime


class Handler(SimpleHTTPRequestHandler):
    """Files with their types and a policy, whatever the types of this machine are."""

    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *arguments):
        pass


def server(folder, port):
    """A server of a folder, on this machine alone."""
    return ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder)))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path, help="the folder of the training runs")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--runtime", type=Path, help="see keras-attention export --help")
    args = parser.parse_args(arguments)
    web = args.build / "web"
    web.mkdir(parents=True, exist_ok=True)
    options = ["--runtime", str(args.runtime)] if args.runtime else []
    found = models(args.build)
    for name, model in found.items():
        if not is_newer(web / name, model):
            # In a process of its own, which gives its memory back.
            command = [sys.executable, "-m", "keras_attention", "export", model, str(web / name)]
            command += ["--format", "web", "--overwrite", *options]
            if status := subprocess.run(command).returncode:
                raise SystemExit(status)
    with server(web, args.port) as serving:
        for name in found:
            print(f"http://127.0.0.1:{serving.server_port}/{name}/", flush=True)
        try:
            serving.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main()
