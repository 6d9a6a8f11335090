"""KServe's Python server with the spelling model of the package, under 32 clients.

    python -m benchmarks.serving            # 10,000 requests, benchmarks/results/serving.json

Every fifth request is one that has to be refused. The others are compared with what the artifact
answers to each word alone, and the memory of the server is read after every thousandth.
"""

import argparse
import contextlib
import json
import os
import platform
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.environments import ROOT, python_of

SERVING = ROOT / "export" / "serving"
sys.path.insert(0, str(SERVING))

import answers  # noqa: E402
import rest  # noqa: E402

CONCURRENCY = 32
SIGNATURES = ("greedy", "serving_default", "beam")
WORDS = (
    *("attention", "beam", "decoder", "encoder", "gradient", "kernel", "language", "matrix"),
    *("network", "neuron", "padding", "query", "recurrent", "sequence", "softmax", "tensor"),
    *("token", "translate", "transformer", "vector", "weight", "window"),
)
_GOOD = {"instances": [{"text": "beam"}]}
# Bodies that the server has to refuse as wrong.
BAD = (
    {},
    [],
    {"instances": []},
    {"instances": "beam"},
    {"instances": [5]},
    {"instances": [{"tokens": [4, 5]}]},
    {"instances": [{"text": ["a", "b"]}]},
    {"instances": [{"text": {"b64": "%"}}]},
    {"instances": [{"text": "a", "more": 1}]},
    {"instances": [{"text": "a"}] * 33},
    {**_GOOD, "signature_name": "nope"},
    {**_GOOD, "signature_name": ["beam"]},
)


@contextlib.contextmanager
def served(folder, name):
    """Serves an artifact by KServe; gives the address and the number of the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python_of("kserve"), SERVING / "kserve_model.py", "--model_dir", folder]
    command += ["--model_name", name, "--http_port", str(port)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            list(map(str, command)), env=environment, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(f"{address}/v1/models/{name}", process, log)
            yield address, process.pid
        finally:
            process.kill()


def _wait(page, process, log, seconds=300.0):
    ends = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < ends:
        with contextlib.suppress(OSError), urllib.request.urlopen(page, timeout=5.0):
            return
        time.sleep(0.2)
    log.seek(0)
    raise RuntimeError(f"the server gives no answer; its log ends with {log.read()[-2000:]!r}")


def expected(folder):
    """What the artifact answers to every word alone, by signature and word."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    found = {}
    for signature in SIGNATURES:
        for word in WORDS:
            outputs = loaded.signatures[signature](text=tf.constant([word]))
            row = {name: _plain(tensor.numpy()[0]) for name, tensor in outputs.items()}
            found[signature, word] = answers.translations(row)
    return found


def _plain(value):
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if value.dtype != object:
        return value.tolist()
    return [_plain(one) for one in value]


class Load:
    """The requests, and whether their answers are right.

    Args:
        address: of `rest.url`.
        known: of `expected`.
    """

    def __init__(self, address, known):
        self._address, self._known = address, known

    def __call__(self, number):
        """Sends one request; gives the seconds it took.

        Raises:
            AssertionError: where the answer is not what it has to be.
        """
        chance = random.Random(number)
        began = time.perf_counter()
        if number % 5 == 0:
            self._refused(chance.choice(BAD))
        else:
            words = chance.choices(WORDS, k=chance.choice((1, 1, 1, 4)))
            self._right(words, chance.choice(SIGNATURES))
        return time.perf_counter() - began

    def _refused(self, body):
        try:
            found = rest.ask(body, self._address, timeout=120.0)
        except answers.BadInputError:
            return
        raise AssertionError(f"{body} was answered with {found}")

    def _right(self, words, signature):
        body = {"signature_name": signature, "instances": [{"text": word} for word in words]}
        rows = rest.ask(body, self._address, timeout=120.0)
        assert len(rows) == len(words)
        for word, row in zip(words, rows):
            wanted, found = self._known[signature, word], answers.translations(row)
            assert [(one.text, one.tokens, one.source_tokens) for one in found] == [
                (one.text, one.tokens, one.source_tokens) for one in wanted
            ], word
            for one, other in zip(found, wanted):
                assert abs(one.score - other.score) < 1e-4, word
                for weights in zip(one.attention, other.attention):
                    assert all(abs(a - b) < 1e-4 for a, b in zip(*weights)), word


def measure(folder, name, requests, part=1_000):
    """Drives a server with `requests` requests; gives the figures.

    Args:
        folder: one version of an artifact for text.
        name: what the model is called.
        requests: how many, 32 of them at once.
        part: after how many the memory is read.
    """
    known = expected(folder)
    with served(folder, name) as (address, pid), ThreadPoolExecutor(CONCURRENCY) as threads:
        load = Load(rest.url(address, name), known)
        memory, seconds, began = [], [], time.perf_counter()
        for first in range(0, requests, part):
            seconds += threads.map(load, range(first, min(first + part, requests)))
            memory.append(resident(pid))
            print(f"{len(seconds):,} requests, {memory[-1]} MiB", file=sys.stderr, flush=True)
        whole = time.perf_counter() - began
    refused = len(range(0, requests, 5))
    return {
        "requests": requests,
        "answered_right": requests - refused,
        "refused": refused,
        "concurrency": CONCURRENCY,
        "seconds": round(whole, 1),
        "requests_per_second": round(requests / whole, 1),
        "p50_ms": round(1000 * statistics.median(seconds), 1),
        "p99_ms": round(1000 * statistics.quantiles(seconds, n=100)[-1], 1),
        "resident_mib": memory,
    }


def resident(pid):
    """The memory of a process in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    (kibibytes,) = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return round(int(kibibytes) / 2**10, 1)


def export(folder):
    """The spelling model of the package as an artifact for text; gives its version."""
    from keras_attention.export import export_model
    from keras_attention.generation import BeamSearch
    from keras_attention.models import EncoderDecoder

    model = EncoderDecoder.from_preset("g2p_en")
    search = BeamSearch(max_length=32)
    report = export_model(model, folder, kind="text", search=search, examples=[list(WORDS[:3])])
    return Path(folder) / str(report["version"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--artifact", type=Path, help="a version that export() wrote before")
    args = parser.parse_args()
    folder = args.artifact or export(ROOT / "build" / "serving")
    figures = measure(folder, "spelling", args.requests)
    report = {
        "command": " ".join(["python -m benchmarks.serving", *sys.argv[1:]]),
        "server": "KServe 0.21.0, Python server, TensorFlow 2.21",
        "model": "g2p_en, beam search of 4 and greedy decoding",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "load_before": round(os.getloadavg()[0], 2),
        **figures,
    }
    path = ROOT / "benchmarks" / "results" / "serving.json"
    path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
