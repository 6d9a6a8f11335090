"""The other package of the same import name is noticed where it lies beside this one."""

import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import keras_attention
from keras_attention._core.other_package import warn_of_other_package


def test_one_file_of_such_a_name_is_not_the_other_package(tmp_path):
    (tmp_path / "settings.py").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_other_package(tmp_path)


def test_the_warning_says_in_one_line_what_happened_and_what_to_do(tmp_path):
    for name in ("self_attention.py", "settings.py"):
        (tmp_path / name).touch()
    with pytest.warns(UserWarning) as found:
        warn_of_other_package(tmp_path)
    (message,) = (str(one.message) for one in found)
    assert "\n" not in message and str(tmp_path) in message
    assert "pip uninstall keras-attention`" in message and "keras-attention-layers" in message


def test_importing_a_package_beside_the_other_one_warns(tmp_path):
    package = Path(keras_attention.__file__).parent
    copy = tmp_path / "keras_attention"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__", "presets", "web"))
    for name in ("self_attention.py", "settings.py"):
        (copy / name).write_text("print('the other package')\n", "utf-8")
    # The warning as an error ends the import before Keras, which takes seconds.
    command = [sys.executable, "-W", "error::UserWarning", "-c", "import keras_attention"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("UserWarning: The package keras-attention, which is another one")
    assert str(copy) in last
