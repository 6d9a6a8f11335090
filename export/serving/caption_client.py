"""Captions images through TensorFlow Serving's REST interface, and draws where each word looked.

    python export/serving/caption_client.py photo.jpg --overlay pictures

Needs the standard library, and for pictures Pillow. Every file is a request of
its own: one that is broken takes no other along.
"""

import base64
from pathlib import Path
from typing import NamedTuple

import client
import rest_client

OUTPUTS = ("texts", "scores", "target_tokens", "attention")


class Caption(NamedTuple):
    """One hypothesis for one image.

    Attributes:
        text: what the model says.
        score: its score, a log-probability in nats, or what a beam search made of it.
        words: strings, without padding.
        maps: for every word the map `(h, w)` of where it looked, nested lists.
    """

    text: str
    score: float
    words: list
    maps: list


def body(files, signature="serving_default"):
    """A request in the row format: an object an image, whose bytes JSON holds in base 64."""
    encoded = [base64.b64encode(content).decode("ascii") for content in files]
    instances = [{"image_bytes": {"b64": text}} for text in encoded]
    return {"signature_name": signature, "instances": instances}


def captions(row):
    """The hypotheses in the answer to one image, best first: several of a beam, one otherwise.

    Args:
        row: the outputs by name, for this image; strings and nested lists.

    Raises:
        client.ServingError: where an output is missing.
    """
    client.check_outputs(row, OUTPUTS, "image")
    return [Caption(*found) for found in client.hypotheses(row)]


def main(arguments=None):
    parser = client.server_parser(__doc__, "http://localhost:8501", "caption", "several captions")
    rest_client.add_headers(parser)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a JPEG or PNG file")
    parser.add_argument(
        "--overlay",
        type=Path,
        metavar="FOLDER",
        help="draw the best caption of each file into FOLDER/FILE.png",
    )
    parser.add_argument("--font", metavar="FILE.ttf", help="a font with the letters of the words")
    parser.add_argument("--plain", action="store_true", help="print the captions alone")
    args = parser.parse_args(arguments)
    address = rest_client.url(args.server, args.model, args.version, args.label)

    def caption(path):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise client.BadInputError(f"{path} cannot be read: {error.strerror}.") from error
        rows = rest_client.ask(
            body([content], args.signature), address, args.timeout, dict(args.header)
        )
        if len(rows) != 1:
            raise client.ServingError(f"1 image was sent, {len(rows)} answers came.")
        return captions(rows[0])

    refused = False
    with client.errors_in_one_line():
        client.check_above_zero("--timeout", args.timeout)
        draw = _drawer(args.overlay, args.font) if args.overlay else None
        for path in args.files:
            try:
                _show(path, caption(path), args.plain, draw)
            except client.BadInputError as error:
                refused = True
                client.report(f"{path}: {error}" if str(path) not in str(error) else error)
    return int(refused)


def _show(path, found, plain, draw):
    if not plain:
        print(client.printable(str(path)))
    for one in found:
        text = client.printable(one.text)
        print(text if plain else f"  -> {text}   (score {one.score:.2f})", flush=True)
    picture = draw(path, found[0]) if draw and found else None
    if not plain:
        print(*([f"  {picture}"] if picture else []), "", sep="\n", flush=True)


def _drawer(folder, font):
    """Draws a caption into a folder; gives the path of the picture."""
    try:
        import overlay
    except ImportError as error:
        raise client.ServingError(
            "--overlay needs the package Pillow: pip install pillow"
        ) from error

    def draw(path, caption):
        picture = folder / f"{path.name}.png"
        try:
            overlay.save(
                overlay.draw(overlay.read(path), caption.words, caption.maps, font), picture
            )
        except (OSError, ValueError) as error:
            raise client.BadInputError(f"{picture} cannot be drawn: {error}") from error
        return picture

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise client.ServingError(
            f"--overlay: {folder} cannot be made: {error.strerror}."
        ) from error
    return draw


if __name__ == "__main__":
    raise SystemExit(main())
