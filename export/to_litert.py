"""Exports a Keras model for LiteRT, with its decoding loop if it decodes, and verifies it.

The result, TARGET, runs in ai-edge-litert, on phones and small machines: one text, or
one image, at a time.

    python export/to_litert.py MODEL.keras TARGET [options]

With --precision int8 or float16 the weights take a quarter or half of the bytes.

This is `keras-attention export --format litert`; --help lists the options.
"""

import _command


def main(arguments=None):
    _command.run("export", arguments, "--format", "litert")


if __name__ == "__main__":
    main()
