"""What a run may overwrite: its own results, and nothing else."""

import json
import shutil

import pytest

from tests.batch.conftest import shards, write
from tests.batch.needs import skip_without

skip_without("apache_beam")


@pytest.fixture
def book(tmp_path):
    (tmp_path / "in").mkdir()
    return write(tmp_path / "in" / "book.txt", [b"a", b"b", b"c"])


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def done(run, models, book, out):
    """The command of a run that is complete."""
    command = (models / "1", book, "--output", out, "--chunk", 2)
    assert run(*command)[0] == 0
    return command


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(run, words, folder, *arguments):
    """Runs the command, which ends with one line and changes nothing."""
    before = contents(folder)
    code, _, errors = run(*arguments)
    assert code == 2 and errors.count("\n") == 1 and words in errors, errors
    assert contents(folder) == before


def test_the_folder_of_the_input_is_refused(run, models, book, tmp_path):
    refused(run, f"overwrite {book}", tmp_path, models, book, "--output", book.parent)
    (tmp_path / "link").symlink_to(book.parent)
    refused(run, f"overwrite {book}", tmp_path, models, book, "--output", tmp_path / "link")


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.parametrize("name", ["book.txt", "book.txt.bad.tsv", "plan.json"])
def test_a_link_to_an_input_is_refused(run, models, book, out, tmp_path, name, kind):
    out.mkdir()
    if kind == "soft":
        (out / name).symlink_to(book)
    else:
        (out / name).hardlink_to(book)
    refused(run, f"overwrite {book}", tmp_path, models, book, "--output", out)


@pytest.mark.parametrize(
    "name",
    [
        "book.txt",
        "book.txt.bad.tsv",
        "plan.json",
        "book.txt.shards/000000.jsonl",
        "book.txt.shards/000001.json",
        "book.txt.shards/result.json",
    ],
)
@pytest.mark.parametrize("content", ["mine\n", "{}", "[1]", '{"model": 1}', "[" * 100_000])
def test_the_file_of_somebody_else_is_refused(run, models, book, out, tmp_path, name, content):
    (out / "book.txt.shards").mkdir(parents=True)
    (out / name).write_text(content)
    command = (models, book, "--output", out, "--chunk", 2)
    refused(run, f"{out / name} was not written by this command", tmp_path, *command)


@pytest.mark.parametrize("second", ["book.txt", "book.txt.bad.tsv", "book.txt.shards", "plan.json"])
def test_results_that_would_overwrite_each_other_are_refused(run, models, book, out, second):
    (book.parent / "more").mkdir()
    other = write(book.parent / "more" / second, [b"a"])
    words = f"expected names that differ, received results named {second}"
    refused(run, words, book.parent, models, book, other, "--output", out)


def test_a_result_that_was_edited_is_refused(run, done, out, tmp_path):
    (out / "book.txt").write_text("A\nbetter\nC\n")
    refused(run, "book.txt was not written by this command, or has changed", tmp_path, *done)


@pytest.mark.parametrize(
    ("change", "differ"),
    [
        (lambda command: (command[0].with_name("2"), *command[1:]), "model"),
        (lambda command: (*command, "--signature", "beam"), "signature"),
        (lambda command: (*command[:-1], 1), "chunk"),
        (lambda command: (*command, "--longest", 9), "longest"),
    ],
)
@pytest.mark.parametrize("with_plan", [True, False])
def test_shards_of_another_run_are_refused(run, done, out, tmp_path, change, differ, with_plan):
    if not with_plan:
        (out / "plan.json").unlink()
    refused(run, f"results of another run ({differ}", tmp_path, *change(done))


@pytest.mark.parametrize("with_plan", [True, False])
def test_shards_of_another_file_are_refused(run, done, book, out, tmp_path, with_plan):
    if not with_plan:
        (out / "plan.json").unlink()
    write(book, [b"a", b"B", b"c"])
    refused(run, "results of another run (file", tmp_path, *done)


def test_without_the_plan_the_run_goes_on(run, done, out):
    before = contents(out)
    (out / "plan.json").unlink()
    (out / "book.txt.shards" / "000001.jsonl").unlink()
    (out / "book.txt").unlink()
    code, printed, _ = run(*done)
    assert code == 0 and "3 lines in 1 files, 1 to do" in printed
    assert contents(out) == before


def test_a_shard_says_what_it_was_made_from(done, out):
    assert shards(out, pattern="*.json") == ["000000.json", "000001.json", "result.json"]
    note = json.loads((out / "book.txt.shards" / "000001.json").read_text("utf-8"))
    settings = {"signature": "serving_default", "chunk": 2, "longest": 1000}
    assert settings.items() <= note["made_from"].items()
    assert note["made_from"]["first"], note["made_from"]["lines"] == (3, 1)
    assert all(len(note["made_from"][name]) == 64 for name in ("model", "file"))


def test_a_model_that_is_replaced_meanwhile_is_refused(models, tmp_path):
    from keras_attention.export.batch.artifact import find_artifact, loaded

    shutil.copytree(models / "1", tmp_path / "model")
    artifact = find_artifact(str(tmp_path / "model"), "serving_default")
    shutil.rmtree(tmp_path / "model")
    shutil.copytree(models / "2", tmp_path / "model")
    with pytest.raises(ValueError, match="expected the SavedModel that this run began with"):
        loaded(artifact)
