"""What these scripts share: each is a command of `keras-attention` by another name."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def run(command, arguments, *options):
    """Runs `keras-attention COMMAND` with the arguments of a script, and ends the process."""
    name = os.path.basename(sys.argv[0])
    try:
        from keras_attention.cli import main
    except ImportError as error:
        raise SystemExit(f"{name}: error: {error}; in a clone: pip install '.[onnx]'") from None
    main([command, *options, *(sys.argv[1:] if arguments is None else arguments)], name=name)
