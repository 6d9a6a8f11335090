"""Translates files, line by line, with a SavedModel for text: on this machine or on many.

    python export/batch_translate.py served/translate book.txt --output build/book
    python export/batch_translate.py served/translate *.txt --output gs://bucket/out \\
        --runner FlinkRunner -- --flink_master=host:8081 --parallelism=16

For every FILE the output folder then holds

    FILE            as many lines as the input, each with the translation of the same line
    FILE.bad.tsv    the lines set aside: number, reason, what they hold; their translation is empty
    FILE.shards/    the same in parts, as JSON lines with scores
    plan.json       what was translated, with which model

Interrupted, the same command goes on where it stopped: a part is there whole or not at all.
Runs on Apache Beam (in a clone: pip install '.[beam]'). What follows "--" are options of Beam;
workers elsewhere need TensorFlow (--requirements_file or --sdk_container_image), and see the same
files.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import itertools
import json
import logging
import math
import os
import re
import runpy
import signal
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import NamedTuple

# On workers nothing of the project is there but this file.
_PLAN = "plan.json"
_MANY = 8  # if this many lines of one part all fail, the model is at fault, not the lines
_SHOWN = 1000  # characters of a line that was set aside


class Chunk(NamedTuple):
    """Lines of a file that are translated together: what is redone after an interruption.

    Attributes:
        source: the file.
        shard: where the translations go.
        offset, size: which bytes of the file.
        first: the number of the first line, from 1.
        lines: how many.
    """

    source: str
    shard: str
    offset: int
    size: int
    first: int
    lines: int


# ---- the plan


def plan_file(source, folder, lines):
    """Cuts a file into chunks.

    Args:
        source: the file.
        folder: where the shards go.
        lines: how many lines a chunk has.

    Returns:
        A list of `Chunk`, and the SHA-256 of the file.

    Raises:
        ValueError: where the file is compressed.
    """
    digest = hashlib.sha256()
    cuts, number, position = [(0, 1)], 0, 0  # where a chunk begins, and with which line
    with _files().open(source, compression_type="uncompressed") as stream:
        rest = False  # whether a line has begun
        while block := stream.read(2**22):
            if position == 0 and block[:2] in (b"\x1f\x8b", b"BZ", b"PK"):
                raise ValueError(f"{source}: expected plain text, received a compressed file.")
            digest.update(block)
            begin = 0
            while (end := block.find(b"\n", begin)) >= 0:
                begin = end + 1
                number += 1
                if number % lines == 0:
                    cuts.append((position + begin, number + 1))
            rest = begin < len(block) or (rest and begin == 0)
            position += len(block)
    number += rest
    cuts.append((position, number + 1))
    spans = [(a, b) for a, b in itertools.pairwise(cuts) if b[0] > a[0]]
    return [
        Chunk(source, f"{folder}/{i:06d}.jsonl", a[0], b[0] - a[0], a[1], b[1] - a[1])
        for i, (a, b) in enumerate(spans)
    ], digest.hexdigest()


def model_folder(path):
    """A SavedModel, or the highest version below a folder.

    Raises:
        FileNotFoundError: where there is none.
    """
    files = _files()
    path = path.rstrip("/")
    if files.exists(f"{path}/saved_model.pb"):
        return path
    found = files.match([f"{path}/*/saved_model.pb"])[0].metadata_list
    versions = [one.path.split("/")[-2] for one in found]
    versions = [version for version in versions if version.isdecimal()]
    if not versions:
        raise FileNotFoundError(
            f"{path} holds no SavedModel: expected saved_model.pb, or VERSION/."
        )
    return f"{path}/{max(versions, key=int)}"


def fingerprint(model):
    """The SHA-256 of what a SavedModel computes."""
    files, digest = _files(), hashlib.sha256()
    patterns = [f"{model}/saved_model.pb", f"{model}/variables/*", f"{model}/assets/*"]
    paths = [one.path for found in files.match(patterns) for one in found.metadata_list]
    for path in sorted(paths):
        with files.open(path, compression_type="uncompressed") as stream:
            while block := stream.read(2**22):
                digest.update(block)
    return digest.hexdigest()


def agree(output, plan):
    """Writes the plan, or makes sure that what is there was made by the same one.

    Raises:
        ValueError: where it was not.
    """
    files, path = _files(), f"{output}/{_PLAN}"
    begun = files.match([f"{output}/*.shards/*.jsonl"])[0].metadata_list
    if begun and files.exists(path):
        with files.open(path) as stream:
            before = json.loads(stream.read())
        if differ := [name for name in plan if before.get(name) != plan[name]]:
            raise ValueError(
                f"{output} holds the results of another run ({', '.join(differ)} differ). Choose "
                "another --output, or repeat the command of that run."
            )
        return
    with contextlib.suppress(OSError):
        files.mkdirs(output)
    write_whole(path, [json.dumps(plan, indent=2)])


# ---- the work on one chunk


def read_chunk(chunk):
    """The lines of a chunk as bytes, without line ends."""
    with _files().open(chunk.source, compression_type="uncompressed") as stream:
        stream.seek(chunk.offset)
        data = stream.read(chunk.size)
    lines = data.split(b"\n")
    if data.endswith(b"\n"):
        lines.pop()
    if len(lines) != chunk.lines:
        raise RuntimeError(
            f"{chunk.source} has changed while it was read: expected {chunk.lines} lines from line "
            f"{chunk.first} on, found {len(lines)}."
        )
    return [line.removesuffix(b"\r") for line in lines]


def translate_chunk(lines, first, translate, batch_size, longest):
    """Translates lines, and sets aside those that cannot be.

    Lines of similar length go together, and where a batch fails it is halved
    until the line is found that makes it fail.

    Args:
        lines: bytes.
        first: the number of the first one.
        translate: takes a list of strings, gives for each a text and a score.
        batch_size: how many lines at once.
        longest: how many characters a line may have.

    Returns:
        A list of dictionaries, one per line and in the same order: `line`, and
        either `translation` and `score` or `error` and `text`.

    Raises:
        RuntimeError: where the model fails on all of many lines.
    """
    records, texts = [], {}
    for i, line in enumerate(lines):
        records.append({"line": first + i})
        try:
            text = line.decode("utf-8-sig" if first + i == 1 else "utf-8")
        except UnicodeDecodeError as error:
            records[i].update(_aside(f"not UTF-8 at byte {error.start + 1}", line))
            continue
        if len(text) > longest:
            reason = f"too long: {len(text)} characters, allowed are {longest}"
            records[i].update(_aside(reason, line))
        elif text.strip():
            texts[i] = text
        else:
            # The translation of an empty line is empty; the model is not asked.
            records[i].update(translation="", score=0.0)

    order = sorted(texts, key=lambda i: len(texts[i]))
    failure, failed = None, 0
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        for i, answer in zip(rows, _answers(translate, [texts[i] for i in rows])):
            if isinstance(answer, Exception):
                failure, failed = answer, failed + 1
                records[i].update(_aside(f"the model fails: {_one_line(answer)}", lines[i]))
            else:
                records[i].update(translation=answer[0], score=answer[1])
    if failed == len(texts) >= _MANY:
        raise RuntimeError(
            f"The model fails on all {failed} lines from line {first} on: {_one_line(failure)}"
        ) from failure
    return records


def _answers(translate, texts):
    try:
        found = list(translate(texts))
        if len(found) != len(texts):
            raise RuntimeError(f"{len(texts)} lines were sent, {len(found)} answers came")
    except Exception as error:
        if len(texts) == 1:
            return [error]
        half = len(texts) // 2
        return _answers(translate, texts[:half]) + _answers(translate, texts[half:])
    return [
        one if math.isfinite(one[1]) else ValueError("its score is not a number") for one in found
    ]


def _aside(reason, line):
    return {"error": reason, "text": line.decode("utf-8", "backslashreplace")[:_SHOWN]}


def _one_line(error):
    return " ".join(str(error).split())[:300] or type(error).__name__


def load_translator(model, signature):
    """A function that translates a list of strings with a SavedModel.

    Raises:
        ValueError: where the signature is missing, or is none for text.
    """
    with _quiet():
        import tensorflow as tf

        with contextlib.suppress(ImportError):
            # Brings the operations of subword tokenizers.
            import tensorflow_text  # noqa: F401
    loaded = tf.saved_model.load(model)
    if signature not in loaded.signatures:
        raise ValueError(
            f"{model} has no signature {signature!r}; it has {', '.join(loaded.signatures)}."
        )
    run = loaded.signatures[signature]
    inputs = set(run.structured_input_signature[1])
    if inputs != {"text"} or not {"texts", "scores"} <= set(run.structured_outputs):
        raise ValueError(
            f"{model} takes {', '.join(sorted(inputs))}: expected an artifact for text, such as "
            "export/to_saved_model.py writes with --kind text."
        )

    def translate(texts):
        found = run(text=tf.constant(texts))
        texts, scores = found["texts"].numpy(), found["scores"].numpy()
        if texts.ndim == 2:  # several hypotheses, best first
            texts, scores = texts[:, 0], scores[:, 0]
        return [(t.decode("utf-8", "replace"), float(s)) for t, s in zip(texts, scores)]

    # TensorFlow frees a loaded SavedModel once nothing refers to it.
    translate.loaded = loaded
    return translate


def _quiet():
    """Inside, TensorFlow's first lines are not printed; they ignore its log level.

    The silencer of keras_attention is loaded by its path, which imports nothing else. Workers
    elsewhere may not have it, and their output is not shown.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    package = importlib.util.find_spec("keras_attention")
    if package is None:
        return contextlib.nullcontext()
    path = os.path.join(package.submodule_search_locations[0], "_core", "quiet.py")
    return runpy.run_path(path)["silent_stderr"]()


def write_whole(path, lines):
    """Writes a file under another name first, so that it is never there in part."""
    files, partial = _files(), f"{path}.{uuid.uuid4().hex}.partial"
    try:
        with files.create(partial, "text/plain", "uncompressed") as stream:
            for line in lines:
                stream.write(line.encode("utf-8", "backslashreplace") + b"\n")
            if hasattr(stream, "fileno"):
                stream.flush()
                os.fsync(stream.fileno())
        files.rename([partial], [path])
    except BaseException:
        with contextlib.suppress(Exception):
            files.delete([partial])
        raise


def write_shard(chunk, records):
    """Writes the records of a chunk."""
    write_whole(chunk.shard, [json.dumps(one, ensure_ascii=False) for one in records])


# ---- the pipeline


def run_pipeline(chunks, model, signature, batch_size, longest, runner, options):
    """Translates chunks with Beam's `RunInference`, each written as soon as it is done."""
    import apache_beam as beam
    from apache_beam.ml.inference.base import ModelHandler, RunInference
    from apache_beam.options.pipeline_options import PipelineOptions

    class Translator(ModelHandler):
        """A chunk is one example; `translate_chunk` batches its lines and isolates failures."""

        def load_model(self):
            return load_translator(model, signature)

        def run_inference(self, batch, model, inference_args=None):
            for chunk, lines in batch:
                first = Chunk(*chunk).first
                yield chunk, translate_chunk(lines, first, model, batch_size, longest)

        def get_num_bytes(self, batch):
            return sum(Chunk(*chunk).size for chunk, _ in batch)

        def get_metrics_namespace(self):
            return "batch_translate"

    if runner == "DirectRunner":
        # Beam has several runners of that name, and tries to download one of them first.
        runner = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
    handler = Translator(min_batch_size=1, max_batch_size=1)
    pipeline = beam.Pipeline(options=PipelineOptions(options, runner=runner))
    # Workers receive plain tuples, which need no class there. After the reshuffle chunks are
    # independent: a shard is written when its chunk is done, not when all are.
    _ = (
        pipeline
        | "Chunks" >> beam.Create([tuple(chunk) for chunk in chunks], reshuffle=False)
        | "Spread" >> beam.Reshuffle()
        | "Read" >> beam.Map(lambda chunk: (chunk, read_chunk(Chunk(*chunk))))
        | "Translate" >> RunInference(handler)
        | "Write" >> beam.Map(lambda done: write_shard(Chunk(*done[0]), done[1]))
    )
    result = pipeline.run()
    state = result.wait_until_finish()
    if state is not None and str(state) != "DONE":
        raise RuntimeError(f"The pipeline ended as {state}; see the log of its runner.")


def unfinished(chunks):
    """The chunks without a shard."""
    folders = sorted({chunk.shard.rpartition("/")[0] for chunk in chunks})
    found = _files().match([f"{folder}/*.jsonl" for folder in folders]) if folders else []
    there = {one.path for part in found for one in part.metadata_list}
    return [chunk for chunk in chunks if chunk.shard not in there]


@contextlib.contextmanager
def progress(chunks, stream, seconds):
    """Prints how many lines are done, while the block runs."""
    total, begin = sum(chunk.lines for chunk in chunks), time.monotonic()
    before = total - sum(chunk.lines for chunk in unfinished(chunks))
    done, stop = [before], threading.Event()

    def tell():
        now = total - sum(chunk.lines for chunk in unfinished(chunks))
        if now == done[-1]:
            return
        done.append(now)
        speed = (now - before) / (time.monotonic() - begin)
        left = (total - now) / speed
        print(
            f"  {now:,} of {total:,} lines ({100 * now / total:.0f} %), {speed:.1f} a second, "
            f"{left:.0f} s left",
            file=stream,
            flush=True,
        )

    def watch():
        while not stop.wait(seconds):
            with contextlib.suppress(OSError):
                tell()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def merge(chunks, target):
    """Puts the shards of a file together: translations, and lines that were set aside.

    Returns:
        How many lines there are, and how many were set aside.

    Raises:
        RuntimeError: where a shard lacks the record of a line.
    """
    counts = {"lines": 0, "bad": 0}

    def records():
        for chunk in chunks:
            with _files().open(chunk.shard, compression_type="uncompressed") as stream:
                found = [json.loads(line) for line in stream.read().splitlines()]
            numbers = [one["line"] for one in found]
            if numbers != list(range(chunk.first, chunk.first + chunk.lines)):
                raise RuntimeError(
                    f"{chunk.shard} is damaged: expected lines {chunk.first} to "
                    f"{chunk.first + chunk.lines - 1}. Remove it, and repeat the command."
                )
            yield from found

    def translations():
        for one in records():
            counts["lines"] += 1
            yield " ".join(one.get("translation", "").splitlines())

    def bad():
        for one in records():
            if "error" in one:
                counts["bad"] += 1
                yield "\t".join((str(one["line"]), _cell(one["error"]), _cell(one["text"])))

    write_whole(target, translations())
    write_whole(f"{target}.bad.tsv", bad())
    # Left by runs that were killed while they wrote.
    files = _files()
    stale = files.match([f"{target}.shards/*.partial"])[0].metadata_list
    if stale:
        files.delete([one.path for one in stale])
    return counts["lines"], counts["bad"]


def _cell(text):
    return " ".join(text.replace("\t", "\\t").splitlines())


def _files():
    from apache_beam.io.filesystems import FileSystems

    return FileSystems


# ---- the command


def main(arguments=None):
    arguments = sys.argv[1:] if arguments is None else [str(one) for one in arguments]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    args = _parser().parse_args(arguments[:cut])
    # A terminal that cannot show a character shows a question mark instead.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    name = Path(__file__).name
    # An error in this process is printed as one line; of other machines the log is needed.
    local = args.runner == "DirectRunner"
    logging.getLogger().setLevel(logging.CRITICAL if local else logging.WARNING)

    # This logger reports unknown options.
    logging.getLogger("apache_beam.options.pipeline_options").setLevel(logging.WARNING)
    before = None

    def interrupted(*_):
        # At once, since files are always whole and the runner's threads would go on for long.
        os.write(2, f"\n{name}: interrupted; the same command goes on from here.\n".encode())
        os._exit(130)

    try:
        with _quiet():
            import apache_beam  # noqa: F401
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGINT, interrupted)
        _run(args, arguments[cut + 1 :])
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "apache_beam":
            raise
        print(
            f"{name}: error: the package apache-beam is missing; install it in a clone of "
            "the repository with: pip install '.[beam]'",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
    except (OSError, ValueError, RuntimeError) as error:
        print(f"{name}: error: {_reason(error)}", file=sys.stderr)
        raise SystemExit(1) from None
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _reason(error):
    """An error as one line; of a worker's traceback only the error at its end."""
    text = str(error)
    if "Traceback (most recent call last)" in text:
        raised = re.findall(
            r"^[\w.]*(?:Error|Exception|Interrupt): .*(?:\n(?! |\n).*)*", text, re.M
        )
        text = raised[-1] if raised else text[-500:]
    return " ".join(text.split())


def _run(args, options):
    output = args.output.rstrip("/")
    model = model_folder(args.model)
    names = [source.rstrip("/").rpartition("/")[2] for source in args.files]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(
            f"FILE: expected names that differ, received {', '.join(doubled)} more than once; "
            "translate them into different folders."
        )
    work, about = {}, {}
    for source, name in zip(args.files, names):
        if not _files().exists(source):
            raise FileNotFoundError(f"{source} does not exist.")
        folder = f"{output}/{name}.shards"
        work[name], digest = plan_file(source, folder, args.chunk)
        about[name] = {"sha256": digest, "lines": sum(chunk.lines for chunk in work[name])}
    agree(
        output,
        {
            "model": fingerprint(model),
            "signature": args.signature,
            "chunk": args.chunk,
            "longest": args.longest,
            "files": about,
        },
    )
    for name in names:
        with contextlib.suppress(OSError):
            _files().mkdirs(f"{output}/{name}.shards")

    chunks = [chunk for name in names for chunk in work[name]]
    todo = unfinished(chunks)
    lines, left = (sum(chunk.lines for chunk in part) for part in (chunks, todo))
    print(f"{lines:,} lines in {len(names)} files, {left:,} to do, with {model}", flush=True)
    if todo:
        with progress(chunks, sys.stderr, args.every):
            run_pipeline(
                todo, model, args.signature, args.batch, args.longest, args.runner, options
            )
        if todo := unfinished(chunks):
            raise RuntimeError(
                f"{len(todo)} parts are missing, the first is {todo[0].shard}. Do the workers "
                "write where this command reads? Repeat the command to go on."
            )
    for name in names:
        count, bad = merge(work[name], f"{output}/{name}")
        aside = f", {bad:,} of them set aside in {output}/{name}.bad.tsv" if bad else ""
        print(f"{output}/{name}: {count:,} lines{aside}")


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", metavar="MODEL", help="a SavedModel for text, or its versions")
    parser.add_argument("files", nargs="+", metavar="FILE", help="text, one sentence per line")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="folder of the results")
    parser.add_argument("--signature", default="serving_default", help="(%(default)s)")
    parser.add_argument(
        "--batch", type=_positive, default=32, help="how many lines at once (%(default)s)"
    )
    parser.add_argument(
        "--chunk",
        type=_positive,
        default=500,
        help="how many lines are redone at most after an interruption (%(default)s)",
    )
    parser.add_argument(
        "--longest",
        type=_positive,
        default=1000,
        help="lines with more characters are set aside (%(default)s)",
    )
    parser.add_argument(
        "--runner", default="DirectRunner", help="or FlinkRunner, SparkRunner, DataflowRunner"
    )
    parser.add_argument(
        "--every", type=float, default=5.0, help="seconds between lines of progress (%(default)s)"
    )
    return parser


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a positive integer, received {text}")
    return number


if __name__ == "__main__":
    main()
