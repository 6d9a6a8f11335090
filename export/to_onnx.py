"""Exports a Keras model as ONNX, with its decoding loop if it decodes, and verifies it.

The result, TARGET, runs in onnxruntime; export/run_onnx.py shows how.
"""

import _command


def main(arguments=None):
    args = _command.export_parser(__doc__).parse_args(arguments)
    _command.export(args, format="onnx")


if __name__ == "__main__":
    main()
