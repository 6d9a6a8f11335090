"""Translates through TensorFlow Serving's gRPC interface, and draws where the model looked.

    python export/serving/grpc_client.py "In the beginning was the Word."

Needs tensorflow-serving-api, and TensorFlow with it (in a clone: pip install '.[serving]').
"""

import client
from answers import OUTPUTS


def inputs(texts):
    """The inputs of an artifact for text."""
    return {"text": [text.encode("utf-8") for text in texts]}


def main(arguments=None):
    args = client.parser(__doc__, "localhost:8500").parse_args(arguments)
    with client.errors_in_one_line():
        import rpc

        model = rpc.Model(args.model, args.signature, args.version, args.label)
        with rpc.connect(args.server) as channel:
            client.main(
                args,
                lambda texts: rpc.ask(inputs(texts), model, channel, OUTPUTS["text"], args.timeout),
            )


if __name__ == "__main__":
    main()
