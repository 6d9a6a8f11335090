"""Virtual environments of other backends and of the libraries that benchmarks compare with.

    python benchmarks/environments.py tfa    # makes it if it is missing, prints its python

Each is made once, under build/env, from pinned requirements.

Needs nothing but the standard library. Where an environment cannot be made,
`UnavailableError` says why.
"""

import configparser
import fcntl
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _ranges(*extras):
    """The version ranges that setup.cfg asks for, with these extras or with all."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    of_extras = settings["options.extras_require"]
    lists = [settings["options"]["install_requires"]]
    lists += [of_extras[name] for name in extras or of_extras]
    asked = [line.strip() for text in lists for line in text.splitlines() if line.strip()]
    return tuple(dict.fromkeys(asked))


def _of_project(*names):
    """The version ranges of setup.cfg for these packages, so that no range is written twice."""
    return tuple(line for line in _ranges() if line.split()[0] in names)


def _oldest():
    """What make installs, each package in the oldest version that setup.cfg allows."""
    lowest = re.compile(r" >=([\d.]+).*")
    return tuple(lowest.sub(r"==\1.*", line) for line in _ranges("development"))


# Name: the versions of Python it runs on (None: any), and what is installed, pinned.
# The environments of JAX and of torch also run this project's tests.
ENVIRONMENTS = {
    "jax": (None, (*_of_project("keras", "numpy", "pytest"), "jax==0.10.2")),
    # Beam needs an older protobuf than TensorFlow installs by default.
    "beam": (
        None,
        (
            *_of_project("apache-beam", "keras", "numpy", "pytest", "rich", "tensorflow", "typer"),
            "distributed==2026.8.0",
        ),
    ),
    # The server that runs export/serving/kserve_model.py.
    "kserve": (None, (*_of_project("keras", "numpy", "tensorflow"), "kserve==0.21.0")),
    # What builds the pages, and what builds and checks the distributions.
    "docs": (
        None,
        _of_project("latex2mathml", "mkdocs-jupyter", "mkdocs-material", "mkdocstrings[python]"),
    ),
    # The tests of make test, at both ends of the ranges.
    "oldest": (((3, 10),), (*_oldest(), "--editable", str(ROOT))),
    "newest": (((3, 13),), ("--editable", f"{ROOT}[development]")),
    # The server and the page of notebooks; their kernel is the interpreter of the tests.
    "jupyter": (None, ("jupyterlab==4.6.6", *_of_project("anywidget"))),
    "wheel": (None, ("build==1.4.0", "check-wheel-contents==0.6.3", "twine==6.2.0")),
    # The oldest that setup.cfg allows.
    "onnxruntime": (None, ("onnxruntime==1.23.2", *_of_project("numpy"))),
    "torch": (None, (*_of_project("keras", "numpy", "pytest"), "torch==2.13.0", "entmax==1.3")),
    "tfa": (
        ((3, 11), (3, 10), (3, 9)),
        ("tensorflow-cpu==2.15.1", "tensorflow-addons==0.23.0", "numpy<2"),
    ),
}


class UnavailableError(Exception):
    """An environment cannot be made on this machine; the message says why."""


def python_of(name):
    """The interpreter of the environment `name`, which is made if it is missing.

    Args:
        name: a key of `ENVIRONMENTS`, or "project" for the interpreter that
            runs this.

    Returns:
        The path of the interpreter.

    Raises:
        UnavailableError: where no fitting Python is found, or installing fails.
    """
    if name == "project":
        return Path(sys.executable)
    versions, requirements = ENVIRONMENTS[name]
    folder = _folder(name)
    python, installed = folder / "bin" / "python", folder / "installed"
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Two commands may want the same environment at once.
    with open(folder.parent / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_made(name):
            return python
        print(f"Making the environment {folder}: {', '.join(requirements)}", file=sys.stderr)
        _run([_base(name, versions), "-m", "venv", "--clear", str(folder)], name)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, *requirements], name)
        installed.write_text("\n".join(requirements), "utf-8")
    return python


def is_made(name):
    """Whether the environment `name` is there, with what it needs now."""
    installed = _folder(name) / "installed"
    return installed.exists() and installed.read_text("utf-8") == "\n".join(ENVIRONMENTS[name][1])


def _folder(name):
    return ROOT / "build" / "env" / name


def _base(name, versions):
    if versions is None or sys.version_info[:2] in versions:
        return sys.executable
    for major, minor in versions:
        found = shutil.which(f"python{major}.{minor}")
        # The stub of a version manager may be found although no Python is behind it.
        if found and subprocess.run([found, "--version"], capture_output=True).returncode == 0:
            return found
    wanted = ", ".join(f"{major}.{minor}" for major, minor in versions)
    raise UnavailableError(f"{name} needs Python {wanted}, and none of them is on this machine.")


def _run(command, name):
    # Packages of the calling environment must not be visible in the new one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        raise UnavailableError(f"{name}: {' '.join(command)} failed.\n{tail}")


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        try:
            print(python_of(wanted))
        except UnavailableError as reason:
            sys.exit(str(reason))
