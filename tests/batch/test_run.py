"""Files through the command on Beam's DirectRunner: every line, in order, after a kill too."""

import json

from tests.batch.conftest import shards, stop, wait_until, write
from tests.batch.needs import skip_without
from tests.support.mirror import said

skip_without("apache_beam")


def test_every_line_of_several_files(run, models, tmp_path):
    lines = [f"line number {i}" for i in range(50)]
    book = [line.encode() for line in lines]
    book[13], book[31] = b"caf\xe9", b"a boom"
    write(tmp_path / "book.txt", book, b"\r\n")
    write(tmp_path / "other.txt", [b"\xef\xbb\xbfa b", b"", b"c\td"])
    out = tmp_path / "out"
    code, printed, errors = run(
        *(models, tmp_path / "book.txt", tmp_path / "other.txt"),
        *("--output", out, "--chunk", 20, "--batch", 8, "--every", 0.01),
    )
    assert code == 0, errors
    assert printed.splitlines() == [
        f"53 lines in 2 files, 53 to do, with {models}/2",
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


def test_a_killed_run_goes_on_where_it_stopped(run, started, models, tmp_path):
    lines = [f"{i} x" for i in range(1000)]
    source, out = write(tmp_path / "book.txt", [line.encode() for line in lines]), tmp_path / "out"
    command = (models / "1", source, "--output", out, "--chunk", 10, "--batch", 2)
    process = started(*command)
    wait_until(lambda: len(shards(out)) >= 3, process)
    stop(process)
    (out / "book.txt.shards" / "000099.jsonl.0.partial").write_text("begun")
    kept = set(shards(out))
    assert 3 <= len(kept) < 100 and not (out / "book.txt").exists()
    times = {name: (out / "book.txt.shards" / name).stat().st_mtime_ns for name in kept}

    code, printed, _ = run(*command, "--every", 60)
    assert code == 0
    assert f"1,000 lines in 1 files, {1000 - 10 * len(kept)} to do" in printed
    for name, before in times.items():
        assert (out / "book.txt.shards" / name).stat().st_mtime_ns == before
    assert (out / "book.txt").read_text("utf-8").split("\n") == [*map(said, lines), ""]
    assert shards(out) == [f"{i:06d}.jsonl" for i in range(100)]
    assert not shards(out, pattern="*.partial")

    # Another run does not mix with this one, and a damaged part is found.
    code, _, errors = run(*command, "--longest", 5)
    assert code == 2 and "holds the results of another run (longest differ)" in errors
    (out / "book.txt.shards" / "000001.jsonl").write_text('{"line": 11}\n')
    code, _, errors = run(*command)
    assert code == 1 and "000001.jsonl is damaged: its SHA-256 differs" in errors
    (out / "book.txt.shards" / "000001.jsonl").unlink()
    code, printed, _ = run(*command)
    assert code == 0 and ", 10 to do" in printed
    assert (out / "book.txt").read_text("utf-8").split("\n") == [*map(said, lines), ""]


def test_names_that_look_like_patterns(run, models, tmp_path):
    folder = tmp_path / "in[1]"
    folder.mkdir()
    names = ["book[1].txt", "book1.txt", "b*?.txt", "two words.txt"]
    files = [write(folder / name, [name.encode()] * 3) for name in names]
    out = tmp_path / "out[ab]"
    code, printed, errors = run(models, *files, "--output", f"{out}//", "--chunk", 2)
    assert code == 0, errors
    for name in names:
        assert (out / name).read_text("utf-8") == f"{said(name)}\n" * 3
        assert shards(out, name) == ["000000.jsonl", "000001.jsonl"]
    code, printed, _ = run(models, *files, "--output", out, "--chunk", 2)
    assert code == 0 and "12 lines in 4 files, 0 to do" in printed


def test_what_is_refused(run, models, tmp_path):
    book = write(tmp_path / "book.txt", [b"a"] * 3)
    (tmp_path / "again").mkdir()
    again = write(tmp_path / "again" / "book.txt", [b"a"])
    packed = write(tmp_path / "packed.gz", [b"\x1f\x8b\x08"])
    poison = write(tmp_path / "poison.txt", [b"boom"] * 9)
    model, out = models, tmp_path / "out"
    for arguments, status, words in (
        ((tmp_path, book), 2, "holds no SavedModel: expected saved_model.pb"),
        ((model, tmp_path / "none.txt"), 2, "none.txt does not exist"),
        ((model, book, again), 2, "names that differ, received results named book.txt"),
        ((model, packed), 2, "expected plain text, received a compressed file"),
        ((model, book, "--signature", "nope"), 1, "has no signature 'nope'"),
        ((model, "--", "--option"), 2, "files: expected at least one, received none"),
        ((model, poison), 1, "The model fails on all 9 lines from line 1 on"),
    ):
        code, _, errors = run("--output", out, *arguments)
        lines = errors.splitlines()
        assert code == status and lines[-1].startswith("keras-attention: error: "), errors
        assert words in lines[-1] and len(lines) == 1
    # Nothing of it is in the way of the right command.
    code, *_ = run(model, book, "--output", out, "--signature", "beam")
    assert code == 0 and (out / "book.txt").read_text("utf-8") == "A\nA\nA\n"
