"""Runs the tests that are not TensorFlow's own on JAX and on torch, without TensorFlow.

    python tests/on_backends.py [jax] [torch] [arguments for pytest]

Environments are made under build/env by benchmarks/environments.py.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

EVERYWHERE = [
    "tests/conformance",
    "tests/core/test_backend.py",
    "tests/core/test_linear_chain.py",
    "tests/core/test_masks.py",
    "tests/core/test_protocols.py",
    "tests/layers/test_blocks.py",
    "tests/layers/test_tied_logits.py",
    "tests/tfa/test_parity.py",
    # Decoding gives the ids that it gave on TensorFlow from the same weights.
    "tests/test_saved_models.py",
    "tests/test_every_backend.py",
]
FILES = {
    "jax": [
        *EVERYWHERE,
        "tests/distribution",
        "tests/generation/any_model/test_inputs.py",
        "tests/layers/test_attention.py",
        "tests/models/test_encoder_decoder.py",
        "tests/models/test_seq2seq.py",
        "tests/layers/test_attention_rnn.py",
        "tests/layers/test_attention_rnn_parts.py",
        "tests/scores/test_scores.py",
        "tests/test_windows.py",
    ],
    # Those of the layers that do not compare tensors as arrays.
    "torch": [
        *EVERYWHERE,
        "tests/layers/test_multi_head.py",
        "tests/normalizers",
        "tests/core/test_registry.py",
        "tests/layers/test_attention_rnn_parts.py",
        "tests/test_windows.py",
    ],
}
# On JAX nearly all the time is spent compiling what runs once.
QUICKLY = {
    "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / "build" / "env" / "jax-compiled"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


def run(backend, arguments):
    """Whether the tests pass on this backend."""
    made = [sys.executable, str(ROOT / "benchmarks" / "environments.py"), backend]
    made = subprocess.run(made, stdout=subprocess.PIPE, text=True)
    if made.returncode:
        return False
    print(f"== {backend}", flush=True)
    variables = {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), **QUICKLY}
    command = [made.stdout.strip(), "-m", "pytest", "-q", *FILES[backend], *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode == 0


def main(arguments):
    backends = [name for name in arguments if name in FILES] or list(FILES)
    rest = [argument for argument in arguments if argument not in FILES]
    failed = [backend for backend in backends if not run(backend, rest)]
    print(f"failed on {', '.join(failed)}" if failed else f"passed on {', '.join(backends)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
