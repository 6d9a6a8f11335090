"""Translates through TensorFlow Serving's REST interface, and draws where the model looked.

    python export/serving/rest_client.py "In the beginning was the Word."
    python export/serving/rest_client.py --plain < sentences.txt > translations.txt

Needs nothing but the standard library.
"""

import client
import rest


def body(texts, signature="serving_default"):
    """A request in the row format: an object a text."""
    return {"signature_name": signature, "instances": [{"text": text} for text in texts]}


def predict(texts, address, signature="serving_default", timeout=30.0, headers=None):
    """For every text the outputs by name; the arguments and errors are those of `rest.ask`."""
    return rest.ask(body(texts, signature), address, timeout, headers)


def main(arguments=None):
    parser = client.parser(__doc__, "http://localhost:8501")
    rest.add_headers(parser)
    args = parser.parse_args(arguments)
    address = rest.url(args.server, args.model, args.version, args.label)
    client.main(
        args,
        lambda texts: predict(texts, address, args.signature, args.timeout, dict(args.header)),
    )


if __name__ == "__main__":
    main()
