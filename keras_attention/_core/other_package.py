"""The package `keras-attention` 1.0.0 (2019) on PyPI, which installs into the same folder."""

from __future__ import annotations

import warnings
from pathlib import Path

_FILES = ("self_attention.py", "settings.py")


def warn_of_other_package(folder: Path) -> None:
    """Warns if the files of the other package lie in `folder`, which is this package's.

    Both packages bring `keras_attention/__init__.py`. The one that was installed last is
    imported, and uninstalling either removes the file of both.

    Example:

    >>> from pathlib import Path
    >>> from keras_attention._core.other_package import warn_of_other_package
    >>> warn_of_other_package(Path("a folder without them"))
    """
    if all((folder / name).is_file() for name in _FILES):
        warnings.warn(
            f"The package keras-attention, which is another one, is installed into {folder} too. "
            "Run `pip uninstall keras-attention`, then install keras-attention-layers again with "
            "--force-reinstall.",
            stacklevel=2,
        )
