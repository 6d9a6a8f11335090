"""Optional packages, imported when first needed, with an error that names the extra."""

import importlib


def require(module, extra):
    """Imports `module`, or says which extra brings it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"This needs the package {module.partition('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'keras-attention[{extra}]'"
        ) from error
