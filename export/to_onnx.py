"""Exports a Keras model as ONNX, with its decoding loop if it decodes, and verifies it.

The result, TARGET, runs in onnxruntime; export/run_onnx.py shows how.

    python export/to_onnx.py MODEL.keras TARGET [options]

With --precision int8 or float16 the weights take a quarter or half of the bytes.

This is `keras-attention export --format onnx`; --help lists the options.
"""

import _command


def main(arguments=None):
    _command.run("export", arguments, "--format", "onnx")


if __name__ == "__main__":
    main()
