"""What tests need that is not installed everywhere."""

import os
import sys

import pytest


def is_installed(package):
    """Whether a package is there; found rather than imported, which takes seconds."""
    return any(os.path.isdir(os.path.join(folder, package)) for folder in sys.path)


def skip_without(*packages):
    """Skips the tests of a file where a package is missing."""
    for package in packages:
        if not is_installed(package):
            pytest.skip(f"needs the package {package}: make test-beam", allow_module_level=True)
