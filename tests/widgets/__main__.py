"""Runs a notebook with the explorer in JupyterLab, and uses it in a real Chromium.

    python -m tests.widgets build/widget-test

Needs Node 20 with npm, and Chromium, as tests.web does. JupyterLab comes from an environment of its
own; its kernel is the interpreter that runs this. Pictures stay in the folder.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat

from benchmarks import environments
from tests.web.__main__ import install

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOKEN = "of-this-test"

TEXTS = """from keras_attention.generation import BeamSearch
from keras_attention.models import EncoderDecoder
from keras_attention.widgets import AttentionExplorer

AttentionExplorer(EncoderDecoder.from_preset("g2p_en"), "knight", BeamSearch(num_beams=4))"""

# An untrained model, with a token that would run if it were read as markup.
IMAGES = """import keras
import numpy as np
from keras_attention.models import Captioner
from keras_attention.text import Vocabulary

keras.utils.set_random_seed(0)
images = np.zeros((2, 32, 48, 3), "uint8")
images[0, :, :24], images[1, 16:] = (220, 60, 40), (40, 120, 220)
words = Vocabulary(["a", "red", "<img/src=x/onerror=globalThis.read=1>", "part"], " ")
AttentionExplorer(Captioner(words, (32, 48), units=8, embedding_dim=8), images,
                  BeamSearch(num_beams=3, max_length=5))"""

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "apputils-extension/themes": {"adaptive-theme": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    install(folder, "axe-core", "playwright-core")
    python = environments.python_of("jupyter")
    write_files(folder)
    with server(python, folder) as url:
        environment = {**os.environ, "WEB_TEST": str(folder), "JUPYTER": url}
        command = ["node", "--test", "--test-reporter=spec", str(HERE / "notebook.test.mjs")]
        failed = subprocess.run(command, env=environment).returncode
    if failed:
        raise SystemExit(failed)
    command = [python, "-m", "nbconvert", "--to", "html", "--stdout", folder / "widget.ipynb"]
    page = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    if "data:image/png" not in page:
        raise SystemExit("tests.widgets: error: the page of the saved notebook has no picture")
    print("the page of the saved notebook has a picture")


def write_files(folder: Path) -> None:
    """The notebook, the kernel and the settings of JupyterLab."""
    cells = [nbformat.v4.new_code_cell(source) for source in (TEXTS, IMAGES)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = {"kernelspec": {"name": "project", "display_name": "project"}}
    nbformat.write(notebook, folder / "widget.ipynb")
    kernel = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "project",
        "language": "python",
        "env": {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
    }
    write_json(folder / "jupyter/data/kernels/project/kernel.json", kernel)
    for name, settings in SETTINGS.items():
        path = folder / f"jupyter/settings/@jupyterlab/{name}.jupyterlab-settings"
        write_json(path, settings)


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


@contextlib.contextmanager
def server(python: Path, folder: Path) -> Iterator[str]:
    """JupyterLab on a free port, with nothing of the user's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for variable, name in {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }.items():
        environment[variable] = str(folder / "jupyter" / name)
    options = ["--no-browser", "--allow-root", f"--ServerApp.port={port}"]
    options += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    command = [python, "-m", "jupyterlab", *options]
    with open(folder / "jupyter.log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(process, f"{url}/api/status?token={TOKEN}", folder / "jupyter.log")
        yield f"{url}/doc/tree/widget.ipynb?token={TOKEN}"
    finally:
        process.terminate()
        process.wait(30)


def wait_for(process: subprocess.Popen[bytes], url: str, log: Path, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    raise SystemExit(f"tests.widgets: error: JupyterLab did not start, see {log}")


if __name__ == "__main__":
    main()
