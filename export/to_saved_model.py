"""Exports a Keras model as a SavedModel, with its decoding loop if it decodes, and verifies it.

The result, TARGET/VERSION/, loads in TensorFlow Serving, or wherever TensorFlow is.
"""

import _command


def main(arguments=None):
    parser = _command.export_parser(__doc__)
    parser.add_argument(
        "--kind",
        choices=("ids", "call", "text", "image"),
        help="what goes in and comes out: ids, the default of a model that decodes (pixels and "
        "ids for one of images); call, the default of any other; text, for a model with "
        "vocabularies; or image, files of images in",
    )
    parser.add_argument(
        "--version",
        type=_command.positive,
        metavar="N",
        help="the directory below TARGET (default: the next free number, or with --overwrite the "
        "highest); TensorFlow Serving takes the highest",
    )
    args = parser.parse_args(arguments)
    _command.export(args, format="saved_model", kind=args.kind, version=args.version)


if __name__ == "__main__":
    main()
