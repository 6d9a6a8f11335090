"""Exports a Keras model as a SavedModel, with its decoding loop if it decodes, and verifies it.

The result, TARGET/VERSION/, loads in TensorFlow Serving, or wherever TensorFlow is.

    python export/to_saved_model.py MODEL.keras TARGET [options]

This is `keras-attention export --format saved_model`; --help lists the options.
"""

import _command


def main(arguments=None):
    _command.run("export", arguments, "--format", "saved_model")


if __name__ == "__main__":
    main()
