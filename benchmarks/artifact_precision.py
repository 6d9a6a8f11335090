"""What int8 and float16 artifacts lose in quality, and gain in bytes and time.

    python benchmarks/artifact_precision.py
    python benchmarks/artifact_precision.py --translation build/translate

Exports the preset g2p_en, and the translation models of the given folders, to ONNX
and LiteRT in each precision, and measures on held-out data: word errors; BLEU and the
loss of the references per token; the bytes of the weights; and, in turns in one
process with one thread, the processor time of one beam search of one example in onnxruntime.
Writes benchmarks/results/artifact_precision.json; fails where a bound does not hold.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from harness import machine

import keras_attention  # noqa: F401 (registers the classes of the files)
from keras_attention._core.loading import load_model
from keras_attention._core.optional import require
from keras_attention.datasets import load_bible, load_cmudict
from keras_attention.export import export_model
from keras_attention.export.litert import LiteRTWriter
from keras_attention.export.onnx import OnnxWriter
from keras_attention.export.precision.weights import store_weights, weight_bytes
from keras_attention.generation import BeamSearch
from keras_attention.metrics import error_rates
from keras_attention.models import EncoderDecoder
from keras_attention.recipes.training_run import write_json
from keras_attention.recipes.translation import Translation

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "artifact_precision.json"
PRECISIONS = ("float32", "float16", "int8")
GRAPHS = {"encoder": "encode", "step": "step", "beam": "beam"}
# Bytes and time as ratios to float32; points of word errors and of BLEU that may be lost.
MOST_BYTES = {"float16": 0.55, "int8": 0.35}
MOST_LOST = {"word_errors": 0.5, "bleu": 0.3}
MOST_TIME = {"spelling": 1.1, "translation": 1.0}

Run = Callable[..., dict[str, np.ndarray]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--translation", nargs="*", type=Path, default=[], metavar="FOLDER")
    parser.add_argument("--words", type=int, default=1000, help="of the test set; default 1000")
    parser.add_argument("--sentences", type=int, default=734, help="of the test set; default all")
    parser.add_argument("--timed", type=int, default=40, help="examples to time; default 40")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each; default 5")
    parser.add_argument(
        "--output",
        type=Path,
        help="artifacts found there stay",
        default=ROOT / "build" / "artifact-precision",
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "machine": machine(),
        "onnxruntime": onnxruntime.__version__,
        "load_before": round(os.getloadavg()[0], 2),
    }
    report["spelling"] = _spelling(options)
    for folder in options.translation:
        report[f"translation, {folder.name}"] = _translation(folder, options)
        write_json(options.output / "report.json", report)
    report["load_after"] = round(os.getloadavg()[0], 2)
    report["failed"] = [line for name in report for line in _failures(name, report[name])]
    write_json(RESULTS, report)
    print(json.dumps(report, indent=2))
    return len(report["failed"]) > 0


def _spelling(options: argparse.Namespace) -> dict[str, Any]:
    model = EncoderDecoder.from_preset("g2p_en")
    test = load_cmudict()["test"]
    # Every word has the same chance, and the same ones are taken each time.
    chosen = np.random.default_rng(0).permutation(len(test))[: options.words]
    entries = [test[i] for i in sorted(chosen)]
    sources = [model.source_vocabulary.encode(entry.word) for entry in entries]
    said = [entry.pronunciations for entry in entries]

    def word_errors(found: Sequence[Sequence[int]]) -> float:
        tokens = [tuple(model.target_vocabulary.decode(ids).split()) for ids in found]
        return round(100 * error_rates(tokens, said).items, 2)

    search = BeamSearch(max_length=48)
    folder = options.output / "spelling"
    folder.mkdir(exist_ok=True)
    artifacts = _export(model, search, sources, folder)
    report: dict[str, Any] = {"words": len(entries), "parameters": model.count_params()}
    for precision, path in artifacts.items():
        report[f"onnx, {precision}"] = {
            **_bytes(path),
            "word_errors": word_errors(_onnx_beams(path, sources)),
        }
    for precision, path in _export_litert(model, search, sources, folder).items():
        report[f"litert, {precision}"] = {
            "bytes": (path / "greedy.tflite").stat().st_size,
            "word_errors": word_errors(_litert_greedy(path, sources)),
        }
    timed = sources[:: max(1, len(sources) // options.timed)][: options.timed]
    return {**report, **_ratios(artifacts, timed, options.rounds)}


def _translation(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    sacrebleu = require("sacrebleu", "translation")
    model = load_model(folder / "model.keras", compile=False)
    test = load_bible()["test"]
    pairs = test[:: max(1, len(test) // options.sentences)][: options.sentences]
    sources = [model.source_vocabulary.encode(pair.source) for pair in pairs]
    end = model.target_vocabulary.special_ids.end
    targets = [[*model.target_vocabulary.encode(pair.target), end] for pair in pairs]
    references = [[pair.target for pair in pairs]]

    def bleu(found: Sequence[Sequence[int]]) -> float:
        texts = [model.target_vocabulary.decode(ids) for ids in found]
        return round(sacrebleu.BLEU().corpus_score(texts, references).score, 2)

    written = options.output / folder.name
    written.mkdir(exist_ok=True)
    # A weak model repeats itself up to `max_length` in some sentences, whose length would count
    # for more than all that a precision changes.
    search = replace(Translation.search, max_length_ratio=1.5)
    artifacts = _export(model, search, sources, written)
    report: dict[str, Any] = {"sentences": len(pairs), "parameters": model.count_params()}
    for precision, artifact in artifacts.items():
        print(f"measuring {folder.name} in {precision}", file=sys.stderr, flush=True)
        report[f"onnx, {precision}"] = {
            **_bytes(artifact),
            "bleu": bleu(_onnx_beams(artifact, sources)),
            "loss_per_token": _loss(artifact, sources[::4], targets[::4]),
        }
    timed = sources[:: max(1, len(sources) // options.timed)][: options.timed]
    return {**report, **_ratios(artifacts, timed, options.rounds)}


def _export(
    model: Any, search: BeamSearch, sources: Sequence[Sequence[int]], folder: Path
) -> dict[str, Path]:
    """ONNX artifacts by precision, of the graphs that are measured.

    Of the one in float32 the others are made as `export_model` makes them.
    """
    OnnxWriter.graphs = GRAPHS
    written = {precision: folder / f"onnx-{precision}" for precision in PRECISIONS}
    _write(model, search, written["float32"], "onnx", "float32", _padded(sources[:2]))
    for precision in PRECISIONS[1:]:
        written[precision].mkdir(exist_ok=True)
        for path in written["float32"].glob("*.onnx"):
            proto = onnx.load(path)
            store_weights(proto.graph, precision)
            onnx.save(proto, written[precision] / path.name)
    return written


def _export_litert(
    model: Any, search: BeamSearch, sources: Sequence[Sequence[int]], folder: Path
) -> dict[str, Path]:
    """LiteRT artifacts by precision, of greedy decoding."""
    LiteRTWriter.graphs = {"greedy": "greedy"}
    written = {precision: folder / f"litert-{precision}" for precision in PRECISIONS}
    for precision, path in written.items():
        _write(model, search, path, "litert", precision, _padded(sources[:1]))
    return written


def _write(model: Any, search: Any, path: Path, format: Any, precision: Any, batch: Any) -> None:
    """Exports, unless there is such an artifact from a run before."""
    begin = time.monotonic()
    if not path.exists():
        settings = {"format": format, "precision": precision, "search": search}
        export_model(model, path, examples=[batch], verbose=False, **settings)
    print(f"{path} in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)


def _padded(rows: Sequence[Sequence[int]]) -> np.ndarray:
    width = max(map(len, rows))
    return np.array([[*row, *[0] * (width - len(row))] for row in rows], "int32")


def _bytes(folder: Path) -> dict[str, int]:
    graphs = [onnx.load(path).graph for path in sorted(folder.glob("*.onnx"))]
    files = sum(path.stat().st_size for path in folder.glob("*.onnx"))
    return {"bytes_of_weights": sum(map(weight_bytes, graphs)), "bytes": files}


def _runner(folder: Path, graph: str) -> Run:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / f"{graph}.onnx"), settings)
    names = [output.name for output in session.get_outputs()]
    taken = {given.name for given in session.get_inputs()}

    def run(**inputs: np.ndarray) -> dict[str, np.ndarray]:
        given = {name: array for name, array in inputs.items() if name in taken}
        return dict(zip(names, session.run(names, given)))

    return run


def _onnx_beams(folder: Path, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    """The best hypothesis of each source, without padding; sources of similar length together."""
    run, found = _runner(folder, "beam"), {}
    for rows in _by_length(sources, 16):
        sequences = run(tokens=_padded([sources[i] for i in rows]))["sequences"][:, 0]
        found.update(zip(rows, (_until_end(row) for row in sequences)))
    return [found[i] for i in range(len(sources))]


def _litert_greedy(folder: Path, sources: Sequence[Sequence[int]]) -> list[list[int]]:
    run = Interpreter(str(folder / "greedy.tflite"), num_threads=1).get_signature_runner()
    return [_until_end(run(tokens=_padded([source]))["sequences"][0]) for source in sources]


def _loss(folder: Path, sources: Sequence[Any], targets: Sequence[Any]) -> float:
    """Nats per token of the references, which are fed to the step."""
    encode, step = _runner(folder, "encoder"), _runner(folder, "step")
    total, count = 0.0, 0
    for rows in _by_length(targets, 16):
        state = encode(tokens=_padded([sources[i] for i in rows]))
        wanted = _padded([targets[i] for i in rows])
        token = np.ones(len(rows), "int32")
        for column in wanted.T:
            answer = step(token=token, **state)
            state |= {n[len("next_") :]: a for n, a in answer.items() if n.startswith("next_")}
            logits = answer["logits"].astype("float64")
            logits -= logits.max(axis=-1, keepdims=True)
            chosen = logits[np.arange(len(rows)), column] - np.log(np.exp(logits).sum(-1))
            real = column != 0
            total, count = total - float(chosen[real].sum()), count + int(real.sum())
            token = column
    return round(total / count, 5)


def _by_length(rows: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for begin in range(0, len(order), size):
        yield order[begin : begin + size]


def _until_end(row: np.ndarray) -> list[int]:
    # Padding is 0, the end 2.
    return [int(token) for token in row if token not in (0, 2)]


def _ratios(
    artifacts: dict[str, Path], sources: Sequence[Sequence[int]], rounds: int
) -> dict[str, Any]:
    """The time of one beam search of one example, in turns; of each example the shortest.

    It is the processor time of the thread, which other jobs of the machine prolong less.
    """
    runs = {precision: _runner(folder, "beam") for precision, folder in artifacts.items()}
    shortest = {precision: np.full(len(sources), np.inf) for precision in runs}
    for _ in range(rounds):
        for i, source in enumerate(sources):
            for precision, run in runs.items():
                begin = time.thread_time()
                run(tokens=_padded([source]))
                spent = time.thread_time() - begin
                shortest[precision][i] = min(shortest[precision][i], spent)
    total = {precision: float(times.sum()) for precision, times in shortest.items()}
    return {
        "timed": len(sources),
        "ms_per_example": {p: round(1e3 * t / len(sources), 2) for p, t in total.items()},
        "time_ratio": {p: round(t / total["float32"], 3) for p, t in total.items()},
    }


def _failures(name: str, measured: Any) -> list[str]:
    """A line for each bound that does not hold."""
    if not isinstance(measured, dict):
        return []
    failed = []
    for precision, most in MOST_BYTES.items():
        for format in ("onnx", "litert"):
            before, after = (measured.get(f"{format}, {p}") for p in ("float32", precision))
            if before is None:
                continue
            ratio = after["bytes"] / before["bytes"]
            if "bytes_of_weights" in after:
                ratio = after["bytes_of_weights"] / before["bytes_of_weights"]
            if ratio > most:
                failed.append(f"{name}, {format}, {precision}: {ratio:.3f} of the bytes")
            for figure, points in MOST_LOST.items():
                sign = -1 if figure == "bleu" else 1
                lost = sign * (after.get(figure, 0) - before.get(figure, 0))
                if lost > points:
                    failed.append(f"{name}, {format}, {precision}: lost {lost:.2f} {figure}")
    kind, ratio = name.split(",")[0], measured["time_ratio"]["int8"]
    if ratio > MOST_TIME[kind]:
        failed.append(f"{name}: int8 takes {ratio} of the time")
    return failed


if __name__ == "__main__":
    sys.exit(main())
