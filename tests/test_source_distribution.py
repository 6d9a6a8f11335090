"""The source distribution holds what its tests need, and they run where it is unpacked."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.support.distributions import build, clone_tracked_files

ROOT = Path(__file__).parents[1]
# What only the repository needs.
LEFT_OUT = (".ci/", ".github/", ".gitignore")

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists(), reason="this is an unpacked source distribution itself"
)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """What `make sdist` packs of the files that git tracks, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    clone = folder / "clone"
    tracked = clone_tracked_files(ROOT, clone)
    archive = build("sdist", clone, folder)
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return tracked, folder / archive.name.removesuffix(".tar.gz")


def test_it_has_every_file_that_the_tests_and_documents_need(unpacked):
    tracked, folder = unpacked
    expected = {name for name in tracked if not name.startswith(LEFT_OUT)}
    assert not [name for name in expected if not (folder / name).exists()]


def test_its_tests_run_where_it_is_unpacked(unpacked):
    _, folder = unpacked
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [*command, "--collect-only"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
    chosen = ["tests/test_architecture.py", "tests/tfa/test_parity.py", "tests/scores"]
    done = subprocess.run(
        [*command, *chosen], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
