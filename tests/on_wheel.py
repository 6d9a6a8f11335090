"""Tries a wheel as a newcomer does, in an empty environment and an empty folder.

    python tests/on_wheel.py build/dist/keras_attention_layers-0.1.0-py3-none-any.whl

Runs the first example of the README, the command, an export and its verification, and prints how
long each took. Needs nothing but the standard library and an index to install from.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = "onnx,plots"


def main(wheel: Path) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    example = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)[0]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as parent:
        folder, bin_ = Path(parent, "folder"), Path(parent, "env", "bin")
        folder.mkdir()
        command = str(bin_ / "keras-attention")
        steps = {
            "an environment": [sys.executable, "-m", "venv", str(bin_.parent)],
            "install": [str(bin_ / "pip"), "install", "--quiet", f"{wheel.resolve()}[{EXTRAS}]"],
            "the README's first example": [str(bin_ / "python"), "-c", example],
            "say": [command, "say", "attention"],
            "export, SavedModel": [command, "export", "g2p_en", "served", "--kind", "text"],
            "export, ONNX": [command, "export", "g2p_en", "onnx", "--format", "onnx"],
            "verify": [command, "verify", "served"],
            "inspect": [command, "inspect", "onnx"],
        }
        for name, step in steps.items():
            begin = time.monotonic()
            done = subprocess.run(
                step, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
            )
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
            print(f"{name}: {time.monotonic() - begin:.1f} s", flush=True)
        for expected in ("attention.png", "served", "onnx"):
            if not (folder / expected).exists():
                sys.exit(f"{expected} was not written.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
