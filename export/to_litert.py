"""Exports a Keras model for LiteRT, with its decoding loop if it decodes, and verifies it.

The result, TARGET, runs in ai-edge-litert, on phones and small machines: one text, or
one image, at a time.
"""

import _command


def main(arguments=None):
    args = _command.export_parser(__doc__).parse_args(arguments)
    _command.export(args, format="litert")


if __name__ == "__main__":
    main()
