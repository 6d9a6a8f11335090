"""Installs without TensorFlow by the lines of docs/start/install.md, and trains a small model.

    python tests/on_install.py [jax] [torch]

Each backend gets an empty environment. Needs nothing but the standard library and an index to
install from.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = ("jax", "torch")
PROGRAM = """
import sys
import keras, numpy as np
from keras_attention import AttentionRNN, BahdanauAttention

source, target = keras.Input((None,)), keras.Input((None,))
memory = keras.layers.Embedding(9, 8, mask_zero=True)(source)
written = keras.layers.Embedding(9, 8, mask_zero=True)(target)
decoder = AttentionRNN(keras.layers.GRUCell(8), BahdanauAttention(8))
logits = keras.layers.Dense(9)(decoder(written, memory))
model = keras.Model([source, target], logits)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(0.03), loss)
ids = np.random.default_rng(0).integers(1, 9, (64, 5))
losses = model.fit([ids, ids], ids, epochs=5, verbose=0).history["loss"]
assert losses[-1] < losses[0], losses
assert "tensorflow" not in sys.modules
print(keras.backend.backend(), "trains:", " ".join(f"{loss:.2f}" for loss in losses))
"""


def commands(backend: str) -> list[list[str]]:
    """The lines of the page that install for a backend, as arguments of pip."""
    page = (ROOT / "docs" / "start" / "install.md").read_text("utf-8")
    section = page.partition("## JAX and torch")[2].partition("\n## ")[0]
    lines = re.findall(r"^    pip (install .*)$", section, re.MULTILINE)
    return [shlex.split(re.sub(r"\bjax\b", backend, line)) for line in lines]


def main(backends: list[str]) -> None:
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    for backend in backends or BACKENDS:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            environment = Path(folder, "env")
            python = environment / "bin" / "python"
            run([sys.executable, "-m", "venv", str(environment)], ROOT, variables)
            for arguments in commands(backend):
                run([str(python), "-m", "pip", "--quiet", *arguments], ROOT, variables)
            run([str(python), "-c", PROGRAM], folder, {**variables, "KERAS_BACKEND": backend})
        print(f"{backend}: {time.monotonic() - begin:.0f} s", flush=True)


def run(command: list[str], folder: str | Path, variables: dict[str, str]) -> None:
    if subprocess.run(command, cwd=folder, env=variables).returncode:
        sys.exit(f"{' '.join(command[:6])} failed.")


if __name__ == "__main__":
    main(sys.argv[1:])
