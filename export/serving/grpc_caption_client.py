"""Captions images through TensorFlow Serving's gRPC interface, and draws where each word looked.

    python export/serving/grpc_caption_client.py photo.jpg --overlay pictures

Needs tensorflow-serving-api, and TensorFlow with it (in a clone: pip install '.[serving]'), and
for pictures Pillow.
"""

import captions
import client
from answers import OUTPUTS


def main(arguments=None):
    args = captions.parser(__doc__, "localhost:8500").parse_args(arguments)
    with client.errors_in_one_line():
        import rpc

        model = rpc.Model(args.model, args.signature, args.version, args.label)
        with rpc.connect(args.server) as channel:
            return captions.main(
                args,
                lambda files: rpc.ask(
                    {"image_bytes": files}, model, channel, OUTPUTS["image"], args.timeout
                ),
            )


if __name__ == "__main__":
    raise SystemExit(main())
