"""What the clients for images share: their arguments, and how a caption is shown.

Needs the standard library, and for pictures Pillow. Every file is a request of its own: one that
is broken takes no other along.
"""

from pathlib import Path

import client
from answers import BadInputError, ServingError, captions, check_count
from printable import printable

LARGEST_FILE = 32 * 2**20  # bytes


def parser(description, server):
    """A parser with what every client of a captioner takes.

    Args:
        description: the docstring of the script.
        server: where the server is by default.
    """
    made = client.server_parser(description, server, "caption", "several captions")
    made.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a JPEG or PNG file")
    made.add_argument(
        "--overlay",
        type=Path,
        metavar="FOLDER",
        help="draw the best caption of each file into FOLDER/FILE.png",
    )
    made.add_argument("--font", metavar="FILE.ttf", help="a font with the letters of the words")
    made.add_argument("--plain", action="store_true", help="print the captions alone")
    return made


def main(arguments, predict):
    """Captions what the arguments say, and prints it.

    Args:
        arguments: what `parser(...).parse_args()` gave.
        predict: takes a list of the contents of files, gives for each the
            outputs by name.

    Returns:
        The exit status: 1 where a file was refused, otherwise 0.
    """
    refused = False
    with client.errors_in_one_line():
        client.check_timeout(arguments.timeout)
        draw = _drawer(arguments.overlay, arguments.font) if arguments.overlay else None
        for path in arguments.files:
            try:
                (row,) = check_count(predict([_read(path)]), 1, "image was")
                _show(path, captions(row), arguments.plain, draw)
            except BadInputError as error:
                refused = True
                client.report(f"{path}: {error}" if str(path) not in str(error) else error)
    return int(refused)


def _read(path):
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > LARGEST_FILE:
        raise BadInputError(f"{path} is larger than {LARGEST_FILE / 2**20:g} MiB.")
    return content


def _show(path, found, plain, draw):
    if not plain:
        print(printable(str(path)))
    for one in found:
        text = printable(one.text)
        print(text if plain else f"  -> {text}   (score {one.score:.2f})", flush=True)
    picture = draw(path, found[0]) if draw and found else None
    if not plain:
        print(*([f"  {printable(str(picture))}"] if picture else []), "", sep="\n", flush=True)


def _drawer(folder, font):
    """Draws a caption into a folder; gives the path of the picture."""
    try:
        import overlay
    except ImportError as error:
        raise ServingError("--overlay needs the package Pillow: pip install pillow") from error

    def draw(path, caption):
        picture = folder / f"{path.name}.png"
        try:
            overlay.save(
                overlay.draw(overlay.read(path), caption.tokens, caption.attention, font), picture
            )
        except (OSError, ValueError) as error:
            raise BadInputError(f"{picture} cannot be drawn: {error}") from error
        return picture

    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ServingError(f"--overlay: {folder} cannot be made: {error.strerror}.") from error
    return draw
