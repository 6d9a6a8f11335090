"""Captions images through TensorFlow Serving's REST interface, and draws where each word looked.

    python export/serving/caption_client.py photo.jpg --overlay pictures

Needs the standard library, and for pictures Pillow.
"""

import base64

import captions
import rest


def body(files, signature="serving_default"):
    """A request in the row format: an object an image, whose bytes JSON holds in base 64."""
    encoded = [base64.b64encode(content).decode("ascii") for content in files]
    instances = [{"image_bytes": {"b64": text}} for text in encoded]
    return {"signature_name": signature, "instances": instances}


def main(arguments=None):
    parser = captions.parser(__doc__, "http://localhost:8501")
    rest.add_headers(parser)
    args = parser.parse_args(arguments)
    address = rest.url(args.server, args.model, args.version, args.label)
    return captions.main(
        args,
        lambda files: rest.ask(
            body(files, args.signature), address, args.timeout, dict(args.header)
        ),
    )


if __name__ == "__main__":
    raise SystemExit(main())
