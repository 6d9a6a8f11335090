"""Files through `export/batch_translate.py`: every line, in order, whatever happens on the way."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.serving.conftest import EXPORT
from tests.support.mirror import POISON, said

needs_beam = pytest.mark.skipif(
    # Found rather than imported: that takes seconds.
    not any(os.path.isdir(os.path.join(folder, "apache_beam")) for folder in sys.path),
    reason="needs the extra beam: apache-beam",
)
GOOD = ["the black cat", "a", "Émile aime 日本", "x " * 40, "", "   ", "tab\there", "end"]


@pytest.fixture
def batch(module):
    return module("batch_translate")


def translate(texts):
    if any(POISON in text for text in texts):
        raise ValueError("this word\nis poison")
    return [(said(text), -float(len(text.split()))) for text in texts]


# ---- one chunk, without Beam


def test_a_chunk_keeps_its_order_and_sets_bad_lines_aside(batch):
    lines = [text.encode() for text in GOOD]
    lines[2:2] = [b"caf\xe9 x", b"one boom two", b"y" * 101]
    seen = []

    def noting(texts):
        seen.append(list(texts))
        return translate(texts)

    records = batch.translate_chunk(lines, 7, noting, batch_size=3, longest=100)
    assert [record["line"] for record in records] == list(range(7, 7 + len(lines)))
    for line, record in zip(lines, records):
        if "error" not in record:
            assert record["translation"] == said(line.decode())
            assert record["score"] == -len(line.split())
    assert {record["line"]: record["error"] for record in records if "error" in record} == {
        9: "not UTF-8 at byte 4",
        10: "the model fails: this word is poison",
        11: "too long: 101 characters, allowed are 100",
    }
    assert records[2]["text"] == r"caf\xe9 x" and records[3]["text"] == "one boom two"
    # Similar lengths together, at most three, and none that is blank.
    assert max(map(len, seen)) == 3 and all(text.strip() for texts in seen for text in texts)
    assert seen[0] == ["a", "end", "tab\there"]


def test_a_byte_order_mark_is_no_letter(batch):
    (record,) = batch.translate_chunk([b"\xef\xbb\xbfa b"], 1, translate, 1, 10)
    assert record["translation"] == "B A"


def test_a_score_that_is_no_number_is_set_aside(batch):
    records = batch.translate_chunk(
        [b"a", b"b"], 1, lambda texts: [(t, float("nan") if t == "b" else 0.0) for t in texts], 2, 9
    )
    assert records[0]["translation"] == "a" and "not a number" in records[1]["error"]


def test_a_model_that_always_fails_is_not_the_fault_of_the_lines(batch):
    with pytest.raises(RuntimeError, match="fails on all 8 lines from line 5 on: this word is"):
        batch.translate_chunk([b"boom"] * 8, 5, translate, 4, 100)
    records = batch.translate_chunk([b"boom"] * 8 + [b"a"], 5, translate, 4, 100)
    assert sum("error" in record for record in records) == 8
    with pytest.raises(RuntimeError, match="1 lines were sent, 0 answers came"):
        batch.translate_chunk([b"a"] * 8, 1, lambda texts: translate(texts)[1:], 2, 100)


# ---- files, through Beam


def write(path, lines, end=b"\n"):
    path.write_bytes(end.join(lines) + end)
    return path


def shards(folder, name="book.txt"):
    return sorted(path.name for path in (folder / f"{name}.shards").iterdir())


@needs_beam
@pytest.mark.parametrize("lines", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "content",
    [b"", b"a", b"a\n", b"\n", b"a\n\nb", b"a\r\nb\r\n", b"\n\n\n", b"1\n2\n3\n4\n5\n6"],
)
def test_chunks_are_the_lines_of_the_file(batch, tmp_path, lines, content):
    (tmp_path / "file").write_bytes(content)
    chunks, digest = batch.plan_file(str(tmp_path / "file"), "folder", lines)
    read = [line for chunk in chunks for line in batch.read_chunk(chunk)]
    assert read == content.splitlines()
    assert all(chunk.lines <= lines for chunk in chunks) and len(digest) == 64
    assert [chunk.first for chunk in chunks] == list(range(1, len(read) + 1, lines))


@needs_beam
def test_every_line_of_several_files(run, models, tmp_path):
    lines = [f"line number {i}" for i in range(50)]
    book = [line.encode() for line in lines]
    book[13], book[31] = b"caf\xe9", b"a boom"
    write(tmp_path / "book.txt", book, b"\r\n")
    write(tmp_path / "other.txt", [b"\xef\xbb\xbfa b", b"", b"c\td"])
    out = tmp_path / "out"
    code, printed, errors = run(
        *("batch_translate", models / "translate", tmp_path / "book.txt", tmp_path / "other.txt"),
        *("--output", out, "--chunk", 20, "--batch", 8, "--every", 0.01),
    )
    assert code == 0, errors
    assert printed.splitlines() == [
        f"53 lines in 2 files, 53 to do, with {models}/translate/2",
        f"{out}/book.txt: 50 lines, 2 of them set aside in {out}/book.txt.bad.tsv",
        f"{out}/other.txt: 3 lines",
    ]
    assert "of 53 lines (" in errors
    expected = [said(line) for line in lines]
    expected[13] = expected[31] = ""
    assert (out / "book.txt").read_text("utf-8").split("\n") == [*expected, ""]
    assert (out / "other.txt").read_text("utf-8") == "B A\n\nD C\n"
    bad = (out / "book.txt.bad.tsv").read_text("utf-8").splitlines()
    assert bad[0] == "14\tnot UTF-8 at byte 4\tcaf\\xe9"
    assert bad[1].startswith("32\tthe model fails: ") and bad[1].endswith("\ta boom")
    assert (out / "other.txt.bad.tsv").read_text("utf-8") == ""
    assert shards(out) == ["000000.jsonl", "000001.jsonl", "000002.jsonl"]
    record = json.loads((out / "book.txt.shards/000002.jsonl").read_text("utf-8").splitlines()[0])
    assert record == {"line": 41, "translation": "40 NUMBER LINE", "score": -6.0}


@needs_beam
def test_a_killed_run_goes_on_where_it_stopped(run, models, tmp_path):
    lines = [f"{i} x" for i in range(1000)]
    source, out = write(tmp_path / "book.txt", [line.encode() for line in lines]), tmp_path / "out"
    command = (models / "translate" / "1", source, "--output", out, "--chunk", 10, "--batch", 2)
    process = subprocess.Popen(
        [sys.executable, EXPORT / "batch_translate.py", *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 300
        while len([*out.glob("book.txt.shards/*.jsonl")]) < 3:
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (out / "book.txt.shards" / "000099.jsonl.0.partial").write_text("begun")
    kept = {name for name in shards(out) if name.endswith(".jsonl")}
    assert 3 <= len(kept) < 100 and not (out / "book.txt").exists()
    times = {name: (out / "book.txt.shards" / name).stat().st_mtime_ns for name in kept}

    code, printed, _ = run("batch_translate", *command, "--every", 60)
    assert code == 0
    assert f"1,000 lines in 1 files, {1000 - 10 * len(kept)} to do" in printed
    for name, before in times.items():
        assert (out / "book.txt.shards" / name).stat().st_mtime_ns == before
    assert (out / "book.txt").read_text("utf-8").split("\n") == [*map(said, lines), ""]
    assert shards(out) == [f"{i:06d}.jsonl" for i in range(100)]

    # Another run does not mix with this one, and a damaged part is found.
    code, _, errors = run("batch_translate", *command, "--longest", 5)
    assert code == 1 and "holds the results of another run (longest differ)" in errors
    (out / "book.txt.shards" / "000001.jsonl").write_text('{"line": 11}\n')
    code, _, errors = run("batch_translate", *command)
    assert code == 1 and "000001.jsonl is damaged: expected lines 11 to 20. Remove it" in errors
    (out / "book.txt.shards" / "000001.jsonl").unlink()
    code, printed, _ = run("batch_translate", *command)
    assert code == 0 and ", 10 to do" in printed
    assert (out / "book.txt").read_text("utf-8").split("\n") == [*map(said, lines), ""]


@needs_beam
def test_what_is_refused(run, models, tmp_path):
    book = write(tmp_path / "book.txt", [b"a"] * 3)
    (tmp_path / "again").mkdir()
    again = write(tmp_path / "again" / "book.txt", [b"a"])
    packed = write(tmp_path / "packed.gz", [b"\x1f\x8b\x08"])
    poison = write(tmp_path / "poison.txt", [b"boom"] * 9)
    model, out = models / "translate", tmp_path / "out"
    for arguments, words in (
        ((tmp_path, book), "holds no SavedModel: expected saved_model.pb"),
        ((model, tmp_path / "none.txt"), "none.txt does not exist"),
        ((model, book, again), "expected names that differ, received book.txt"),
        ((model, packed), "expected plain text, received a compressed file"),
        ((model, book, "--signature", "nope"), "has no signature 'nope'"),
        ((model, poison), "The model fails on all 9 lines from line 1 on"),
    ):
        code, _, errors = run("batch_translate", *arguments, "--output", out)
        lines = errors.splitlines()
        assert code == 1 and lines[-1].startswith("batch_translate.py: error: "), errors
        assert words in lines[-1] and len(lines) == 1
    # Nothing of it is in the way of the right command.
    code, *_ = run("batch_translate", model, book, "--output", out, "--signature", "beam")
    assert code == 0 and (out / "book.txt").read_text("utf-8") == "A\nA\nA\n"


@pytest.mark.skipif(not needs_beam.args[0], reason="apache-beam is there")
def test_without_beam_it_says_what_to_install(run, tmp_path):
    code, _, errors = run("batch_translate", tmp_path, tmp_path, "--output", tmp_path / "out")
    assert code == 1 and errors == (
        "batch_translate.py: error: the package apache-beam is missing; install it in a clone of "
        "the repository with: pip install '.[beam]'\n"
    )
