"""The conformance table and additive attention on a GPU, with Keras on JAX.

    python benchmarks/gpu.py [--output gpu.json] [--only-figures]

Runs with the python that starts it, which needs JAX with CUDA, Keras, numpy
and pytest, and no TensorFlow. First the table (tests/conformance), then the
shapes of `make bench`, forward and backward in float32 and bfloat16, compiled:
ours and keras.layers.AdditiveAttention in turns, the median of 21 calls, and
the memory that the compiled program asks for beyond its inputs and outputs.
Ends with the figures as JSON, and fails where the table does, where both
disagree, or where no GPU is found.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHAPES = ((32, 40, 40, 256), (32, 128, 128, 256), (16, 80, 800, 256))
CALLS = 21


def table():
    """Whether the conformance table passes on this machine's default device."""
    variables = {
        "PYTHONPATH": str(ROOT),
        # Products of float32 in float32: a GPU may take TF32 otherwise.
        "JAX_DEFAULT_MATMUL_PRECISION": "highest",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/conformance"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **variables}).returncode == 0


def candidates(units, dtype):
    """Functions of projected queries and keys, and v, by name."""
    import keras
    from keras import ops

    from keras_attention._core.blockwise import additive_scores
    from keras_attention.normalizers import Softmax

    softmax = Softmax()

    def ours(query, keys, v):
        scores = additive_scores(query, keys, ops.reshape(v, (-1, 1)), ops.tanh)
        return ops.matmul(ops.cast(softmax(ops.cast(scores, "float32")), query.dtype), keys)

    layer = keras.layers.AdditiveAttention(dtype=dtype)
    layer.build([(None, None, units)] * 2)

    def of_keras(query, keys, v):
        with keras.StatelessScope([(layer.scale, v)]):
            return layer([query, keys])

    return {"keras_attention": ours, "keras AdditiveAttention": of_keras}


def measure(shape, dtype):
    """The figures of one shape: milliseconds, MiB beyond inputs and outputs, their ratios."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    batch, queries, positions, units = shape
    rng = np.random.default_rng(0)
    sizes = ((batch, queries, units), (batch, positions, units), (units,), (batch, queries, units))
    query, keys, v, gradient = (jnp.asarray(rng.normal(size=size), dtype) for size in sizes)
    v = v / units**0.5

    compiled, found, times = {}, {}, {}
    for name, function in candidates(units, dtype).items():

        def step(query, keys, v, gradient, function=function):
            context, pull = jax.vjp(function, query, keys, v)
            return context, pull(gradient)

        compiled[name] = jax.jit(step).lower(query, keys, v, gradient).compile()
        found[name] = jax.block_until_ready(compiled[name](query, keys, v, gradient))
        times[name] = []
    for _ in range(CALLS):
        for name, program in compiled.items():
            start = time.perf_counter()
            jax.block_until_ready(program(query, keys, v, gradient))
            times[name].append(1e3 * (time.perf_counter() - start))

    ours, theirs = compiled
    figures = {"shape": "x".join(map(str, shape)), "dtype": dtype}
    for name, program in compiled.items():
        memory = program.memory_analysis().temp_size_in_bytes / 2**20
        figures[name] = {"ms": round(statistics.median(times[name]), 3), "MiB": round(memory, 1)}
    figures["time_ratio_keras"] = round(figures[ours]["ms"] / figures[theirs]["ms"], 3)
    figures["memory_ratio_keras"] = round(
        figures[ours]["MiB"] / max(figures[theirs]["MiB"], 1e-9), 3
    )
    figures["largest_difference"] = max(
        float(jnp.max(jnp.abs(a.astype("float32") - b.astype("float32"))))
        for a, b in zip(jax.tree.leaves(found[ours]), jax.tree.leaves(found[theirs]))
    )
    return figures


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="a file for the figures")
    parser.add_argument("--only-figures", action="store_true", help="without the table")
    parser.add_argument("--smoke", action="store_true", help="tiny, on whatever device there is")
    options = parser.parse_args(arguments)
    # Before keras is imported, here and by pytest.
    os.environ["KERAS_BACKEND"] = "jax"
    sys.path.insert(0, str(ROOT))
    import jax

    device = jax.devices()[0]
    if device.platform != "gpu" and not options.smoke:
        print(f"JAX found no GPU, only {device}.", file=sys.stderr)
        return 1
    report = {"device": device.device_kind, "jax": jax.__version__}
    jax.config.update("jax_default_matmul_precision", "highest")
    shapes = ((2, 3, 5, 4),) if options.smoke else SHAPES
    report["additive"] = [measure(s, dtype) for dtype in ("float32", "bfloat16") for s in shapes]
    in_float32 = [f["largest_difference"] for f in report["additive"] if f["dtype"] == "float32"]
    agree = max(in_float32) < 1e-2
    if not options.only_figures:
        report["conformance"] = "passed" if table() else "failed"
    text = json.dumps(report, indent=1) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")
    return 0 if agree and report.get("conformance") != "failed" else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
